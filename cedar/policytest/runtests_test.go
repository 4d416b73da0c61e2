package policytest_test

import (
	"os"
	"strings"
	"testing"

	"countersign.dev/cedar/policytest"
)

func runTests(t *testing.T, text string) policytest.Result {
	t.Helper()
	f, err := policytest.ParseRunTests("x.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), acme(t), []*policytest.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report.Results[0]
}

func TestTestsOfTheCedarCommandLine(t *testing.T) {
	f, err := policytest.Read("testdata/runtests.json")
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), acme(t), []*policytest.File{f}, nil)
	if err != nil || report.Failed() > 0 || len(report.Results) != 2 {
		t.Errorf("%+v %v", report.Results, err)
	}
}

func TestTestsOfTheCedarCommandLineThatFail(t *testing.T) {
	text, err := os.ReadFile("testdata/runtests.json")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n  },\n")
	first += "\n  }]"
	for _, tc := range []struct{ from, to, what, broken string }{
		{`"allow"`, `"deny"`, "decision", ""},
		{`["planner-uses-crm"]`, `["planner-uses-crm", "other"]`, "reasons", ""},
		{`"num_errors": 0`, `"num_errors": 1`, "number of errors", ""},
		{`Workload::\"spiffe`, `User::\"spiffe`, "", "does not conform"},
		{`Workload::\"spiffe`, `Workload::spiffe`, "", "principal "},
		{`list_tools`, `list_fools`, "", "no requests for"},
		{`"entities": []`, `"entities": [{"uid": {"type": "Cat", "id": "a"}, "attrs": {}, "parents": []}]`, "", "reading the entities"},
		{`"2026-01-01T12:00:00Z"`, `"noon"`, "", "context"},
		{`"now"`, `"then"`, "", "context"},
	} {
		r := runTests(t, strings.ReplaceAll(first, tc.from, tc.to))
		switch {
		case r.Passed:
			t.Errorf("%s passed", tc.to)
		case tc.what != "" && (len(r.Differences) != 1 || r.Differences[0].What != tc.what):
			t.Errorf("%s: %+v", tc.to, r)
		case !strings.Contains(r.Broken, tc.broken):
			t.Errorf("%s: %q", tc.to, r.Broken)
		}
	}
}

func TestWrongTestsOfTheCedarCommandLine(t *testing.T) {
	const request = `"request": {"principal": "a", "action": "b", "resource": "c", "context": {}}`
	for text, want := range map[string]string{
		`{}`:                      "x.json:1:1: ",
		`[]`:                      "0 tests",
		"[{}\n, {]":               "x.json:2:4: ",
		`[{"decision": "allow"}]`: "entities is missing",
		`[{"decision": "maybe", "entities": []}]`:                  `decision is "maybe"`,
		`[{"decision": "deny", "entities": "e.json"}]`:             "entities is missing or no list",
		`[{"decision": "deny", "entities": [], "num_errors": -1}]`: "num_errors is -1",
		`[{"decision": "deny", "entities": [], "nummerrors": 1}]`:  "x.json:1:",
		`[{"decision": "deny", "decision": "allow"}]`:              "x.json:1:",
		`[{"name": 5}]`: "x.json:1:",
	} {
		if _, err := policytest.ParseRunTests("x.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	f, err := policytest.ParseRunTests("x", []byte(`[{"decision": "deny", "entities": [], `+request+`},
		{"name": "a", "decision": "deny", "entities": [], `+request+`}, {"name": "a", "decision": "deny", "entities": [], `+request+`},
		{"name": "b\u001b", "decision": "deny", "entities": [], `+request+`},
		{"name": "`+strings.Repeat("é", 300)+`", "decision": "deny", "entities": [], `+request+`}]`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range f.Cases {
		names = append(names, c.Name)
	}
	if got := strings.Join(names[:4], "|"); got != "test 1|a|a (3)|b\ufffd" || len(names[4]) > 204 {
		t.Error(names)
	}
}
