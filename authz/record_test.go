package authz_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
)

// A record has what it takes to put the question to policies again, and nothing that could be used to act.
func TestARecordTellsWhatPolicyWasAsked(t *testing.T) {
	h := newHouse(t)
	h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
	first := h.decide(post("crm", planner, refund, "txn-token", h.root()))
	read := strings.ReplaceAll(refund, "refund_case", "read_entry")
	req := post("ledger", crmID.String(), read, "txn-token", first.Token, "mcp-session-id", "secret-session",
		"mcp-protocol-version", "2025-11-25")
	req.Host, req.Path, req.SourceIP = "ledger.acme.example", "/mcp?access_token=secret-token", netip.MustParseAddr("10.0.0.7")
	d := h.decide(req)
	if !d.Allowed {
		t.Fatalf("refused: %+v", d.Record)
	}
	r := d.Record
	got := audit.Record{
		Scope: r.Scope, RootIssuer: r.RootIssuer, SubjectPrefix: r.SubjectPrefix, ParentIssuedAt: r.ParentIssuedAt,
		ParentExpires: r.ParentExpires, Depth: r.Depth, Audience: r.Audience, SenderConstrained: r.SenderConstrained,
		Host: r.Host, Path: r.Path, SourceIP: r.SourceIP, ProtocolVersion: r.ProtocolVersion, Backend: r.Backend,
	}
	want := audit.Record{
		Scope: []string{"mcp:ledger:read_entry"}, RootIssuer: rootIssuer, ParentIssuedAt: noon, ParentExpires: noon.Add(time.Minute),
		Depth: 1, Audience: "acme.example", Host: "ledger.acme.example", Path: "/mcp?", SourceIP: "10.0.0.7",
		ProtocolVersion: "2025-11-25", Backend: ledgerID.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := r.MarshalJSON()
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("%s, %v", text, err)
	}
}

// Whoever asks chooses host and path.
func TestALongHostAndPathAreCut(t *testing.T) {
	h := newHouse(t)
	req := post("crm", planner, refund)
	req.Host, req.Path = strings.Repeat("h", 60_000), "/"+strings.Repeat("p", 60_000)+"?"
	if r := h.decide(req).Record; len(r.Host) != audit.MaxLocation || len(r.Path) != audit.MaxLocation+1 ||
		!strings.HasSuffix(r.Host, "…") || !strings.HasSuffix(r.Path, "…?") {
		t.Errorf("host of %d, path of %d bytes", len(r.Host), len(r.Path))
	}
}

// Replaying what may be passed on takes to know who would; also of a request that was refused.
func TestARecordNamesTheBackend(t *testing.T) {
	for name, tc := range map[string]struct {
		server, destination string
		refuse              bool
		want                string
	}{
		"the server's own":                 {"crm", "spiffe://acme.example/gateway", false, crmID.String()},
		"of a request that policy refuses": {"crm", "spiffe://acme.example/gateway", true, crmID.String()},
		"the proxy's":                      {"sidecar", "spiffe://acme.example/wiki", false, "spiffe://acme.example/wiki"},
		"nobody knows":                     {"sidecar", "gateway.acme.example", false, ""},
		"a server that nobody knows":       {"elsewhere", "spiffe://acme.example/gateway", false, ""},
	} {
		h := newHouse(t)
		if tc.refuse {
			h.policy.authorize = func(authz.Query) authz.Verdict { return authz.Verdict{} }
		}
		req := post(tc.server, planner, refund)
		req.Destination = tc.destination
		if d := h.decide(req); d.Record.Backend != tc.want || d.Allowed != (tc.want != "" && !tc.refuse) {
			t.Errorf("%s: %+v", name, d.Record)
		}
	}
}
