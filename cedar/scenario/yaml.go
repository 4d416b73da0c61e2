package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"countersign.dev/cedar/diagnostic"
)

// The maxima of a YAML text.
const (
	MaxText    = 1 << 20 // bytes
	maxNesting = 64      // levels of lists and mappings; the request itself may have fewer
	maxTokens  = 200_000
)

// YAMLError is something wrong with a YAML text.
type YAMLError struct {
	Line, Column int // from 1; 0 for the text as a whole
	Message      string
}

// Error implements error as "line:column: message".
func (e *YAMLError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// ParseYAML returns the only document of a YAML text. Anchors, aliases, merge keys and tags are refused: a short text
// could stand for a huge one, or for something else than it seems to. Every error is a *YAMLError.
func ParseYAML(text []byte) (ast.Node, error) {
	if len(text) > MaxText {
		return nil, &YAMLError{Message: fmt.Sprintf("%d bytes are too many: at most %d", len(text), MaxText)}
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, &YAMLError{Message: "the text has a NUL byte"}
	}
	tokens := lexer.Tokenize(string(text))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, locate(err)
	}
	var document ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if document != nil {
			return nil, at(d.Body.GetToken(), "a second document: write one file for each")
		}
		document = d.Body
	}
	if document == nil {
		return nil, &YAMLError{Message: "the text is empty"}
	}
	return document, nil
}

// checkTokens keeps from the parser what it would take long for: its time grows with the square of the nesting.
func checkTokens(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return &YAMLError{Message: fmt.Sprintf("more than %d words", maxTokens)}
	}
	var n nesting
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return at(t, "anchors, aliases and merge keys are not read: put what cases share under defaults")
		case token.TagType:
			return at(t, "tags are not read")
		case token.MappingKeyType:
			return at(t, `write "name: value" instead of "? name"`)
		}
		if n.add(t) > maxNesting {
			return at(t, "more than %d levels", maxNesting)
		}
	}
	return nil
}

// nesting counts how deep a token is: brackets, and the columns at which blocks begin.
type nesting struct {
	brackets int
	columns  []int
}

func (n *nesting) add(t *token.Token) int {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.brackets++
	case token.MappingEndType, token.SequenceEndType:
		n.brackets--
	case token.SequenceEntryType, token.MappingValueType:
		if n.brackets > 0 {
			break
		}
		column := t.Position.Column
		if t.Type == token.MappingValueType && t.Prev != nil {
			column = t.Prev.Position.Column // where its name begins
		}
		for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= column {
			n.columns = n.columns[:len(n.columns)-1]
		}
		n.columns = append(n.columns, column)
	}
	return n.brackets + len(n.columns)
}

// Decode reads a node into a value, of whose members every one must be known. Every error is a *YAMLError.
func Decode(node ast.Node, into any) error {
	err := yaml.NodeToValue(node, into, yaml.Strict())
	if err == nil {
		return nil
	}
	located := locate(err)
	if unknown, ok := errors.AsType[*yaml.UnknownFieldError](err); ok && unknown.Token != nil {
		name := unknown.Token.Value
		located.Message = fmt.Sprintf("there is no member %.80q here", name)
		if near := diagnostic.Nearest(name, members(reflect.TypeOf(into), nil)); near != "" && near != name {
			located.Message += fmt.Sprintf(": did you mean %q?", near)
		}
	}
	return located
}

// members returns the names of all members of a type, those of its members included.
func members(t reflect.Type, names []string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return names
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
			names = members(f.Type, append(names, name))
		}
	}
	return names
}

// Parse reads a request from YAML. Every error is a *YAMLError, or a [Problem] of the request.
func Parse(text []byte) (Request, error) {
	var r Request
	node, err := ParseYAML(text)
	if err != nil {
		return r, err
	}
	return r, Decode(node, &r)
}

// locate says where an error of the YAML parser or decoder is.
func locate(err error) *YAMLError {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		message := located.GetMessage()
		if mistyped, ok := errors.AsType[*yaml.TypeError](err); ok {
			message = fmt.Sprintf("this cannot be read as %s", mistyped.DstType)
		}
		return at(located.GetToken(), "%s", message)
	}
	return &YAMLError{Message: err.Error()}
}

func at(t *token.Token, format string, args ...any) *YAMLError {
	return &YAMLError{Line: t.Position.Line, Column: t.Position.Column, Message: fmt.Sprintf(format, args...)}
}
