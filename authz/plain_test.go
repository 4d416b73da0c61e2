package authz_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// legacy has the crm told in plain header fields.
func legacy(h *house) { h.servers[0].PlainHeaders = true }

func TestPlainHeaders(t *testing.T) {
	h := newHouse(t, legacy)
	d := h.decide(post("crm", planner, refund, "txn-token", h.root()))
	expires := "1795608060" // a minute after noon
	want := []authz.PlainField{
		{Name: "x-countersign-actor", Value: planner}, {Name: "x-countersign-expires", Value: expires},
		{Name: "x-countersign-subject", Value: "alice"}, {Name: "x-countersign-task", Value: "case-4711"},
	}
	if diff := cmp.Diff(want, d.Plain); !d.Allowed || diff != "" {
		t.Errorf("with a delegation: %s", diff)
	}
	// Nobody is a user only because somebody calls.
	d = h.decide(post("crm", planner, refund))
	if diff := cmp.Diff(want[:2], d.Plain); !d.Allowed || diff != "" {
		t.Errorf("without: %s", diff)
	}
	if d := newHouse(t).decide(post("crm", planner, refund)); d.Plain != nil {
		t.Errorf("not configured, and told %v", d.Plain)
	}
}

// A value that a header cannot carry as it is refuses the call: the backend must not hear about somebody else.
func TestPlainHeadersThatDoNotFit(t *testing.T) {
	for _, subject := range []string{"jörg", "alice ", " alice", "ali\u00a0ce", "алиса"} {
		h := newHouse(t, legacy)
		root := h.root(func(c *delegation.Claims) { c.Subject = subject })
		d := h.decide(post("crm", planner, refund, "txn-token", root))
		if d.Allowed || d.Reason != denial.PlainHeader || d.Plain != nil || d.Token != "" {
			t.Errorf("%q: allowed %t, reason %q, %v", subject, d.Allowed, d.Reason, d.Plain)
		}
	}
}

// One access token begins many delegations. A tool of single use takes it once for one body, for as long as it lives.
func TestSingleUseOutlivesTheDelegationsOfAnAccessToken(t *testing.T) {
	h := newHouse(t, takesAccessTokens(), func(h *house) { h.servers[0].SingleUse = map[string]bool{"refund_case": true} })
	access := h.access()
	if d := h.decide(post("crm", planner, refund, "authorization", access)); !d.Allowed {
		t.Fatalf("refused: %+v", d.Record)
	}
	for _, after := range []time.Duration{time.Second, 20 * time.Minute, 30 * time.Minute} {
		h.now = h.now.Add(after)
		req := post("crm", planner, refund, "authorization", access)
		req.ID = "stream-" + after.String()
		if d := h.decide(req); d.Reason != denial.Replayed {
			t.Errorf("%s later: allowed %t, %+v", after, d.Allowed, d.Record)
		}
	}
	if d := h.decide(post("crm", planner, refund)); d.Reason != denial.CredentialMissing {
		t.Errorf("without a delegation: %q", d.Reason)
	}
}
