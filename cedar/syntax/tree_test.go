package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/syntax"
)

// Every expression knows its text, and its parts come in the order of the source.
func TestTree(t *testing.T) {
	for source, want := range map[string]string{
		`context.a && context.b || context.c`: `
Binary "context.a && context.b || context.c"
  Binary "context.a && context.b"
    Access "context.a"
      Variable "context"
    Access "context.b"
      Variable "context"
  Access "context.c"
    Variable "context"`,
		`if 1 == -1 then [2, "x"] else {y: (3), "z": !!context.a}`: `
If "if 1 == -1 then [2, \"x\"] else {y: (3), \"z\": !!context.a}"
  Binary "1 == -1"
    Literal "1"
    Unary "-1"
      Literal "1"
  Set "[2, \"x\"]"
    Literal "2"
    Literal "\"x\""
  Record "{y: (3), \"z\": !!context.a}"
    Paren "(3)"
      Literal "3"
    Unary "!!context.a"
      Access "context.a"
        Variable "context"`,
		`context.a has x.y && context.b like "*"`: `
Binary "context.a has x.y && context.b like \"*\""
  Has "context.a has x.y"
    Access "context.a"
      Variable "context"
  Like "context.b like \"*\""
    Access "context.b"
      Variable "context"`,
		`principal is A::B in C::"d" || resource is E`: `
Binary "principal is A::B in C::\"d\" || resource is E"
  Is "principal is A::B in C::\"d\""
    Variable "principal"
    EntityRef "C::\"d\""
  Is "resource is E"
    Variable "resource"`,
		`ip("::1").isInRange(context.a["b"])`: `
Call "ip(\"::1\").isInRange(context.a[\"b\"])"
  Call "ip(\"::1\")"
    Literal "\"::1\""
  Access "context.a[\"b\"]"
    Access "context.a"
      Variable "context"`,
		`1 - 2 * 3 - 4 < 5`: `
Binary "1 - 2 * 3 - 4 < 5"
  Binary "1 - 2 * 3 - 4"
    Binary "1 - 2 * 3"
      Literal "1"
      Binary "2 * 3"
        Literal "2"
        Literal "3"
    Literal "4"
  Literal "5"`,
	} {
		file, found := syntax.Parse("", []byte("permit (principal, action, resource) when { "+source+" };"))
		if len(found) > 0 {
			t.Fatal(found)
		}
		var dump func(e syntax.Expr, indent string) string
		dump = func(e syntax.Expr, indent string) string {
			out := fmt.Sprintf("\n%s%s %q", indent, strings.TrimPrefix(fmt.Sprintf("%T", e), "*syntax."), file.Text(e.Span()))
			for _, child := range e.Children() {
				out += dump(child, indent+"  ")
			}
			return out
		}
		if diff := cmp.Diff(want, dump(file.Policies[0].Conditions[0].Body, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
	}
}

// A visit can leave out what is below an expression.
func TestWalk(t *testing.T) {
	file, _ := syntax.Parse("", []byte(`permit (principal, action, resource) when { [1, (2), {a: 3}].contains(4) && 5 == 6 };`))
	walk := func(leaveOut string) (seen []string) {
		syntax.Walk(file.Policies[0].Conditions[0].Body, func(e syntax.Expr) bool {
			if l, ok := e.(*syntax.Literal); ok {
				seen = append(seen, l.Token.Text)
			}
			return fmt.Sprintf("%T", e) != leaveOut
		})
		return seen
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6"}, walk("")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1", "2", "4", "5", "6"}, walk("*syntax.Record")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5", "6"}, walk("*syntax.Call")); diff != "" {
		t.Error(diff)
	}
	syntax.Walk(nil, func(syntax.Expr) bool { t.Error("nil was visited"); return true })
}

// The comments of a file are with the token that they are about.
func TestComments(t *testing.T) {
	file, found := syntax.Parse("", []byte(`// one

// two
@id("a") // three
  // four

permit (principal, action, resource); // five
// six
`))
	if len(found) > 0 {
		t.Fatal(found)
	}
	var got []string
	for _, t := range file.Tokens {
		for _, c := range t.Leading {
			got = append(got, fmt.Sprintf("%s before %q at %d:%d, empty line %v", c.Text, t.Text, c.Span.Start.Line, c.Span.Start.Column, c.BlankLine))
		}
		if t.Trailing != "" {
			got = append(got, fmt.Sprintf("%s behind %q", t.Trailing, t.Text))
		}
		if t.BlankLine {
			got = append(got, fmt.Sprintf("empty line before %q", t.Text))
		}
	}
	want := []string{
		`// one before "@" at 1:1, empty line false`,
		`// two before "@" at 3:1, empty line true`,
		`// three behind ")"`,
		`// four before "permit" at 5:3, empty line false`,
		`empty line before "permit"`,
		`// five behind ";"`,
		`// six before "" at 8:1, empty line false`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
