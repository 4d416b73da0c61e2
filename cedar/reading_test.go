package cedar_test

import (
	"strings"
	"testing"

	"countersign.dev/cedar"
)

// A forbid that hides behind a carriage return: the Rust implementation reads it, cedar-go takes it for a comment. Whoever
// reviews with one of them sees another policy than the other enforces.
func TestTextThatEnginesReadDifferently(t *testing.T) {
	const permits = `@id("p") permit (principal, action in Action::"call_tool", resource in Server::"crm");`
	const forbids = `@id("f") forbid (principal, action, resource);`
	for name, c := range map[string]struct{ text, want string }{
		"a forbid behind a comment":      {permits + "\n// not on Sundays\r" + forbids + "\n", ":2:18: a carriage return is in a comment: end the line with a line feed"},
		"a permit behind a comment":      {"// all\r" + permits + "\n" + forbids, ":1:7: policy f: a carriage return is in a comment"},
		"a condition behind a comment":   {permits[:len(permits)-1] + " // small\rwhen { false }\n;", "a carriage return is in a comment"},
		"two of them":                    {"// a\rb\n// c\rd\n" + permits, ":2:5: policy p: a carriage return is in a comment"},
		"lines of Windows":               {"// all\r\n" + permits + "\r\n", ""},
		"more returns at the end of one": {"// all\r\r\n" + permits + "\r\r\n", ""},
		"between tokens":                 {permits + "\r" + forbids + "\r", ""},
		"at the end of the file":         {permits + "// all\r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := written(t, map[string]string{"policies/a.cedar": c.text})
			_, err := cedar.Load(t.Context(), cfg)
			found, failed := cedar.Validate(t.Context(), cfg)
			switch {
			case failed != nil:
				t.Fatal(failed)
			case c.want == "" && (err != nil || len(found) > 0):
				t.Fatalf("load: %v; validate: %v", err, found)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), "a.cedar"+c.want) && !strings.Contains(err.Error(), c.want)):
				t.Fatalf("load: %v, want %q", err, c.want)
			case c.want != "" && len(found) != len(cedar.Diagnostics(err)):
				t.Fatalf("validate found %v, load %v", found, err)
			}
		})
	}
}
