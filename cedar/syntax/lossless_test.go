package syntax_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/rogpeppe/go-internal/txtar"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
	"countersign.dev/cedar/syntax/corpustest"
)

// Every file of Cedar's own corpus is read as cedar-go reads it.
func TestCorpus(t *testing.T) {
	files := corpustest.Files(t, ".cedar")
	if len(files) < 7000 {
		t.Errorf("%d files", len(files))
	}
	for name, source := range files {
		file, found := syntax.Parse(name, source)
		if len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		if err := sound(file, found); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse looks for text that is read in part, with wrong places, or not as cedar-go reads it.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/accept.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ Text string }
	if err := json.Unmarshal(data, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add([]byte(c.Text))
	}
	for _, archive := range []string{"language", "comments", "lossy"} {
		a, err := txtar.ParseFile("../format/testdata/" + archive + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		file, found := syntax.Parse("p.cedar", source)
		if err := sound(file, found); err != nil {
			t.Fatal(err)
		}
	})
}

// sound says what is wrong with a file that was read.
func sound(file *syntax.File, found []diagnostic.Diagnostic) error {
	if err := complete(file); err != nil {
		return err
	}
	for _, p := range file.Policies {
		if err := inPlace(file, p); err != nil {
			return err
		}
	}
	return asCedarGo(file, found)
}

// complete checks that tokens, comments and white space are the source, each where it says.
func complete(file *syntax.File) error {
	at := syntax.Position{Line: 1, Column: 1}
	upTo := func(p syntax.Position) error {
		gap := string(file.Source[at.Offset:p.Offset])
		if strings.TrimFunc(gap, unicode.IsSpace) != "" {
			return fmt.Errorf("%q is in no token", gap)
		}
		at = after(at, gap)
		if at != p {
			return fmt.Errorf("position %+v, want %+v", p, at)
		}
		return nil
	}
	word := func(text string, span syntax.Span) error {
		if err := upTo(span.Start); err != nil {
			return err
		}
		if at = after(at, text); at != span.End || file.Text(span) != text {
			return fmt.Errorf("%q is at %+v", text, span)
		}
		return nil
	}
	for i, t := range file.Tokens {
		for _, c := range t.Leading {
			if err := word(c.Text, c.Span); err != nil {
				return err
			}
		}
		if err := word(t.Text, t.Span); err != nil {
			return err
		}
		if t.Trailing != "" {
			rest := string(file.Source[at.Offset:])
			spaces := len(rest) - len(strings.TrimLeft(rest, " \t"))
			if !strings.HasPrefix(rest[spaces:], t.Trailing) {
				return fmt.Errorf("comment %q is not behind %q", t.Trailing, t.Text)
			}
			at = after(at, rest[:spaces+len(t.Trailing)])
		}
		if last := i == len(file.Tokens)-1; last != (t.Kind == syntax.EOF) {
			return fmt.Errorf("token %d of %d is of kind %d", i, len(file.Tokens), t.Kind)
		}
	}
	if at.Offset != len(file.Source) {
		return fmt.Errorf("ends at %d of %d", at.Offset, len(file.Source))
	}
	return nil
}

// after is the position behind a text.
func after(p syntax.Position, text string) syntax.Position {
	p.Offset += len(text)
	lines := strings.Count(text, "\n")
	if p.Line += lines; lines > 0 {
		p.Column = 1
		text = text[strings.LastIndex(text, "\n")+1:]
	}
	p.Column += utf8.RuneCountInString(text)
	return p
}

// inPlace checks that the parts of a policy are inside of it, one after the other.
func inPlace(file *syntax.File, p *syntax.Policy) error {
	if text := file.Text(p.Span); !strings.HasSuffix(text, ";") {
		return fmt.Errorf("policy %q", text)
	}
	last := p.Span.Start
	next := func(s syntax.Span) error {
		if s.Start.Offset < last.Offset || s.End.Offset < s.Start.Offset || s.End.Offset > p.Span.End.Offset {
			return fmt.Errorf("%q is out of place", file.Text(s))
		}
		last = s.End
		return nil
	}
	var spans []syntax.Span
	for _, a := range p.Annotations {
		spans = append(spans, a.Span)
	}
	spans = append(spans, p.Effect.Span)
	for _, c := range p.Scope {
		spans = append(spans, c.Span)
	}
	for _, c := range p.Conditions {
		spans = append(spans, c.Span)
	}
	for _, s := range spans {
		if err := next(s); err != nil {
			return err
		}
	}
	for _, c := range p.Conditions {
		if err := inside(file, c.Body, c.Span); err != nil {
			return err
		}
	}
	return nil
}

// inside checks that an expression is inside of a span and that its parts are one after the other.
func inside(file *syntax.File, e syntax.Expr, outer syntax.Span) error {
	s := e.Span()
	if s.Start.Offset < outer.Start.Offset || s.End.Offset > outer.End.Offset || s.Start.Offset >= s.End.Offset {
		return fmt.Errorf("%T %q is outside of %q", e, file.Text(s), file.Text(outer))
	}
	rest := s
	for _, child := range e.Children() {
		if err := inside(file, child, rest); err != nil {
			return err
		}
		rest.Start = child.Span().End
	}
	return nil
}

// asCedarGo compares with what cedar-go reads.
func asCedarGo(file *syntax.File, found []diagnostic.Diagnostic) error {
	list, err := cedargo.NewPolicyListFromBytes("", file.Source)
	wrong, refused := 0, 0
	for _, d := range found {
		switch d.Rule {
		case syntax.RuleSyntax:
			wrong++
		case syntax.RuleSpace:
			refused++
		}
	}
	if err != nil {
		if wrong+refused == 0 {
			return fmt.Errorf("cedar-go refuses it: %w; found %v", err, found)
		}
		return nil
	}
	// It has no limit for nesting, and reads comments with a carriage return otherwise than the Rust implementation.
	for _, d := range found {
		if strings.HasPrefix(d.Message, "the expression is nested deeper") || strings.HasPrefix(d.Message, "a carriage return") {
			return nil
		}
	}
	if wrong+refused > 0 {
		return fmt.Errorf("cedar-go accepts it; found %v", found)
	}
	if len(list) != len(file.Policies) {
		return fmt.Errorf("%d policies, want %d", len(file.Policies), len(list))
	}
	for i, p := range file.Policies {
		want := (*ast.Policy)(list[i].AST())
		if got := meaning(p); !reflect.DeepEqual(outside(got), outside(want)) {
			return fmt.Errorf("policy %d: %+v, want %+v", i, outside(got), outside(want))
		} else if !slices.EqualFunc(got.Conditions, want.Conditions, sameCondition) {
			return fmt.Errorf("policy %d: other conditions", i)
		}
	}
	return nil
}

// outside is a policy without its conditions.
func outside(p *ast.Policy) ast.Policy {
	q := *p
	q.Conditions = nil
	return q
}

func sameCondition(a, b ast.ConditionType) bool {
	return a.Condition == b.Condition && ast.Equal(ast.NewNode(a.Body), ast.NewNode(b.Body))
}
