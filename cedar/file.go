package cedar

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// complaint is something wrong with one policy, before its place is looked up.
type complaint struct {
	rule, message, help string
	annotation          string          // that it is about; empty for none
	entity              types.EntityUID // that it is about; zero for none
}

// policyText is a file with policies as far as it can be judged without the schema and other files. It does not change.
type policyText struct {
	file
	sum      [sha256.Size]byte
	policies []policy // all that can be read
	problems problems
}

// readPolicies reads the policies of a file.
func readPolicies(f file, sum [sha256.Size]byte) *policyText {
	t := &policyText{file: f, sum: sum}
	list, err := cedargo.NewPolicyListFromBytes(f.name, f.data)
	var tree *syntax.File
	if err != nil {
		tree, list = t.salvage(err)
	} else if hasBareReturn(f.data) {
		tree = t.twoReadings()
	}
	if len(list) == 0 && err == nil {
		// Most likely somebody is writing it: a forbid must not get lost.
		t.problems.add(f.name, 0, 0, "no policy in the file: remove it if that is meant")
		t.problems.of("empty-file")
	}
	t.policies = make([]policy, len(list))
	for i, body := range list {
		p, bad := newPolicy(body)
		t.policies[i] = p
		if len(bad) > 0 && tree == nil {
			tree = t.tree()
		}
		for _, c := range bad {
			for _, span := range c.spans(statement(tree, body)) {
				t.problems = append(t.problems, t.diagnostic(&p, c, span))
			}
		}
	}
	return t
}

// tree reads the file with places and comments, which only messages need.
func (t *policyText) tree() *syntax.File {
	tree, _ := syntax.Parse(t.name, t.data)
	return tree
}

// hasBareReturn reports whether a carriage return is not the beginning of a line end.
func hasBareReturn(text []byte) bool {
	return bytes.Count(text, []byte("\r")) > bytes.Count(text, []byte("\r\n"))
}

// twoReadings reports what is a comment to cedar-go and a policy to the Rust implementation, because it follows a carriage
// return. What reviewers see with one must be what decides with the other.
func (t *policyText) twoReadings() *syntax.File {
	tree, found := syntax.Parse(t.name, t.data)
	for _, d := range found {
		if d.Rule == syntax.RuleSyntax {
			t.problems = append(t.problems, d)
		}
	}
	return tree
}

// salvage reads what can be read of a file that cedar-go refuses as a whole, so that one run finds all mistakes.
func (t *policyText) salvage(err error) (*syntax.File, cedargo.PolicyList) {
	tree, found := syntax.Parse(t.name, t.data)
	if t.problems = found; len(found) == 0 {
		line, column, message := parseError(err)
		t.problems.add(t.name, line, column, "%s", message)
		t.problems.of(syntax.RuleSyntax)
	}
	var list cedargo.PolicyList
	for _, s := range tree.Policies {
		one, err := cedargo.NewPolicyListFromBytes(t.name, t.data[s.Span.Start.Offset:s.Span.End.Offset])
		if err != nil || len(one) != 1 {
			continue // reported above
		}
		at := &(*ast.Policy)(one[0].AST()).Position
		at.Offset, at.Line, at.Column = s.Span.Start.Offset, s.Span.Start.Line, s.Span.Start.Column
		list = append(list, one[0])
	}
	return tree, list
}

// statement returns where a policy is in the text; nil if the two readings of it differ.
func statement(tree *syntax.File, body *cedargo.Policy) *syntax.Policy {
	i, found := slices.BinarySearchFunc(tree.Policies, body.Position().Offset, func(s *syntax.Policy, offset int) int {
		return s.Span.Start.Offset - offset
	})
	if !found {
		return nil
	}
	return tree.Policies[i]
}

// spans returns where a complaint points to; a zero span stands for the beginning of the policy.
func (c complaint) spans(s *syntax.Policy) []syntax.Span {
	var spans []syntax.Span
	switch {
	case s == nil:
	case c.annotation != "":
		for _, a := range s.Annotations {
			if a.Name.Text == c.annotation {
				spans = append(spans, a.Span)
			}
		}
	case c.entity != types.EntityUID{}:
		eachEntity(s, func(e *syntax.EntityRef) {
			if e.Type.String() == string(c.entity.Type) && e.Unquoted == string(c.entity.ID) {
				spans = append(spans, e.Span())
			}
		})
	default:
		spans = append(spans, s.Effect.Span)
	}
	if spans == nil {
		spans = []syntax.Span{{}}
	}
	return spans
}

// eachEntity calls visit for all entities that a policy names.
func eachEntity(s *syntax.Policy, visit func(*syntax.EntityRef)) {
	for _, c := range s.Scope {
		for _, e := range c.Entities {
			visit(e)
		}
	}
	for _, c := range s.Conditions {
		syntax.Walk(c.Body, func(e syntax.Expr) bool {
			if entity, ok := e.(*syntax.EntityRef); ok {
				visit(entity)
			}
			return true
		})
	}
}

func (t *policyText) diagnostic(p *policy, c complaint, span syntax.Span) diagnostic.Diagnostic {
	d := diagnostic.Diagnostic{
		Rule: c.rule, Severity: diagnostic.Error, File: t.name, Policy: string(p.id), Message: c.message, Help: c.help,
	}
	if span == (syntax.Span{}) {
		at := p.body.Position()
		d.Start = diagnostic.Place{Line: at.Line, Column: at.Column}
		return d
	}
	return placed(d, span)
}

// cedar-go writes the place into the text of its errors: "parse error at <input>:1:54 "x": what" for the parser, and
// "<input>:1:54: what" for the scanner.
var parseErrorText = regexp.MustCompile(`(?s)<input>:(\d+):(\d+)(?: ("(?:[^"\\]|\\.)*"))?: (.*)$`)

func parseError(err error) (line, column int, message string) {
	m := parseErrorText.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1]) // digits by the expression
	column, _ = strconv.Atoi(m[2])
	message = m[4]
	if m[3] != "" {
		message = "at " + m[3] + ": " + message
	}
	return line, column, message
}

// share calls work for all numbers below n, with all processors but one, which is left to those who are being served
// meanwhile.
func share(n int, work func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, max(1, runtime.GOMAXPROCS(0)-1)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	workers.Wait()
}
