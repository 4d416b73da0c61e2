package format_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"pgregory.net/rapid"

	"countersign.dev/cedar/format"
	"countersign.dev/cedar/syntax"
)

// Formatting changes neither what policies mean nor their comments, and formatting twice is formatting once.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &writer{t: t}
		for range 1 + w.n(3) {
			w.policy()
		}
		if w.n(2) == 0 {
			w.word("// the end")
		}
		source := []byte(w.out.String())
		o := format.Options{Width: rapid.SampledFrom([]int{80, 40, 1, 120}).Draw(t, "width"), Indent: rapid.IntRange(1, 4).Draw(t, "indent")}
		if _, err := cedargo.NewPolicyListFromBytes("", source); err != nil {
			t.Fatalf("the test makes up bad policies: %v\n%s", err, source)
		}
		if err := harmless(source, o); err != nil {
			t.Fatal(err)
		}
	})
}

// Neither many operators in a row nor deep nesting is a problem.
func TestLongAndDeep(t *testing.T) {
	const scope = "permit (principal, action, resource) when { "
	for name, condition := range map[string]string{
		"and":    strings.Repeat("context.a && ", 5_000) + "true",
		"sum":    strings.Repeat("1 + ", 5_000) + "1 == 1",
		"member": "context" + strings.Repeat(".a", 5_000),
		"deep":   strings.Repeat("[", 400) + strings.Repeat("]", 400),
		"not":    strings.Repeat("!(", 400) + "true" + strings.Repeat(")", 400),
		"if":     strings.Repeat("if true then false else ", 400) + "true",
		"record": strings.Repeat("{a: ", 400) + "1" + strings.Repeat("}", 400),
	} {
		t.Run(name, func(t *testing.T) {
			if err := harmless([]byte(scope+condition+" };"), format.Options{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got, found := format.Source("", []byte(scope+strings.Repeat("(", 100_000)), format.Options{}); got != nil {
		t.Errorf("accepted: %v", found)
	}
}

// FuzzSource looks for text that formatting changes in more than its looks.
func FuzzSource(f *testing.F) {
	for _, archive := range []string{"docs", "language", "comments", "lossy", "places"} {
		for _, source := range read(f, "testdata/"+archive+".txtar") {
			f.Add(source)
		}
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		if err := harmless(source, format.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}

// harmless formats a source and says what should not have happened.
func harmless(source []byte, o format.Options) error {
	before, found := syntax.Parse("", source)
	once, same := format.Source("", source, o)
	if fmt.Sprint(found) != fmt.Sprint(same) {
		return fmt.Errorf("diagnostics %v, not those of the parser %v", same, found)
	}
	if once == nil {
		return nil
	}
	twice, found := format.Source("", once, o)
	if !bytes.Equal(once, twice) {
		return fmt.Errorf("formatted twice is different: %v\n%s\n-- once --\n%s\n-- twice --\n%s", found, source, once, twice)
	}
	after, _ := syntax.Parse("", once)
	if a, b := words(before), words(after); a != b {
		return fmt.Errorf("the tokens differ:\n%s\n%s", a, b)
	}
	if a, b := comments(before), comments(after); a != b {
		return fmt.Errorf("the comments differ:\n%s\n%s", a, b)
	}
	return sameMeaning(source, once)
}

// sameMeaning compares policies as cedar-go reads them, if it does: of white space outside ASCII, formatting makes spaces.
func sameMeaning(source, formatted []byte) error {
	want, err := cedargo.NewPolicyListFromBytes("", source)
	if err != nil {
		return nil //nolint:nilerr // nothing to compare with
	}
	got, err := cedargo.NewPolicyListFromBytes("", formatted)
	if err != nil {
		return fmt.Errorf("cedar-go does not accept it any more: %w\n%s", err, formatted)
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d policies instead of %d\n%s", len(got), len(want), formatted)
	}
	for i := range want {
		if !equal((*ast.Policy)(got[i].AST()), (*ast.Policy)(want[i].AST())) {
			return fmt.Errorf("policy %d means something else:\n%s\n%s", i, got[i].MarshalCedar(), want[i].MarshalCedar())
		}
	}
	return nil
}

// equal reports whether policies are the same but for where they stand.
func equal(a, b *ast.Policy) bool {
	return a.Effect == b.Effect && slices.Equal(a.Annotations, b.Annotations) &&
		reflect.DeepEqual(a.Principal, b.Principal) && reflect.DeepEqual(a.Action, b.Action) && reflect.DeepEqual(a.Resource, b.Resource) &&
		slices.EqualFunc(a.Conditions, b.Conditions, func(a, b ast.ConditionType) bool {
			return a.Condition == b.Condition && ast.Equal(ast.NewNode(a.Body), ast.NewNode(b.Body))
		})
}

// words are the tokens that matter, on a line each.
func words(f *syntax.File) string {
	var out strings.Builder
	for i, t := range f.Tokens {
		if t.Text == "," && slices.Contains([]string{")", "]", "}"}, f.Tokens[i+1].Text) {
			continue
		}
		if t.Kind == syntax.Number {
			t.Text = strings.TrimLeft(t.Text, "0")
		}
		fmt.Fprintln(&out, t.Text)
	}
	return out.String()
}

// comments are those of a file in order, on a line each.
func comments(f *syntax.File) string {
	var out strings.Builder
	line := func(text string) { fmt.Fprintln(&out, strings.TrimRightFunc(text, unicode.IsSpace)) }
	for _, t := range f.Tokens {
		for _, c := range t.Leading {
			line(c.Text)
		}
		if t.Trailing != "" {
			line(t.Trailing)
		}
	}
	return out.String()
}
