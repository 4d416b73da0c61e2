package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign.dev/cedar/lint"
)

// Whatever somebody hands to a pipeline, twice as much text takes about twice as much work, counted in allocations.
func TestLinear(t *testing.T) {
	repeat := func(n int, format string) string {
		var text strings.Builder
		for i := range n {
			text.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return text.String()
	}
	for name, text := range map[string]func(n int) string{
		"policies": func(n int) string {
			return repeat(n, "@id(\"p#\")\npermit (principal in WorkloadGroup::\"g#\", action in Action::\"call_tool\", resource == Tool::\"crm/t#\")\n"+
				"when { context has delegation && context.delegation.scopes.contains(\"mcp:crm:t#\") };\n")
		},
		"policies that are the same, ignored on one line": func(n int) string {
			return repeat(n, "// countersign:ignore shadowed-duplicate r\n") + repeat(n, "permit (principal, action, resource);")
		},
		"a chain of conditions": func(n int) string {
			return "permit (principal, action, resource) when { " + repeat(n, "context.a == \"#\" || ") + "true && " + repeat(n, "!context.x# && ") + "false };"
		},
		"block comments": func(n int) string { return repeat(n, "/**/") + "permit (principal, action, resource);" },
		"annotations":    func(n int) string { return repeat(n, "@a#") + "permit (principal, action, resource);" },
		"words":          func(n int) string { return "@a(\"" + repeat(n, "сrm ") + "\") permit (principal, action, resource);" },
		"a pattern": func(n int) string {
			return "permit (principal, action, resource) when { context.a like \"" + repeat(n, "ab/*") + "\" };"
		},
		"errors": func(n int) string { return repeat(n, "permit (;") },
	} {
		t.Run(name, func(t *testing.T) {
			linter := lint.New(&lint.Config{}, acme(t), today)
			count := func(n int) float64 {
				source := lint.Source{Name: "p.cedar", Data: []byte(text(n))}
				return testing.AllocsPerRun(1, func() {
					if _, err := linter.Lint(t.Context(), []lint.Source{source}); err != nil {
						t.Fatal(err)
					}
				})
			}
			n := 1500
			if name == "policies" {
				n = 2000
			}
			once, twice := count(n), count(2*n)
			if twice > 2.5*once+1000 {
				t.Errorf("%d take %.0f allocations, and %d take %.0f", n, once, 2*n, twice)
			}
		})
	}
}

// One expression as long as a file can be (1 MiB), which is as deep as it is long, exhausts no stack, and is fixed like any
// other.
func TestLongExpressions(t *testing.T) {
	const size = 1 << 18
	fill := func(text string) string { return strings.Repeat(text, size/len(text)) }
	for name, condition := range map[string]string{
		"a path":     "context" + strings.Repeat(".a", 1<<19) + " == 1",
		"a sum":      fill("1 + ") + "1 == context.a",
		"methods":    "context.a" + fill(".contains(1)") + " == 1",
		"conditions": fill(`principal.path like "x" && `) + "true",
		"signs":      fill("!!!!!!context.a || ") + "true",
	} {
		t.Run(name, func(t *testing.T) {
			source := lint.Source{Name: "p.cedar", Data: []byte("forbid (principal, action, resource) when { " + condition + " };")}
			linter := lint.New(&lint.Config{}, acme(t), today)
			if _, err := linter.Lint(t.Context(), []lint.Source{source}); err != nil {
				t.Fatal(err)
			}
			fixed, _, err := linter.Fix(t.Context(), source, false)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(fixed); strings.Contains(text, "like") || strings.Contains(text, "!!!!!") {
				t.Error("it is not fixed")
			}
		})
	}
}
