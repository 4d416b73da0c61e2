package syntax_test

import (
	"encoding/json"
	"os"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"

	"countersign.dev/cedar/syntax"
)

// Parse accepts what both implementations accept, and nothing else. What the Rust one says is in testdata/accept.json,
// written by e2e/cedar/parse.mjs with cedar-wasm 4.12.0.
func TestAcceptsWhatBothAccept(t *testing.T) {
	// Whether these are comments or policies depends on where a comment ends; both read something, but not the same.
	ambiguous := map[string]bool{"cr_comment_2": true}
	data, err := os.ReadFile("testdata/accept.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Name, Text, Refused string }
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			_, err := cedargo.NewPolicyListFromBytes("", []byte(c.Text))
			_, found := syntax.Parse("", []byte(c.Text))
			want := err == nil && c.Refused == "" && !ambiguous[c.Name]
			if got := len(found) == 0; got != want {
				t.Errorf("%q is accepted: %v\nhere: %v\ncedar-go: %v\nRust: %s", c.Text, got, found, err, c.Refused)
			}
			wrong := false
			for _, d := range found {
				wrong = wrong || d.Rule == syntax.RuleSyntax
			}
			if wrong && err == nil && c.Refused == "" && !ambiguous[c.Name] {
				t.Errorf("both accept %q: %v", c.Text, found)
			}
			if !wrong && err != nil && c.Refused != "" {
				t.Errorf("both refuse %q: %v", c.Text, err)
			}
		})
	}
}

// Text that one implementation accepts has a rule of its own, so that it can be told from what is no Cedar at all.
func TestWhatOnlyOneAccepts(t *testing.T) {
	for _, c := range []struct{ name, text, rule string }{
		{"block comment", "/* a */ permit(principal, action, resource);", syntax.RuleBlockComment},
		{"block comment inside", "permit(principal, /*\n*/ action, resource);", syntax.RuleBlockComment},
		{"five minus", "permit(principal, action, resource) when { -----1 == 1 };", syntax.RuleUnaryRun},
		{"five not", "permit(principal, action, resource) when { !!!!!true };", syntax.RuleUnaryRun},
		{"mixed", "permit(principal, action, resource) when { -!true };", syntax.RuleUnaryRun},
		{"no-break space", "permit(principal,\u00a0action, resource);", syntax.RuleSpace},
		{"vertical tab", "permit(principal,\vaction, resource);", syntax.RuleSpace},
		{"line separator", "permit(principal,\u2028action, resource);", syntax.RuleSpace},
		{"tool as action", `permit(principal, action == Tool::"a", resource);`, syntax.RuleActionType},
		{"tool in actions", `permit(principal, action in [Action::"a", A::B::"c"], resource);`, syntax.RuleActionType},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, found := syntax.Parse("", []byte(c.text))
			if len(found) != 1 || found[0].Rule != c.rule {
				t.Errorf("found %v, want one of rule %s", found, c.rule)
			}
			if len(file.Policies) != 1 {
				t.Error("the policy is not read")
			}
		})
	}
}
