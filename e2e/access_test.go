package e2e_test

import (
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
)

// Envoy's own log says what was decided and why, under the same id as the audit record.
func TestAccessLogTellsTheDecision(t *testing.T) {
	st := raise(t, stage.Options{})
	token, records := grant(t, st), decided(t, st)
	if got := readCase(client(t, st, "planner", "2"), st, token).must(t); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if got := readCase(client(t, st, "intern", "1.1"), st, token).must(t); got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	var lines []stage.Access
	deadline := time.After(30 * time.Second)
	for len(lines) < 2 { // Envoy writes a line when the answer is gone
		select {
		case <-deadline:
			t.Fatalf("only these lines were written: %+v", lines)
		case <-time.After(10 * time.Millisecond):
		}
		var err error
		if lines, err = st.Access.Since(0); err != nil {
			t.Fatal(err)
		}
	}
	recorded := records()
	if len(recorded) != 2 {
		t.Fatalf("got records %+v, want two", recorded)
	}
	for i, want := range []struct {
		peer, request, decision, reason string
		status                          int
		policies                        int
	}{
		{stage.ID("planner"), "POST /mcp HTTP/2", "allow", "", 200, 1},
		{stage.ID("intern"), "POST /mcp HTTP/1.1", "deny", string(denial.TokenHolder), 401, 0},
	} {
		got := lines[i]
		if got.Server != "crm" || got.Peer != want.peer || got.Request != want.request || got.Status != want.status ||
			got.Decision != want.decision || got.Reason != want.reason || len(got.PolicyIDs) != want.policies {
			t.Errorf("line %d is %+v, want %+v", i, got, want)
		}
		if got.DecisionID == "" || got.DecisionID != recorded[i].DecisionID {
			t.Errorf("line %d has decision id %q, its record %q", i, got.DecisionID, recorded[i].DecisionID)
		}
	}
}
