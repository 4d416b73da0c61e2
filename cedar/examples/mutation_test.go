package examples_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/lint"
	"countersign.dev/cedar/policytest"
	"countersign.dev/cedar/syntax"
)

// mutant is a policy file with one mistake.
type mutant struct {
	what string // policy: what was there -> what is
	text []byte
}

// unnoticed are the mistakes that change no decision, because of what else is there; by mutant.
var unnoticed = map[string]string{
	// The limit of the house is to hold after somebody pinned another schema, too.
	`house-limit: ["EUR", "USD"].contains(context.arguments.str.getTag("currency")) -> true`: "the schema has the same enum",

	`agents-look: resource.hints.read_only -> true`: "agents-change-nothing forbids the rest",

	// The wall of a tenant is there for permits that lost this.
	`agents-connect: context has delegation -> true`:                                        "both walls ask for a user",
	`partners-connect-to-red: context has delegation -> true`:                               "so does red-is-for-red",
	`blue-uses-blue: context.delegation.subject in UserGroup::"blue" -> true`:               "blue-is-for-blue forbids the rest",
	`partners-look-at-red: context.delegation.subject in UserGroup::"red-partners" -> true`: "red-is-for-red forbids the rest",
}

// TestEveryPartOfAConditionMatters makes a mistake at a time in the policies: a part of a condition is lost, or who it
// is about. Validation or a test has to notice: coverage alone would not.
func TestEveryPartOfAConditionMatters(t *testing.T) {
	met := make(map[string]bool)
	for _, set := range sets {
		t.Run(set, func(t *testing.T) {
			tests, cfg := read(t, set)
			all := policies(t, cfg)
			for i, s := range all {
				for _, m := range mutants(t, s) {
					changed := slices.Clone(all)
					changed[i].Data = m.text
					noticed := notices(t, cfg, changed, tests)
					_, known := unnoticed[m.what]
					met[m.what] = true
					switch {
					case !noticed && !known:
						t.Errorf("no test of %s notices %s", set, m.what)
					case noticed && known:
						t.Errorf("a test of %s notices %s: take it out of the list", set, m.what)
					}
				}
			}
		})
	}
	for what := range unnoticed {
		if !met[what] {
			t.Errorf("%s: this is in none of the policies any more", what)
		}
	}
}

func mutants(t *testing.T, s lint.Source) (all []mutant) {
	t.Helper()
	file, found := syntax.Parse(s.Name, s.Data)
	none(t, found, nil)
	for _, p := range file.Policies {
		id, _ := p.Annotation("id")
		add := func(span syntax.Span, with string) {
			old := s.Data[span.Start.Offset:span.End.Offset]
			all = append(all, mutant{
				what: id + ": " + strings.Join(strings.Fields(string(old)), " ") + " -> " + with,
				text: slices.Concat(s.Data[:span.Start.Offset], []byte(with), s.Data[span.End.Offset:]),
			})
		}
		if p.Scope[0].Operator != "" {
			add(p.Scope[0].Span, "principal")
		}
		for _, condition := range p.Conditions {
			for _, part := range parts(condition.Body) {
				add(part.Span(), "true")
				add(part.Span(), "false")
			}
		}
	}
	return all
}

// parts returns what && and || hold together.
func parts(e syntax.Expr) []syntax.Expr {
	if b, ok := e.(*syntax.Binary); ok && (b.Operator.Text == "&&" || b.Operator.Text == "||") {
		return append(parts(b.Left), parts(b.Right)...)
	}
	return []syntax.Expr{e}
}

// notices reports whether policies are refused, or fail one of the tests.
func notices(t *testing.T, cfg cedar.Config, sources []lint.Source, tests []*policytest.File) bool {
	t.Helper()
	dir := t.TempDir()
	for _, s := range sources {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.Name)), s.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Policies = dir
	snapshot, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		return true
	}
	report, err := policytest.Run(t.Context(), snapshot, tests, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report.Failed() > 0
}
