package cedar_test

import (
	"strings"
	"testing"

	"countersign.dev/cedar"
)

func TestSingleUseIsAskedForByAnyPermitThatDecides(t *testing.T) {
	snapshot := load(t, `
@id("reads") permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource);
@id("once") @single_use permit (principal, action in Action::"call_tool", resource == Tool::"crm/refund_case");
@id("twice") @single_use permit (principal == Workload::"spiffe://acme.example/crm", action in Action::"call_tool", resource);
@id("no") forbid (principal == Workload::"spiffe://acme.example/intern", action, resource);
`)
	for _, tt := range []struct {
		name, peer, tool string
		allowed, once    bool
	}{
		{"two permits, one of them for single use", "/planner", "refund_case", true, true},
		{"only the other one", "/planner", "read_case", true, false},
		{"only the one", "/ledger", "refund_case", true, true},
		{"two of them", "/crm", "refund_case", true, true},
		{"a forbid decides, and nothing is used", "/intern", "refund_case", false, false},
		{"none", "/ledger", "read_case", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := snapshot.Authorize(t.Context(), from(tt.peer, "crm", callTool(tt.tool)))
			if v.Allowed != tt.allowed || v.SingleUse != tt.once {
				t.Errorf("allowed %t, single use %t, want %t, %t: %+v", v.Allowed, v.SingleUse, tt.allowed, tt.once, v)
			}
		})
	}
}

func TestSingleUseThatDoesNotDoWhatItSays(t *testing.T) {
	for name, tt := range map[string]struct{ policy, want string }{
		"on a forbid":      {`@id("x") @single_use forbid (principal, action, resource);`, "has no effect"},
		"with a value":     {`@id("x") @single_use("false") permit (principal, action, resource);`, "has no value"},
		"an empty one too": {`@id("x") @single_use("") permit (principal, action, resource);`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := written(t, map[string]string{"policies/x.cedar": tt.policy})
			_, err := cedar.Load(t.Context(), cfg)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
