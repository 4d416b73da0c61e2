package policytest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/policytest"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// acme's policies, as the tests of package cedar have them.
func acme(t testing.TB) *cedar.Snapshot {
	t.Helper()
	return cedartest.Load(t, cedartest.Acme())
}

func run(t *testing.T, s *cedar.Snapshot, text string) *policytest.Report {
	t.Helper()
	f, err := policytest.Parse("x_test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), s, []*policytest.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Results {
		report.Results[i].Duration = 0
	}
	return report
}

// Every kind of question, all as it should be.
func TestAcme(t *testing.T) {
	f, err := policytest.Read("testdata/acme_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), acme(t), []*policytest.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.Text(&out, policytest.TextOptions{Verbose: true, Cover: true}); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "acme.txt", *update, out.Bytes())
	if report.Failed() > 0 || report.Covers(100) || !report.Covers(10) {
		t.Errorf("%d failed, %s", report.Failed(), report.Percent())
	}
}

// The same cases with expectations that are wrong: what people, build servers and programs are told.
func TestFailures(t *testing.T) {
	f, err := policytest.Read("testdata/wrong_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), acme(t), []*policytest.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	report.Broke("broken_test.yaml", errors.New("broken_test.yaml:1:2: something\nbroken_test.yaml:3:4: more"))
	for i := range report.Results {
		report.Results[i].Duration = 0
		if report.Results[i].Passed {
			t.Errorf("%s passed", report.Results[i].Name)
		}
	}
	var out, coloured, xml bytes.Buffer
	if err := report.Text(&out, policytest.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "wrong.txt", *update, out.Bytes())
	if err := report.Text(&coloured, policytest.TextOptions{Colour: true}); err != nil {
		t.Fatal(err)
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured.String(), ""); got != out.String() {
		t.Error("colours change the text")
	}
	if err := report.JUnit(&xml); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "wrong.xml", *update, xml.Bytes())
}

func TestRunMatchesNames(t *testing.T) {
	f, err := policytest.Read("testdata/acme_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	report, err := policytest.Run(t.Context(), acme(t), []*policytest.File{f}, regexp.MustCompile("(?i)transfer"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(report.Results); n == 0 || n == len(f.Cases) {
		t.Errorf("%d of %d", n, len(f.Cases))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"testdata/acme_test.yaml", "testdata/runtests.json"} {
		f, err := policytest.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policytest.Run(ctx, acme(t), []*policytest.File{f}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A policy that allows everything to nobody, one condition at a time.
func TestCoverage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(`
@id("finance")
permit (principal, action, resource)
when { context has delegation }
when { context.delegation.subject == User::"alice" }
unless { context.delegation.depth > 1 };

@id("plain") forbid (principal == Workload::"spiffe://acme.example/intern", action, resource);
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := cedartest.Load(t, cedar.Config{Policies: dir})
	const base = "defaults: {trust_domain: acme.example, peer: /planner, server: crm, method: tools/list}\ncases:\n"
	for _, tc := range []struct {
		cases   string
		percent string
		seen    int
	}{
		{"- {name: no delegation, expect: deny}", "12.5%", 1}, // what cannot be evaluated is not seen
		{"- {name: bob, delegation: {subject: bob}, expect: deny}", "37.5%", 3},
		{"- {name: alice, delegation: {subject: alice}, expect: allow}", "50%", 4},
		{"- {name: the intern, peer: /intern, delegation: {subject: alice}, expect: deny, policies: [plain]}", "50%", 4},
		{`
- {name: nobody, expect: deny}
- {name: the intern, peer: /intern, expect: deny, policies: [plain]}
- {name: somebody, for: {delegation.subject: [alice, bob]}, expect: allow}
- {name: from afar, delegation: {subject: alice, actors: [/planner, /a, /b]}, expect: deny}`, "100%", 8},
	} {
		report := run(t, s, base+tc.cases)
		if seen, all := report.Seen(); report.Percent() != tc.percent || seen != tc.seen || all != 9-1 {
			t.Errorf("%s: %s, %d of %d", tc.cases, report.Percent(), seen, all)
		}
	}
}

func TestErrorsAndSkipped(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(`
@id("sum") permit (principal, action in Action::"call_tool", resource)
when { context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") + 1 > 0 };
@id("once") @single_use permit (principal, action in Action::"call_tool", resource);
@id("closed") @reason("Not today.") forbid (principal, action, resource == Tool::"crm/closed");
`), 0o600); err != nil {
		t.Fatal(err)
	}
	const cases = `
defaults: {peer: "spiffe://acme.example/planner", server: crm, tool: t, arguments: {n: 9223372036854775807}}
cases:
`
	deny, skip := cedartest.Load(t, cedar.Config{Policies: dir}), cedartest.Load(t, cedar.Config{Policies: dir, OnError: cedar.SkipPermits})
	for _, tc := range []struct {
		snapshot *cedar.Snapshot
		text     string
		passes   bool
	}{
		{deny, "- {name: a, expect: deny, errors: [sum]}", true},
		{deny, "- {name: a, expect: deny}", false},
		{deny, "- {name: a, expect: deny, errors: [sum, once]}", false},
		{skip, "- {name: a, expect: allow, skipped: [sum], policies: [once], single_use: true}", true},
		{skip, "- {name: a, expect: allow, skipped: [sum], single_use: false}", false},
		{skip, "- {name: a, expect: allow}", false},
		{deny, "- {name: a, tool: closed, expect: deny, policies: [closed], reason: Not today.}", true},
		{deny, "- {name: a, tool: closed, expect: deny, reason: Not tomorrow.}", false},
		{deny, "- {name: a, tool: closed, expect: deny, policies: []}", false},
		{deny, "- {name: a, tool: closed, expect: deny, reason: ''}", false},
		{deny, "- {name: a, tool: open, expect: allow, policies: [once]}", true},
		{deny, "- {name: a, tool: open, expect: allow, policies: [once, once]}", true},
	} {
		if report := run(t, tc.snapshot, cases+tc.text); (report.Failed() == 0) != tc.passes {
			t.Errorf("%s: %+v", tc.text, report.Results)
		}
	}
}

// A test that cannot fail, or expects what never will be, is worth less than none.
func TestCasesThatLie(t *testing.T) {
	s := acme(t)
	for text, want := range map[string]string{
		"tool: search\n  expect: deny\n  policies: [transfer-capp]":                                                                      `no policy has the id "transfer-capp": did you mean "transfer-cap"?`,
		"tool: search\n  expect: deny\n  errors: [nobody]":                                                                               `no policy has the id "nobody"`,
		"tool: search\n  expect: deny\n  skipped: [nobody]":                                                                              `no policy has the id "nobody"`,
		"tool: search\n  expect: deny\n  skipped: [transfer-cap]":                                                                        "a forbid always counts",
		"tool: search\n  expect: allow\n  policies: [transfer-cap]":                                                                      "transfer-cap is among the policies, and it can never decide to allow",
		"tool: search\n  expect: deny\n  policies: [planner-reads-crm]":                                                                  "can never decide to deny",
		"server: crn\n  tool: search\n  expect: deny":                                                                                    `no server "crn" is configured: did you mean "crm"?`,
		"tool: search\n  delegation: {subject: alice, expires_in: -1m}\n  expect: allow":                                                 "expired",
		"tool: search\n  delegation: {subject: alice, scopes: ['mcp:crm:refund']}\n  expect: allow":                                      "does not cover mcp:crm:search",
		"tool: search\n  delegation: {subject: alice, actors: [/crm]}\n  expect: allow":                                                  "only spiffe://acme.example/crm may present",
		"delegate: {backend: /crm, scope: 'mcp:ledger:balance'}\n  expect: allow":                                                        "nothing to pass on",
		"delegation: {subject: alice, scopes: ['mcp:crm:*']}\n  delegate: {backend: /crm, scope: 'mcp:ledger:balance'}\n  expect: allow": "does not cover mcp:ledger:balance itself",
	} {
		report := run(t, s, "defaults: {trust_domain: acme.example, peer: /planner, server: crm}\ncases:\n- name: a\n  "+text)
		if r := report.Results[0]; r.Passed || !strings.Contains(r.Broken, want) {
			t.Errorf("%s\ngot  %q\nwant %q", text, r.Broken, want)
		}
	}
}

// A delegation that is over, or does not cover the tool, is refused before policy is asked. Nobody has to know what policy
// would have said.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	text := `@id("all") permit (principal, action in Action::"call_tool", resource);
		@id("wipe") forbid (principal, action in Action::"call_tool", resource == Tool::"crm/wipe");
		@id("on") permit (principal, action == Action::"delegate", resource);`
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := cedartest.Load(t, cedar.Config{Policies: dir, Tools: map[string]string{"crm": ""}})
	report := run(t, s, `
defaults: {trust_domain: acme.example, peer: /planner, server: crm, tool: search, delegation: {subject: alice}}
cases:
- {name: over, delegation: {expires_in: -1s}, expect: refused}
- {name: about something else, delegation: {scopes: ["mcp:crm:find"]}, expect: refused}
- {name: somebody else's, peer: /intern, delegation: {actors: [/planner]}, expect: refused}
- {name: passed on further than it goes, delegation: {scopes: ["mcp:crm:search"]}, delegate: {backend: /crm, scope: "mcp:crm:find"}, expect: refused}
- {name: over and forbidden, tool: wipe, delegation: {expires_in: -1s}, expect: deny, policies: [wipe]}
- {name: thought to be denied, delegation: {expires_in: -1s}, expect: deny}
- {name: in force, expect: refused}
- {name: denied, tool: wipe, expect: refused}
`)
	var got bytes.Buffer
	if err := report.Text(&got, policytest.TextOptions{Verbose: true}); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "refused.txt", *update, bytes.ReplaceAll(got.Bytes(), []byte(dir), []byte("policies")))
}
