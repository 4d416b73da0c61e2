package policytest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

const acceptable = `
defaults: {trust_domain: acme.example, peer: /planner, delegation: {subject: alice}}
cases:
- {name: nobody reads at night, server: wiki, tool: read, peer: /stranger, expect: deny}
- {name: elsewhere, server: payroll, tool: pay, expect: allow}
`

func TestAcceptance(t *testing.T) {
	s := acme(t)
	many := "defaults: {trust_domain: acme.example, peer: /stranger, server: wiki, tool: read}\ncases:\n"
	for i := range 30 {
		many += fmt.Sprintf("- {name: case %d, expect: allow}\n", i)
	}
	for name, c := range map[string]struct {
		tests    map[string]string
		required bool
		want     cedar.Tried
		err      string
	}{
		"no tests":                     {nil, false, cedar.Tried{}, ""},
		"no tests where some must be":  {nil, true, cedar.Tried{}, "tests are required"},
		"other servers are left out":   {map[string]string{"a_test.yaml": acceptable}, true, cedar.Tried{Passed: 1, Skipped: 1}, ""},
		"tests of other servers only":  {map[string]string{"a_test.yaml": "cases: [{name: x, server: payroll, tool: pay, expect: deny, peer: spiffe://acme.example/planner}]"}, true, cedar.Tried{}, "tests are required"},
		"the same where tests may be":  {map[string]string{"a_test.yaml": "cases: [{name: x, server: payroll, tool: pay, expect: deny, peer: spiffe://acme.example/planner}]"}, false, cedar.Tried{Skipped: 1}, ""},
		"a test that fails":            {map[string]string{"a_test.yaml": strings.Replace(acceptable, "deny", "allow", 1)}, false, cedar.Tried{}, `a_test.yaml:4:3: test "nobody reads at night" failed: decision: expected allow, got deny`},
		"a test that expects nonsense": {map[string]string{"a_test.yaml": strings.Replace(acceptable, "expect: deny", "expect: deny, policies: [nobody]", 1)}, false, cedar.Tried{}, `no policy has the id "nobody"`},
		"many that fail":               {map[string]string{"a_test.yaml": many}, false, cedar.Tried{}, "and 10 other tests fail"},
		"a file that is no test":       {map[string]string{"a_test.yaml": "cases: []", "b_test.yaml": "{"}, false, cedar.Tried{}, "a_test.yaml:1:"},
		"tests of the Cedar command line": {map[string]string{"x.json": `[{"name": "nobody", "request": {"principal": "Workload::\"spiffe://acme.example/stranger\"",
			"action": "Action::\"list_tools\"", "resource": "Server::\"crm\"",
			"context": {"now": "2026-01-01T12:00:00Z", "method": "tools/list", "request": {"id": "1", "host": "", "http_path": ""}}}, "entities": [], "decision": "deny", "reason": [], "num_errors": 0}]`}, false, cedar.Tried{Passed: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var files []cedar.File
			for _, name := range []string{"a_test.yaml", "b_test.yaml", "x.json"} {
				if text, ok := c.tests[name]; ok {
					files = append(files, cedar.File{Name: name, Data: []byte(text)})
				}
			}
			got, err := policytest.Acceptance{Required: c.required}.Accept(t.Context(), s, files)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAcceptanceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := policytest.Acceptance{}.Accept(ctx, acme(t), []cedar.File{{Name: "a_test.yaml", Data: []byte(acceptable)}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err = policytest.Acceptance{}.Accept(ctx, acme(t), []cedar.File{{Name: "a_test.yaml", Data: []byte(acceptable)}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "took more than 10s") {
		t.Errorf("error %v", err)
	}
}
