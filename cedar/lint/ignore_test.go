package lint_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/lint"
)

func TestIgnore(t *testing.T) {
	const missing, reasonless = "missing-id: the policy has no id", "ignore-without-reason: the comment ignores nothing without a rule and a reason"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"on the line above": {text: "// countersign:ignore missing-id a test\npermit (principal, action, resource);"},
		"on the same line":  {text: "permit (principal, action, resource); // countersign:ignore missing-id a test"},
		"above a policy, although the finding is further down": {
			text: "//countersign:ignore missing-id a test\n\n@owner(\"a\")\n@reason(\"b\")\nforbid (principal, action, resource);",
		},
		"one of several comments":     {text: "// about it\n// countersign:ignore missing-id a test\n// more about it\npermit (principal, action, resource);"},
		"between annotation and word": {text: "@owner(\"a\")\n// countersign:ignore missing-id a test\npermit (principal, action, resource);"},
		"several rules":               {text: "// countersign:ignore missing-id,expired a test\n@expires(\"2020-01-01\") permit (principal, action, resource);"},
		"two lines above": {
			text: "// countersign:ignore missing-id a test\n@id(\"a\") permit (principal, action, resource);\npermit (principal, action, resource);",
			want: []string{"1:1 unused-ignore: rule missing-id finds nothing here", "3:1 " + missing},
		},
		"inside of a string": {
			text: "@owner(\"// countersign:ignore missing-id a test\") permit (principal, action, resource);",
			want: []string{"1:51 " + missing},
		},
		"inside of a block comment": {
			text: "/* countersign:ignore missing-id a test */ permit (principal, action, resource);",
			want: []string{"1:44 " + missing},
		},
		"no reason": {
			text: "permit (principal, action, resource); // countersign:ignore missing-id  ",
			want: []string{"1:1 " + missing, "1:37 " + reasonless},
		},
		"a reason in the place of the rule": {
			text: "permit (principal, action, resource); // countersign:ignore this is a test",
			want: []string{"1:1 " + missing, `1:37 unused-ignore: there is no rule "this"`},
		},
		"nothing at all": {
			text: "// countersign:ignore\npermit (principal, action, resource);",
			want: []string{"1:1 " + reasonless, "2:1 " + missing},
		},
		"another word": {text: "// countersign:ignored missing-id a test\npermit (principal, action, resource);", want: []string{"2:1 " + missing}},
		"a misspelt rule": {
			text: "// countersign:ignore misssing-id a test\npermit (principal, action, resource);",
			want: []string{`1:1 unused-ignore: there is no rule "misssing-id"`, "2:1 " + missing},
		},
		"a rule that is off": {text: "// countersign:ignore bidi,missing-id a test\npermit (principal, action, resource);"},
		"the rules about ignores": {
			text: "// countersign:ignore unused-ignore a test\n@id(\"a\") permit (principal, action, resource); // countersign:ignore missing-id,, a test",
			want: []string{"1:1 unused-ignore: rule unused-ignore finds nothing here", "2:46 unused-ignore: rule missing-id finds nothing here"},
		},
		"at the end of the file": {
			text: "@id(\"a\") permit (principal, action, resource);\n// countersign:ignore missing-id a test",
			want: []string{"2:1 unused-ignore: rule missing-id finds nothing here"},
		},
		"what is not Cedar": {
			text: "// countersign:ignore syntax,missing-id a test\npermit (principal, action; // countersign:ignore syntax why not",
			want: []string{
				`1:1 unused-ignore: rule missing-id finds nothing here`, `1:1 unused-ignore: there is no rule "syntax"`,
				`2:26 syntax: unexpected ";"; want "," before resource`, `2:26 unused-ignore: there is no rule "syntax"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := only(t, "missing-id")
			for _, rule := range []string{"ignore-without-reason", "unused-ignore", "expired"} {
				c.Rules[rule] = lint.Setting{Level: "error"}
			}
			if diff := cmp.Diff(test.want, run(t, c, test.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
