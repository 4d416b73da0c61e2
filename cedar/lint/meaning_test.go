package lint

import (
	"strings"
	"testing"
)

// A fix that changes more than it is meant to, or breaks the text, is refused: nobody reads a thousand fixed policies.
func TestCheck(t *testing.T) {
	const policy = `@id("a") permit (principal, action == Action::"any", resource) when { context.a like "x" && !!!context.b };`
	for name, test := range map[string]struct {
		before, fixed string // what is replaced in the policy
		intent        intent
		want          string // of the error
	}{
		"nothing":                    {"", "", 0, ""},
		"white space":                {"(principal,", "( principal , // a\n", 0, ""},
		"what is intended":           {`like "x"`, `== "x"`, readLike, ""},
		"something else":             {`like "x"`, `== "x"`, readUnary | readActionIn, "would change what policy a means"},
		"without any intention":      {`like "x"`, `== "x"`, 0, "would change what policy a means"},
		"another text":               {`like "x"`, `== "y"`, readLike, "would change what policy a means"},
		"a wildcard":                 {`like "x"`, `like "x*"`, readLike, "would change what policy a means"},
		"pairs":                      {"!!!", "!", readUnary, ""},
		"one sign too many":          {"!!!", "!!", readUnary, "would change what policy a means"},
		"in":                         {"action ==", "action in", readActionIn, ""},
		"another variable":           {"resource)", `resource == Tool::"a")`, readActionIn, "would change what policy a means"},
		"an annotation":              {`"a"`, `"b"`, readLike, "would change what policy a means"},
		"the effect":                 {"permit", "forbid", readLike, "would change what policy a means"},
		"unless":                     {"when", "unless", readLike, "would change what policy a means"},
		"a clause":                   {"};", "} when { true };", readLike, "would change what policy a means"},
		"a policy is gone":           {policy, "", readLike, "would have 0 policies and not 1"},
		"the result is broken":       {"};", "}", readLike, "cedar-go would not read the result"},
		"the text before was broken": {"};", "} $;", 0, "cedar-go does not read the file"},
	} {
		t.Run(name, func(t *testing.T) {
			before, fixed := policy, strings.Replace(policy, test.before, test.fixed, 1)
			if strings.Contains(name, "before was broken") {
				before, fixed = fixed, before
			}
			err := check([]byte(before), []byte(fixed), []Finding{{Fix: &Fix{intent: test.intent}}})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
