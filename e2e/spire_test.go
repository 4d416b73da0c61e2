package e2e_test

import (
	"context"
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/scene"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// With SPIRE every identity lives for seconds: Envoy's by SDS, all others' by the Workload API.
func TestSPIRE(t *testing.T) {
	// Connections to Countersign end often, so that they begin with new SVIDs, too.
	st := raise(t, stage.Options{SPIRE: true, UpstreamTLS: true, Login: true, ConnectionAge: 3 * time.Second})
	t.Run("scenes", func(t *testing.T) { playAll(t, st, scene.All(), scene.Options{}) })
	t.Run("rotation", func(t *testing.T) { callThroughRotations(t, st) })
}

// callThroughRotations calls without a pause until every SVID that can be seen was replaced twice. Not one call may fail,
// and not one may be allowed that should not.
func callThroughRotations(t *testing.T, st *stage.Stage) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*stage.SVIDTTL)
	defer cancel()
	planner, err := st.Agent(ctx, "planner")
	if err != nil {
		t.Fatal(err)
	}
	intern, err := st.Agent(ctx, "intern")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[string]bool{"planner": {}, "intern": {}, "gateway": {}}
	replaced := func() bool {
		for _, serials := range seen {
			if len(serials) < 3 {
				return false
			}
		}
		return true
	}
	calls := 0
	for ; !replaced(); calls++ {
		token := grant(t, st)
		open := wire.Command{URL: st.URLs["crm"], Token: token, Version: versions[calls%2]}
		reply, err := planner.Call(ctx, open, "refund_case", map[string]any{"case_id": "4711", "max_amount": 100})
		if err != nil {
			t.Fatalf("call %d: %v", calls, err)
		}
		if reply.Error != "" || reply.ToolError {
			t.Fatalf("call %d failed: %+v", calls, reply)
		}
		seen["planner"][reply.Own.Serial], seen["gateway"][reply.Gateway.Serial] = true, true

		records := decided(t, st)
		reply, err = intern.Call(ctx, open, "read_case", map[string]any{"case_id": "4711"})
		if err != nil {
			t.Fatalf("call %d: %v", calls, err)
		}
		if reply.Error == "" {
			t.Fatalf("call %d with a stolen token was answered: %+v", calls, reply)
		}
		for _, r := range records() {
			if r.Peer != stage.ID("intern") || r.Decision != "deny" || r.Reason != string(denial.TokenHolder) {
				t.Fatalf("call %d with a stolen token: %+v", calls, r)
			}
		}
		seen["intern"][reply.Own.Serial] = true
	}
	t.Logf("%d calls while SVIDs were replaced: %v", 2*calls, seen)
}
