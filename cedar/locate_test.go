package cedar

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"countersign.dev/cedar/diagnostic"
)

// Whatever the validator says about a policy is shown at an expression that brings it about: with the expression, the
// policy is wrong in that way.
func TestEveryMistakeIsLocated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tools, words := vocabularyOf(t, drawTools(t))
		v := newValidators(newNarrower(words.schema))
		for range 3 {
			text := `@id("a") ` + drawn{t}.policy()
			parsed := readPolicies(file{"p.cedar", []byte(text)}, [sha256.Size]byte{})
			if len(parsed.policies) != 1 {
				t.Fatalf("%s: %v", text, parsed.problems)
			}
			p, budget := &parsed.policies[0], maxLocating
			said := v.mistakes(p)
			found := (&checkedText{policyText: parsed}).explain(parsed.tree(), p, said, v, tools, &budget)
			if (len(said) > 0) != (len(found) > 0) {
				t.Fatalf("%s\n%q is explained as %v", text, said, found)
			}
			for _, d := range found {
				if d.Rule == "schema" || d.Start.Line != 1 || d.End.Column <= d.Start.Column || d.End.Column > len(text)+1 {
					t.Fatalf("%s\nno place: %+v", text, d)
				}
				if what := text[d.Start.Column-1 : d.End.Column-1]; strings.HasPrefix(what, "when") || strings.HasPrefix(what, "unless") {
					t.Fatalf("%s\nthe expression is not found: %+v", text, d)
				}
			}
			for _, sentence := range said {
				if !slices.ContainsFunc(found, func(d diagnostic.Diagnostic) bool { return d.Message == plainTypes.Replace(sentence) }) &&
					!noAction.MatchString(sentence) {
					t.Fatalf("%s\nnothing is said about %q", text, sentence)
				}
			}
		}
	})
}

// A text that takes long to search is not searched: the policy is pointed to.
func TestLocatingIsBounded(t *testing.T) {
	text := `@id("a") permit (principal, action, resource) when { ` + strings.Repeat("context has delegation || ", 200) + `context.nothing };`
	src := acmeSources(t, text)
	g, err := new(loader).check(src, "")
	if err != nil {
		t.Fatal(err)
	}
	if found := g.problems(); len(found) != 1 || found[0].Start.Column != strings.Index(text, "nothing")+1 {
		t.Errorf("%+v", found)
	}
	parsed := g.texts[0].policyText
	budget := 20_000
	v := newValidators(g.words.narrower)
	found := g.texts[0].explain(parsed.tree(), &parsed.policies[0], v.mistakes(&parsed.policies[0]), v, g.words.pins, &budget)
	if len(found) == 0 || found[0].Start.Line != 1 || budget >= 0 {
		t.Errorf("%+v, %d bytes left", found, budget)
	}
}
