package lint_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/lint"
)

// today is the time of the tests.
var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// acme is what the examples of the rules are about.
func acme(t testing.TB) *lint.Inventory {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile("../testdata/acme/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	world, err := lint.NewInventory(read("entities.json"), map[string][]byte{
		"crm": read("tools/crm.json"), "ledger": read("tools/ledger.json"), "wiki": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	return world
}

// only returns a configuration in which nothing but one rule is on, at level error, and the rules about ignores if it is one.
func only(t testing.TB, id string, options ...string) *lint.Config {
	t.Helper()
	text := "rules:\n"
	for _, rule := range lint.Rules() {
		level := "off"
		if rule.ID == id {
			level = strings.Join(append([]string{"error"}, options...), ", ")
		}
		text += fmt.Sprintf("  %s: {level: %s}\n", rule.ID, level)
	}
	c, err := lint.ParseConfig("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run lints a text and returns a line for each finding.
func run(t testing.TB, c *lint.Config, text string) []string {
	t.Helper()
	findings, err := lint.New(c, acme(t), today).Lint(t.Context(), []lint.Source{{Name: "p.cedar", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprintf("%d:%d %s: %s", f.Start.Line, f.Start.Column, f.Rule, f.Message))
	}
	return lines
}

// Every rule has an example that it finds and one that it does not, as its documentation says.
func TestExamples(t *testing.T) {
	for _, rule := range lint.Rules() {
		t.Run(rule.ID, func(t *testing.T) {
			if rule.Summary == "" || rule.Why == "" || !strings.HasSuffix(rule.Bad, ";\n") || !strings.HasSuffix(rule.Good, ";\n") {
				t.Error("the documentation is not complete")
			}
			c := only(t, rule.ID)
			if strings.HasSuffix(rule.ID, "-ignore") { // needs a rule that finds nothing
				c.Rules["expired"] = lint.Setting{Level: "error"}
			}
			found := 0
			for _, line := range run(t, c, rule.Bad) {
				if strings.Contains(line, " "+rule.ID+": ") {
					found++
				}
			}
			if found == 0 {
				t.Error("the rule does not find the bad example")
			}
			if got := run(t, c, rule.Good); got != nil {
				t.Errorf("in the good example it finds %q", got)
			}
			fixed, done, err := lint.New(c, acme(t), today).Fix(t.Context(), lint.Source{Name: "p.cedar", Data: []byte(rule.Bad)}, false)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !rule.Fixable && len(done) > 0:
				t.Error("the rule fixes what it does not say")
			case rule.Fixable:
				if diff := cmp.Diff(rule.Good, string(fixed)); diff != "" {
					t.Errorf("fixed (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	rules := lint.Rules()
	seen := make(map[string]bool)
	for i, described := range lint.Describe(rules) {
		if described.ID != rules[i].ID || described.Short == "" || !strings.Contains(described.Help, "```cedar\n"+rules[i].Bad) {
			t.Errorf("%s: got %+v", rules[i].ID, described)
		}
		if seen[described.ID] {
			t.Errorf("%s is there twice", described.ID)
		}
		seen[described.ID] = true
		switch described.Severity {
		case diagnostic.Error, diagnostic.Warning, diagnostic.Note:
		default:
			t.Errorf("%s has severity %q", described.ID, described.Severity)
		}
	}
}
