package denyfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"countersign.dev/authz/revoke"
)

// maxErrors bounds how many mistakes are listed at once.
const maxErrors = 10

// Parse reads a deny-list, in YAML or JSON:
//
//	revocations:
//	  - task: case-4711                  # exactly one of jti, txn, task, sub, actor, kid, before
//	    reason: customer withdrew consent  # optional
//	    expires: 2026-12-01T00:00:00Z    # optional, RFC 3339
//	  - before: 2026-11-25T10:00:00Z     # tokens issued before this time, RFC 3339
//	    issuer: https://tts.acme.example # optional: only those of this issuer
//	    subject: alice                   # optional: only those of this user
//
// The value of actor is a SPIFFE ID, or one followed by "/*" for all workloads below it. Unknown keys, several kinds in
// one entry, empty values, anchors and anything else unexpected are errors. Each error starts with file:line:column and
// says how to fix it; the file name is only used there. Data is at most [MaxFile] bytes.
func Parse(file string, data []byte) (*revoke.List, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s: the file is larger than %d bytes: remove expired entries", file, MaxFile)
	}
	r := reader{file: file}
	if !utf8.Valid(data) {
		return nil, r.at(nil, "the file is not UTF-8: save it as UTF-8")
	}
	tree, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\ufeff")), 0)
	if err != nil {
		return nil, r.syntaxError(err)
	}
	r.document(tree)
	if len(r.errs) > 0 {
		return nil, r.joined()
	}
	return revoke.NewList(r.entries), nil
}

// reader turns the syntax tree into a list and collects mistakes.
type reader struct {
	file    string
	entries []revoke.Entry
	errs    []error
}

const rootHint = `write "revocations:" and a list, or "revocations: []" for none`

func (r *reader) document(tree *ast.File) {
	bodies := slices.DeleteFunc(slices.Clone(tree.Docs), func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(bodies) == 0 {
		// An empty file is more likely cut off than meant to revoke nothing.
		r.errs = append(r.errs, fmt.Errorf("%s:1:1: the file is empty: %s", r.file, rootHint))
		return
	}
	if len(bodies) > 1 {
		r.fail(bodies[1].Body, "a second document: put all entries into one list")
		return
	}
	pairs, ok := r.mapping(bodies[0].Body, rootHint)
	if !ok {
		return
	}
	var list ast.Node
	for _, pair := range pairs {
		if key := keyOf(pair); key == "revocations" {
			list = pair.Value
		} else {
			r.fail(pair.Key, "unknown key %q: the only one is revocations", key)
		}
	}
	if list == nil {
		r.fail(bodies[0].Body, "revocations is missing: %s", rootHint)
		return
	}
	sequence, ok := list.(*ast.SequenceNode)
	if !ok {
		r.fail(list, "revocations must be a list: %s", rootHint)
		return
	}
	for _, node := range sequence.Values {
		r.entry(node)
	}
}

func (r *reader) entry(node ast.Node) {
	const hint = `write a mapping such as "task: case-4711"`
	pairs, ok := r.mapping(node, hint)
	if !ok {
		return
	}
	before := len(r.errs)
	var e revoke.Entry
	var what ast.Node // is revoked
	for _, pair := range pairs {
		switch key := keyOf(pair); {
		case slices.Contains(revoke.Kinds(), key) && e.Kind != "":
			r.fail(pair.Key, "the entry has both %s and %s: make two entries", e.Kind, key)
		case slices.Contains(revoke.Kinds(), key):
			e.Kind, e.Value, what = key, r.text(pair), pair.Value
		case key == "issuer":
			e.Issuer = r.text(pair)
		case key == "subject":
			e.Subject = r.text(pair)
		case key == "reason":
			e.Reason = r.text(pair)
		case key == "expires":
			e.Expires = r.time(pair)
		default:
			r.fail(pair.Key, "unknown key %q: use one of %s, and reason or expires", key, strings.Join(revoke.Kinds(), ", "))
		}
	}
	if len(r.errs) > before {
		return
	}
	if e.Kind == "" {
		r.fail(node, "the entry revokes nothing: add one of %s", strings.Join(revoke.Kinds(), ", "))
		return
	}
	if err := e.Check(); err != nil {
		r.fail(what, "%v", err)
		return
	}
	r.entries = append(r.entries, e)
}

func (r *reader) mapping(node ast.Node, hint string) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	default:
		r.fail(node, "a mapping was expected: %s", hint)
		return nil, false
	}
}

// text reads a string. Numbers and the like are not taken as text: 007 and 7 are different ids, and the same number.
func (r *reader) text(pair *ast.MappingValueNode) string {
	var text string
	switch n := pair.Value.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = strings.TrimSpace(n.Value.Value)
	case *ast.NullNode:
	default:
		r.fail(pair.Value, "%s must be text: put it in quotation marks", keyOf(pair))
		return ""
	}
	switch {
	case text == "":
		r.fail(pair.Value, "%s is empty: give it a value or remove the key", keyOf(pair))
	case strings.TrimSpace(text) != text:
		r.fail(pair.Value, "%s has blanks around it: remove them", keyOf(pair))
	}
	return text
}

func (r *reader) time(pair *ast.MappingValueNode) time.Time {
	before := len(r.errs)
	text := r.text(pair)
	if len(r.errs) > before {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.IsZero() {
		r.fail(pair.Value, "expires is not a time: write it like 2026-12-01T00:00:00Z")
	}
	return t
}

func keyOf(pair *ast.MappingValueNode) string { return pair.Key.GetToken().Value }

func (r *reader) fail(node ast.Node, format string, args ...any) {
	// The token of a mapping is the colon after its first key.
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			node = n.Values[0].Key
		}
	case *ast.MappingValueNode:
		node = n.Key
	}
	r.errs = append(r.errs, r.at(node.GetToken(), fmt.Sprintf(format, args...)))
}

func (r *reader) at(t *token.Token, message string) error {
	if t == nil || t.Position == nil {
		return fmt.Errorf("%s:1:1: %s", r.file, message)
	}
	return fmt.Errorf("%s:%d:%d: %s", r.file, t.Position.Line, t.Position.Column, message)
}

func (r *reader) syntaxError(err error) error {
	if located, ok := errors.AsType[yaml.Error](err); ok {
		return r.at(located.GetToken(), located.GetMessage()+": correct the YAML here")
	}
	return r.at(nil, err.Error())
}

func (r *reader) joined() error {
	if extra := len(r.errs) - maxErrors; extra > 0 {
		r.errs = append(r.errs[:maxErrors:maxErrors], fmt.Errorf("%s: and %d more", r.file, extra))
	}
	return errors.Join(r.errs...)
}
