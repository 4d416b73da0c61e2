package diagnostic_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/diagnostic"
)

// The same findings in every format for machines.
var findings = []diagnostic.Diagnostic{
	{
		Rule: "action-eq-parent", Severity: diagnostic.Warning, File: "policies/crm & ledger, 100%.cedar",
		Start: diagnostic.Place{Line: 2, Column: 20}, End: diagnostic.Place{Line: 2, Column: 49},
		Policy: "planner-reads-crm", Message: `"==" means <this> action alone`, Help: "write in",
	},
	{
		Rule: "syntax", Severity: diagnostic.Error, File: "a:b.cedar",
		Start: diagnostic.Place{Line: 1, Column: 1}, End: diagnostic.Place{Line: 3, Column: 1}, Message: "unexpected\nend: 5%",
	},
	{Rule: "missing-id", Severity: diagnostic.Note, File: "/srv/policies/名.cedar", Message: "no id"},
}

var rules = []diagnostic.Rule{
	{ID: "missing-id", Short: "A policy has no @id.", Help: "Write `@id`.", Severity: diagnostic.Error},
	{ID: "action-eq-parent", Short: "== names a group of actions.", Severity: diagnostic.Warning},
}

func TestFormats(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"findings.json":   func(w *bytes.Buffer) error { return diagnostic.JSON(w, findings) },
		"none.json":       func(w *bytes.Buffer) error { return diagnostic.JSON(w, nil) },
		"findings.sarif":  func(w *bytes.Buffer) error { return diagnostic.SARIF(w, findings, "countersign", rules) },
		"none.sarif":      func(w *bytes.Buffer) error { return diagnostic.SARIF(w, nil, "countersign", nil) },
		"findings.github": func(w *bytes.Buffer) error { return diagnostic.GitHub(w, findings) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}

func TestSort(t *testing.T) {
	place := func(file string, line, column int, rule string) diagnostic.Diagnostic {
		return diagnostic.Diagnostic{File: file, Start: diagnostic.Place{Line: line, Column: column}, Rule: rule}
	}
	got := diagnostic.Sort([]diagnostic.Diagnostic{
		place("b", 1, 1, "r"), place("a", 2, 1, "r"), place("a", 1, 7, "r"), place("a", 1, 3, "s"), place("a", 1, 3, "r"),
		place("a", 0, 0, "r"), place("a", 1, 3, "s"),
	})
	want := []diagnostic.Diagnostic{
		place("a", 0, 0, "r"), place("a", 1, 3, "r"), place("a", 1, 3, "s"), place("a", 1, 7, "r"), place("a", 2, 1, "r"),
		place("b", 1, 1, "r"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	for want, ds := range map[string][]diagnostic.Diagnostic{
		"":                           nil,
		"1 error, 1 warning, 1 note": findings,
		"2 errors":                   {findings[1], findings[1]},
	} {
		if got := diagnostic.Summary(ds); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"lookup", "transfer", "lockup", "balance"}
	for word, want := range map[string]string{
		"lokup": "lockup", "transfers": "transfer", "Balance": "balance", "delete": "", "": "", "x": "",
	} {
		if got := diagnostic.Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
