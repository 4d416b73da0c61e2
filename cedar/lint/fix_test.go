package lint_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"countersign.dev/cedar/lint"
	"countersign.dev/cedar/syntax"
)

func fix(t testing.TB, text string, widen bool) (string, []lint.Finding, error) {
	t.Helper()
	fixed, done, err := lint.New(&lint.Config{}, nil, today).Fix(t.Context(), lint.Source{Name: "p.cedar", Data: []byte(text)}, widen)
	return string(fixed), done, err
}

func TestFix(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string
		widen      bool
	}{
		"a permit that would allow more": {
			text: `permit (principal, action == Action::"call_tool", resource);`,
			want: `permit (principal, action == Action::"call_tool", resource);`,
		},
		"a permit that may allow more": {
			text:  `permit (principal, action/**/== Action::"call_tool", resource) when { (action) ==Action::"write" };`,
			want:  "permit (principal, action//\nin Action::\"call_tool\", resource) when { (action) in Action::\"write\" };",
			widen: true,
		},
		"no space around the operator": {
			text: `forbid(principal,action==Action::"any",resource);`,
			want: `forbid(principal,action in Action::"any",resource);`,
		},
		"a condition of a forbid, which may be negated": {
			text: `forbid (principal, action, resource) unless { action == Action::"write" };`,
			want: `forbid (principal, action, resource) unless { action == Action::"write" };`,
		},
		"the sides of == the other way round": {
			text:  `forbid (principal, action, resource) unless { Action::"write" == action };`,
			want:  `forbid (principal, action, resource) unless { Action::"write" == action };`,
			widen: true,
		},
		"block comments": {
			text: "/**/permit /* a */ (principal, /* b\n   * c\n\n d */ action, /* \"e\" // f */\n  resource); /* g */  \n/* h */ /* i */",
			want: "//\npermit // a\n (principal, // b\n// c\n//\n// d\n action, // \"e\" // f\n  resource); // g\n// h\n // i",
		},
		"a block comment within a string or a line comment": {
			text: "// /* a */\npermit (principal, action, resource == Tool::\"/* b */\");",
			want: "// /* a */\npermit (principal, action, resource == Tool::\"/* b */\");",
		},
		"spaces of all kinds, but not those in strings": {
			text: "permit\u00a0(principal,\u2003action,\u3000resource == Tool::\"a\u00a0b\"); // a\u00a0b",
			want: "permit (principal, action, resource == Tool::\"a\u00a0b\"); // a\u00a0b",
		},
		"an ignored fix": {
			text: "// countersign:ignore block-comment a test\npermit (principal, action, resource); /* a */",
			want: "// countersign:ignore block-comment a test\npermit (principal, action, resource); /* a */",
		},
		"many signs": {
			text: `permit (principal, action, resource) when { !!!!!!context.a && - - - - -1 == ------context.n && !!!!!(!!!!!true) };`,
			want: `permit (principal, action, resource) when { !!context.a && ---1 == ----context.n && !(!true) };`,
		},
		"a mixture of signs": {
			text: `permit (principal, action, resource) when { !-!context.a };`,
			want: `permit (principal, action, resource) when { !-!context.a };`,
		},
		"patterns without wildcards": {
			text:  `permit (principal, action, resource) when { context.a like "\*\\*" || (context.b) like"\*\u{2a}\"" };`,
			want:  `permit (principal, action, resource) when { context.a like "\*\\*" || (context.b) =="*\u{2a}\"" };`,
			widen: true,
		},
		"patterns on what is a string": {
			text: `permit (principal, action, resource) when { (principal)["path"] like "a" || "a" like "b" || context.arguments.str.getTag("a") like "" };`,
			want: `permit (principal, action, resource) when { (principal)["path"] == "a" || "a" == "b" || context.arguments.str.getTag("a") == "" };`,
		},
		"patterns on what may be something else, for which like fails and denies": {
			text: `permit (principal, action, resource) when { context.input.a like "a" } unless { principal like "x" || context.arguments.num.getTag("a") like "a" || ip("::") like "a" };`,
			want: `permit (principal, action, resource) when { context.input.a like "a" } unless { principal like "x" || context.arguments.num.getTag("a") like "a" || ip("::") like "a" };`,
		},
		"everything at once": {
			text: "permit /* a */ (principal,\u00a0action, resource) when { !!!!!(principal.path like \"b\") };",
			want: "permit // a\n (principal, action, resource) when { !(principal.path == \"b\") };",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, done, err := fix(t, test.text, test.widen)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got\n%s\nand want\n%s", got, test.want)
			}
			if (len(done) > 0) != (test.text != test.want) {
				t.Errorf("%d fixes are reported", len(done))
			}
			if again, _, err := fix(t, got, test.widen); err != nil || again != got {
				t.Errorf("fixed again it is\n%s\n(%v)", again, err)
			}
		})
	}
}

func TestNotFixed(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not Cedar":           {"permit /**/ (", "p.cedar:1:14: not fixed, because it is not Cedar"},
		"not even cedar-go's": {"/**/ permit (principal, action, resource) when { " + strings.Repeat("(", 600) + "true" + strings.Repeat(")", 600) + " };", "nested deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			got, done, err := fix(t, test.text, true)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if got != test.text || done != nil {
				t.Errorf("it was changed to %s", got)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	linter, source := lint.New(&lint.Config{}, nil, today), lint.Source{Name: "p.cedar", Data: []byte("/**/")}
	if _, err := linter.Lint(ctx, []lint.Source{source}); !errors.Is(err, context.Canceled) {
		t.Errorf("Lint: got %v", err)
	}
	if _, _, err := linter.Fix(ctx, source, true); !errors.Is(err, context.Canceled) {
		t.Errorf("Fix: got %v", err)
	}
}

// Whatever the text is, linting does not panic, what was fixed is Cedar if the text was, fixing it again changes
// nothing, and every finding lies within the text.
func FuzzFix(f *testing.F) {
	for _, rule := range lint.Rules() {
		f.Add(rule.Bad, true)
		f.Add(rule.Good, false)
	}
	f.Add("permit /* a */ (principal,\u00a0action, resource) when { !!!!!(context.a like \"b\") && ----1 == 2 }; // countersign:ignore a,b", true)
	f.Add("/**//**/permit(principal,action==Action::\"any\",resource)unless{if true then[{a:1}].contains(2)else!-1.b()};", true)
	world := acme(f)
	f.Fuzz(func(t *testing.T, text string, widen bool) {
		linter, source := lint.New(&lint.Config{}, world, today), lint.Source{Name: "p.cedar", Data: []byte(text)}
		findings, err := linter.Lint(t.Context(), []lint.Source{source})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, finding := range findings {
			if finding.Start.Line < 1 || finding.End.Line < finding.Start.Line || finding.End.Line > lines {
				t.Errorf("a finding is outside of the %d lines: %+v", lines, finding.Diagnostic)
			}
		}
		fixed, done, err := linter.Fix(t.Context(), source, widen)
		if err != nil {
			if !bytes.Equal(fixed, source.Data) || done != nil {
				t.Errorf("it was changed in spite of %v", err)
			}
			return
		}
		_, before := syntax.Parse("p.cedar", source.Data)
		_, after := syntax.Parse("p.cedar", fixed)
		if len(after) > len(before) {
			t.Errorf("it was made worse: %v", after)
		}
		again, more, err := linter.Fix(t.Context(), lint.Source{Name: "p.cedar", Data: fixed}, widen)
		if err != nil || len(more) > 0 || !bytes.Equal(again, fixed) {
			t.Errorf("fixed again it changes from\n%q to\n%q (%v)", fixed, again, err)
		}
	})
}
