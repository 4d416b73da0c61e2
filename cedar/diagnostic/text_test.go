package diagnostic_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/diagnostic"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden compares got with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// at is the place of a mark in a text; the texts of this test have each mark once.
func at(text, mark string) diagnostic.Place {
	before, _, found := strings.Cut(text, mark)
	if !found {
		panic("no " + mark)
	}
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return diagnostic.Place{Line: 1 + strings.Count(before, "\n"), Column: 1 + utf8.RuneCountInString(line)}
}

// find makes a finding about a stretch of the text.
func find(text, stretch, message string) diagnostic.Diagnostic {
	start := at(text, stretch)
	end := start
	for rest := stretch; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if rest = rest[size:]; r == '\n' {
			end = diagnostic.Place{Line: end.Line + 1, Column: 1}
		} else {
			end.Column++
		}
	}
	return diagnostic.Diagnostic{
		Rule: "test-rule", Severity: diagnostic.Warning, File: "p.cedar", Start: start, End: end, Message: message,
	}
}

func render(t *testing.T, text string, colour bool, ds ...diagnostic.Diagnostic) string {
	t.Helper()
	var out bytes.Buffer
	sources := func(file string) []byte {
		if file == "gone.cedar" {
			return nil
		}
		return []byte(text)
	}
	if err := diagnostic.Text(&out, ds, sources, colour); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestText(t *testing.T) {
	const policies = `@id("a")
permit (principal, action == Action::"call_tool", resource);
	forbid (principal,	action, resource == Tool::"ledger/transfer")
when { context.arguments.str.getTag("名前") like "е́*" && true };

permit (
  principal,

  action,
  resource
)
when { true };
`
	long := `permit (principal, action, resource) when { ` + strings.Repeat(`principal == Workload::"x" || `, 40) +
		`resource == Tool::"crm/lookup"` + strings.Repeat(` || principal == Workload::"y"`, 40) + ` };`
	const odd = "permit (principal,\u00a0action, resource); // \u202eevil\u202c \x1b[31m \xff \u200b here\r\nforbid"
	for name, test := range map[string]struct {
		text     string
		findings []diagnostic.Diagnostic
	}{
		"one word":           {policies, []diagnostic.Diagnostic{find(policies, "==", `use "in"`)}},
		"tabs":               {policies, []diagnostic.Diagnostic{find(policies, `Tool::"ledger/transfer"`, "no such tool")}},
		"a tab is marked":    {policies, []diagnostic.Diagnostic{find(policies, ",\taction", "tab")}},
		"wide and combining": {policies, []diagnostic.Diagnostic{find(policies, `"е́*"`, "mixed"), find(policies, `"名前"`, "wide")}},
		"several lines":      {policies, []diagnostic.Diagnostic{find(policies, "(\n  principal,\n\n  action,", "scope")}},
		"many lines":         {policies, []diagnostic.Diagnostic{find(policies, policies[strings.LastIndex(policies, "permit"):], "policy")}},
		"the start of a long line": {long, []diagnostic.Diagnostic{
			find(long, "permit", "at the start")}},
		"the middle of a long line": {long, []diagnostic.Diagnostic{find(long, `Tool::"crm/lookup"`, "in the middle")}},
		"the end of a long line":    {long, []diagnostic.Diagnostic{find(long, `;`, "at the end")}},
		"all of a long line":        {long, []diagnostic.Diagnostic{find(long, long, "everything")}},
		"invisible characters": {odd, []diagnostic.Diagnostic{
			find(odd, "\u00a0", "no-break space \u202e in message"), find(odd, "here", "behind")}},
		"without an end": {policies, []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Error, Start: diagnostic.Place{Line: 2, Column: 9}, Message: "syntax error", Help: "try again"}}},
		"the end of the file": {odd, []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Error, Start: diagnostic.Place{Line: 2, Column: 7}, Message: "the file ends"}}},
		"beyond the file": {odd, []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Error, Start: diagnostic.Place{Line: 2, Column: 70}, End: diagnostic.Place{Line: 9, Column: 1}, Message: "column"},
			{File: "p.cedar", Severity: diagnostic.Error, Start: diagnostic.Place{Line: 7, Column: 7}, Message: "line"}}},
		"an end before the start": {policies, []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Note, Start: diagnostic.Place{Line: 2, Column: 9}, End: diagnostic.Place{Line: 1, Column: 2}, Message: "odd"}}},
		"the whole file, or one that is gone": {policies, []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Note, Message: "empty", Policy: "transfer-cap", Rule: "r"},
			{File: "gone.cedar", Severity: diagnostic.Note, Start: diagnostic.Place{Line: 3, Column: 1}, Message: "gone"}}},
		"a file without text": {"", []diagnostic.Diagnostic{
			{File: "p.cedar", Severity: diagnostic.Error, Start: diagnostic.Place{Line: 1, Column: 1}, Message: "nothing here"}}},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, strings.NewReplacer(" ", "-", ",", "").Replace(name)+".txt", render(t, test.text, false, test.findings...))
		})
	}
	t.Run("colour", func(t *testing.T) {
		d := find(policies, "==", `use "in"`)
		d.Help, d.Policy = "write in", "a"
		got := render(t, policies, true, d)
		golden(t, "colour.txt", got)
		for _, code := range []string{"1", "1;33", "1;34", "1;32", "0"} {
			got = strings.ReplaceAll(got, "\x1b["+code+"m", "")
		}
		if want := render(t, policies, false, d); got != want {
			t.Errorf("without its colours it is\n%s\nand not\n%s", got, want)
		}
	})
}

// A terminal must not obey what somebody wrote into a policy, and every mark stands below what it marks.
func FuzzText(f *testing.F) {
	f.Add("permit (principal, action, resource);", 1, 9, 1, 18, "message")
	f.Add("\t名前\u0301\u202e\x1b[2J\xff\r\n\r\n x", 1, 1, 3, 2, "\x1b]0;title\a")
	f.Add(strings.Repeat("ab\t", 300), 1, 400, 1, 402, "")
	f.Fuzz(func(t *testing.T, text string, line, column, endLine, endColumn int, message string) {
		d := diagnostic.Diagnostic{
			File: message, Severity: diagnostic.Error, Rule: message, Policy: message, Help: message, Message: message,
			Start: diagnostic.Place{Line: line, Column: column}, End: diagnostic.Place{Line: endLine, Column: endColumn},
		}
		var out bytes.Buffer
		if err := diagnostic.Text(&out, []diagnostic.Diagnostic{d}, func(string) []byte { return []byte(text) }, false); err != nil {
			t.Fatal(err)
		}
		shown := out.String()
		if !utf8.ValidString(shown) {
			t.Errorf("not UTF-8: %q", shown)
		}
		if i := strings.IndexFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e }); i >= 0 {
			t.Errorf("a control character is at %d of %q", i, shown)
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestBrokenPipe(t *testing.T) {
	ds := []diagnostic.Diagnostic{{File: "p.cedar", Message: strings.Repeat("x", 10000)}}
	for name, write := range map[string]func() error{
		"text":   func() error { return diagnostic.Text(brokenPipe{}, ds, func(string) []byte { return nil }, false) },
		"json":   func() error { return diagnostic.JSON(brokenPipe{}, ds) },
		"sarif":  func() error { return diagnostic.SARIF(brokenPipe{}, ds, "x", nil) },
		"github": func() error { return diagnostic.GitHub(brokenPipe{}, ds) },
	} {
		if err := write(); err == nil || err.Error() != "writing the findings: broken pipe" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
