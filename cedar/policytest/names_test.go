package policytest_test

import (
	"strings"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/policytest"
)

// What nobody knows is denied whatever the policies say: a case about a misspelt name passes, and tests nothing.
func TestNamesThatNobodyKnows(t *testing.T) {
	s := acme(t)
	const base = "defaults: {trust_domain: acme.example, peer: /planner, server: crm, delegation: {subject: alice, scopes: ['mcp:crm:*', 'mcp:ledger:*']}}\ncases:\n- name: a\n  expect: deny\n  "
	for name, tc := range map[string]struct{ text, want string }{
		"a tool that is misspelt": {"tool: serch", `server "crm" has no pinned tool "serch": did you mean "search"? If it is meant, write unpinned: true`},
		"a tool that is unlike any": {"tool: export_all",
			`server "crm" has no pinned tool "export_all": if it is meant, write unpinned: true`},
		"a tool that is meant":                {"tool: export_all\n  unpinned: true", ""},
		"a tool of a server without pins":     {"server: wiki\n  tool: serch", ""},
		"a server that is not there":          {"server: crn\n  tool: serch\n  unpinned: true", `no server "crn" is configured: did you mean "crm"?`},
		"what is passed on, misspelt":         {"tool: search\n  arguments: {query: x}\n  delegate: {backend: /crm, scope: 'mcp:ledger:balanec'}", `server "ledger" has no pinned tool "balanec": did you mean "balance"?`},
		"what is passed on, and is not there": {"tool: search\n  arguments: {query: x}\n  delegate: {backend: /crm, scope: 'mcp:ledger:shred'}\n  unpinned: true", ""},
		"everything is passed on":             {"tool: search\n  arguments: {query: x}\n  delegate: {backend: /crm, scope: 'mcp:ledger:*'}", ""},
		"a peer of a misspelt trust domain": {"tool: search\n  arguments: {query: x}\n  peer: spiffe://acme.exmaple/planner",
			`no policy, entity or case that is allowed names the trust domain "acme.exmaple" of the peer: did you mean "acme.example"? If it is meant, write stranger: true`},
		"a backend of a misspelt trust domain": {"tool: search\n  arguments: {query: x}\n  delegate: {backend: 'spiffe://acme.exmaple/crm', scope: 'mcp:ledger:transfer'}",
			`"acme.exmaple" of the backend`},
		"a stranger who is meant":                  {"tool: search\n  arguments: {query: x}\n  peer: spiffe://evil.example/planner\n  stranger: true", ""},
		"a workload that nobody knows":             {"tool: search\n  arguments: {query: x}\n  peer: /nobody", ""},
		"a user whom nobody knows":                 {"tool: search\n  arguments: {query: x}\n  delegation: {subject: nobody}", ""},
		"somebody else's workload wants to revoke": {"server: null\n  delegation: null\n  peer: spiffe://acme.exmaple/planner\n  revoke: {issuer: 'spiffe://acme.example/countersign', operation: list}", `"acme.exmaple" of the peer`},
	} {
		report := run(t, s, base+tc.text)
		if got := report.Results[0]; (tc.want == "") != got.Passed || !strings.Contains(got.Broken, tc.want) {
			t.Errorf("%s:\ngot  %q, %v\nwant %q", name, got.Broken, got.Differences, tc.want)
		}
	}
}

// Policies need not name every trust domain whose workloads they allow.
func TestTrustDomainsThatCasesKnow(t *testing.T) {
	cfg := cedar.Config{Policies: written(t, `@id("all") permit (principal, action in Action::"list", resource)
		unless { principal in TrustDomain::"evil.example" };`)}
	s := cedartest.Load(t, cfg)
	const denied = "\n- {name: b, peer: spiffe://acme.example/intern, server: crm, tool: x, expect: deny}"
	for name, tc := range map[string]struct {
		text   string
		failed int
	}{
		"a case is allowed": {"cases:\n- {name: a, peer: spiffe://acme.example/planner, server: crm, method: tools/list, expect: allow}" + denied, 0},
		"all are denied":    {"cases:" + denied, 1},
	} {
		if report := run(t, s, tc.text); report.Failed() != tc.failed {
			t.Errorf("%s: %+v", name, report.Results)
		}
	}
	nameless := cedartest.Load(t, cedar.Config{Policies: written(t, `@id("all") permit (principal, action in Action::"list", resource);`)})
	if report := run(t, nameless, "cases:"+denied); report.Failed() != 0 {
		t.Errorf("policies that name no trust domain: %+v", report.Results)
	}
}

// One set of policies serves several installations: a case that is left out in one still says which trust domains there are,
// and to pass something on to a server that is elsewhere cannot be asked.
func TestNamesOfOtherInstallations(t *testing.T) {
	tests := []cedar.File{{Name: "a_test.yaml", Data: []byte(`
cases:
- {name: elsewhere, peer: spiffe://partner.example/agent, server: payroll, tool: pay, expect: allow}
- {name: here, peer: spiffe://partner.example/agent, server: wiki, tool: read, expect: deny}
- name: passed on
  peer: spiffe://acme.example/planner
  server: wiki
  tool: read
  delegation: {subject: alice, scopes: ["mcp:wiki:*", "mcp:payroll:*"]}
  delegate: {backend: "spiffe://acme.example/crm", scope: "mcp:payroll:pay"}
  expect: deny
`)}}
	got, err := policytest.Acceptance{}.Accept(t.Context(), acme(t), tests)
	if want := (cedar.Tried{Passed: 1, Skipped: 2}); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
