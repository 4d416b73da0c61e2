package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/lint"
)

func TestConfig(t *testing.T) {
	c, err := lint.ParseConfig("c.yaml", []byte(`
rules:
  unscoped-policy: error
  missing-id: off
  permit-without-condition: {}
  depth-unchecked: note
  expired: {level: note, within_days: 0}
`))
	if err != nil {
		t.Fatal(err)
	}
	findings, err := lint.New(c, nil, today).Lint(t.Context(), []lint.Source{{Name: "p.cedar", Data: []byte(
		"@expires(\"2026-11-24\") permit (principal, action, resource);")}})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]diagnostic.Severity)
	for _, f := range findings {
		got[f.Rule] = f.Severity
	}
	for rule, want := range map[string]diagnostic.Severity{
		"unscoped-policy": diagnostic.Error, "missing-id": "", "permit-without-condition": diagnostic.Warning,
		"expired": diagnostic.Note, "delegation-unchecked": diagnostic.Warning,
	} {
		if got[rule] != want {
			t.Errorf("%s: got %q, want %q", rule, got[rule], want)
		}
	}
	for _, empty := range []string{"", "# nothing\n"} {
		if _, err := lint.ParseConfig("c.yaml", []byte(empty)); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestWrongConfig(t *testing.T) {
	for text, want := range map[string]string{
		"rules: {misssing-id: off}":                      `c.yaml:1:22: rules.misssing-id: there is no such rule; did you mean "missing-id"?`,
		"rules:\n  zzzzzzzzzzzzzzzzzzzzzzzzzz: off":      "c.yaml:2:31: rules.zzzzzzzzzzzzzzzzzzzzzzzzzz: there is no such rule",
		"rules:\n  missing-id: fatal":                    `c.yaml:2:15: rules.missing-id: level "fatal": use error, warning, note or off`,
		"rules:\n  missing-id: {level: off, max: 3}":     "c.yaml:2:15: rules.missing-id: the rule has no option max",
		"rules:\n  expired: {within_days: -1}":           "rules.expired: a number must not be negative",
		"rules:\n  expired: {within_days: soon}":         "c.yaml:2:26: ",
		"rules:\n  expired: {days: 3}":                   `unknown field "days"`,
		"rules:\n  expired: [3]":                         "c.yaml:2:12: ",
		"rule: {}":                                       `c.yaml:1:1: unknown field "rule"`,
		"rules: {}\nexclude: ['[']":                      `c.yaml: exclude "[": syntax error in pattern`,
		"rules: [":                                       "c.yaml:1:",
		"rules: {missing-id: off}\nrules: {bidi: off}\n": "c.yaml:2:1: ",
	} {
		_, err := lint.ParseConfig("c.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "c.yaml:") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindConfig(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, lint.ConfigName), "exclude: [generated/, 'draft-*.cedar', team/*/old.cedar]\n")
	below := filepath.Join(dir, "a", "b")
	write(t, filepath.Join(below, "p.cedar"), "")
	file, err := lint.FindConfig(below)
	if err != nil || file != filepath.Join(dir, lint.ConfigName) {
		t.Fatalf("got %s, %v", file, err)
	}
	c, err := lint.ReadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"generated/p.cedar": true, "generated/deep/p.cedar": true, "a/generated/p.cedar": false,
		"draft-1.cedar": true, "a/b/draft-1.cedar": true, "my-draft-1.cedar": false,
		"team/x/old.cedar": true, "team/x/y/old.cedar": false, "p.cedar": false, "../draft-1.cedar": true,
	} {
		if got := c.Excludes(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	if c := new(lint.Config); c.Excludes("p.cedar") {
		t.Error("without a configuration something is excluded")
	}
	t.Run("none", func(t *testing.T) {
		// Above the directory for temporary files nobody keeps one.
		if file, err := lint.FindConfig(t.TempDir()); err != nil || file != "" {
			t.Errorf("got %q, %v", file, err)
		}
	})
	t.Run("it cannot be looked for", func(t *testing.T) {
		if _, err := lint.FindConfig(filepath.Join(below, "p.cedar")); err == nil {
			t.Error("a file passed for a directory")
		}
	})
	t.Run("it cannot be read", func(t *testing.T) {
		big := filepath.Join(dir, "big.yaml")
		write(t, big, strings.Repeat("#\n", 1<<20))
		for path, want := range map[string]string{
			big: "too many for a configuration", filepath.Join(dir, "gone.yaml"): "no such file", below: "is a directory",
		} {
			if _, err := lint.ReadConfig(path); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", path, err)
			}
		}
		broken := filepath.Join(dir, "broken.yaml")
		write(t, broken, "rules: {missing-id: fatal}")
		if _, err := lint.ReadConfig(broken); err == nil {
			t.Error("it was read")
		}
	})
}

func TestBrokenInventory(t *testing.T) {
	_, err := lint.NewInventory([]byte("{"), map[string][]byte{"crm": []byte("[]"), "ledger": []byte("{}"), "wiki": nil})
	if err == nil {
		t.Fatal("it was read")
	}
	for _, want := range []string{`the pinned tools of server "crm"`, `the pinned tools of server "ledger"`, "reading the entities"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}
