package authz_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
)

func TestAllowedCallIsCountersigned(t *testing.T) {
	h := newHouse(t)
	h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
	root := h.root()
	d := h.decide(post("crm", planner, refund, "txn-token", root))
	if !d.Allowed || d.Reason != "" {
		t.Fatalf("refused: %+v", d.Record)
	}
	token, err := delegation.Parse(d.Token)
	if err != nil {
		t.Fatal(err)
	}
	c := token.Claims
	if diff := cmp.Diff([]string{"spiffe://acme.example/crm", planner}, c.Actor.Chain()); diff != "" {
		t.Errorf("chain: %s", diff)
	}
	if diff := cmp.Diff(delegation.Scope{"mcp:ledger:read_entry"}, c.Scope); diff != "" {
		t.Errorf("scope: %s", diff)
	}
	if c.Subject != "alice" || c.Txn != "txn-1" || c.Task.Task != "case-4711" || c.Depth != 1 {
		t.Errorf("changed on the way: %+v", c)
	}
	if want := noon.Add(time.Minute); !c.Expiry.Equal(want) || !d.Expires.Equal(want) {
		t.Errorf("expires %s and %s, want %s", c.Expiry, d.Expires, want)
	}
	b := c.Request.MCP
	if b == nil || b.Server != "crm" || b.Method != "tools/call" || b.Tool != "refund_case" || b.RequestHash != hashOf(d.Call) || b.ArgumentsHash == "" {
		t.Errorf("binding: %+v", b)
	}
	r := d.Record
	if r.Decision != "allow" || r.Peer != planner || r.Subject != "alice" || r.Task != "case-4711" || r.JTI != "root-1" ||
		r.TokenJTI != c.ID || r.Server != "crm" || r.Tool != "refund_case" || r.Revision != "rev-1" ||
		r.RequestHash != b.RequestHash || string(r.Arguments) != `{"case_id":"4711","amount":120}` ||
		r.ParentHash != c.ParentHash || r.DecisionID != d.ID {
		t.Errorf("record: %+v", r)
	}
	if len(h.recorder.records) != 1 {
		t.Errorf("%d records, want 1", len(h.recorder.records))
	}
}

func TestTheBackendGoesOnWithItsToken(t *testing.T) {
	h := newHouse(t)
	h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
	first := h.decide(post("crm", planner, refund, "txn-token", h.root()))
	read := strings.ReplaceAll(refund, "refund_case", "read_entry")
	second := h.decide(post("ledger", crmID.String(), read, "txn-token", first.Token))
	if !second.Allowed {
		t.Fatalf("refused: %+v", second.Record)
	}
	if diff := cmp.Diff([]string{crmID.String(), planner}, second.Record.Actors); diff != "" {
		t.Error(diff)
	}
	if q := h.policy.asked[1]; q.RootIssuer != rootIssuer || q.Delegation.Issuer != ownIssuer {
		t.Errorf("policy was told that %s vouches for %s's user", q.RootIssuer, q.Delegation.Issuer)
	}
	// What policy did not let crm pass on is gone, and nobody else may use the token.
	if d := h.decide(post("ledger", crmID.String(), strings.ReplaceAll(refund, "refund_case", "post_refund"), "txn-token", first.Token)); d.Reason != denial.ScopeNotGranted {
		t.Errorf("widened: %+v", d.Record)
	}
	if d := h.decide(post("ledger", planner, read, "txn-token", first.Token)); d.Reason != denial.TokenHolder {
		t.Errorf("stolen: %+v", d.Record)
	}
}

func TestCallWithoutDelegation(t *testing.T) {
	h := newHouse(t)
	d := h.decide(post("crm", planner, refund))
	if !d.Allowed {
		t.Fatalf("refused: %+v", d.Record)
	}
	if h.policy.asked[0].Delegation != nil {
		t.Error("policy saw a delegation")
	}
	token, err := delegation.Parse(d.Token)
	if err != nil {
		t.Fatal(err)
	}
	if c := token.Claims; c.Subject != planner || len(c.Scope) != 0 || c.Depth != c.MaxDepth {
		t.Errorf("context token: %+v", c)
	}
}

// refusals break one thing at a time, in the order of the steps.
func refusals(t *testing.T) []refusal {
	t.Helper()
	list := func(entry string) *revoke.List {
		l, err := denyfile.Parse("test", []byte("revocations:\n- "+entry))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	return []refusal{
		{"no peer", nil, func(*house) *authz.Request { return post("crm", "", refund) }, denial.PeerMissing},
		{"peer of another trust domain", nil, func(*house) *authz.Request { return post("crm", "spiffe://evil.example/planner", refund) }, denial.PeerTrustDomain},
		{"revoked peer", func(h *house) { h.revoked.list = list("{actor: spiffe://acme.example/planner, reason: stolen}") },
			func(h *house) *authz.Request { return post("crm", planner, "not json") }, denial.Revoked},
		{"unknown server", nil, func(*house) *authz.Request { return post("hr", planner, refund) }, denial.ServerUnknown},
		{"no policies yet", func(h *house) { h.policy.missing = true }, func(*house) *authz.Request { return post("crm", planner, refund) }, denial.PolicyUnavailable},
		{"not JSON", nil, func(*house) *authz.Request { return post("crm", planner, "not json") }, denial.JSONSyntax},
		{"two tokens", nil, func(h *house) *authz.Request {
			return post("crm", planner, refund, "txn-token", h.root(), "Txn-Token", h.root())
		}, denial.HeaderDuplicated},
		{"an empty token", nil, func(*house) *authz.Request { return post("crm", planner, refund, "txn-token", "") }, denial.TokenMalformed},
		{"somebody else's token", nil, func(h *house) *authz.Request { return post("crm", intern, refund, "txn-token", h.root()) }, denial.TokenHolder},
		{"expired token", nil, func(h *house) *authz.Request {
			token := h.root()
			h.now = h.now.Add(10 * time.Minute)
			return post("crm", planner, refund, "txn-token", token)
		}, denial.TokenExpired},
		{"revoked task", func(h *house) { h.revoked.list = list("{task: case-4711, reason: withdrawn}") },
			func(h *house) *authz.Request { return post("crm", planner, refund, "txn-token", h.root()) }, denial.Revoked},
		{"revoked root key", func(h *house) { h.revoked.list = list("{kid: " + h.rootKey.KeyID + ", reason: leaked}") },
			func(h *house) *authz.Request { return post("crm", planner, refund, "txn-token", h.root()) }, denial.Revoked},
		{"revocations cannot be told", func(h *house) { h.revoked.err = errors.New("unreachable") },
			func(*house) *authz.Request { return post("crm", planner, refund) }, denial.RevocationUnknown},
		{"tool outside the scope", nil, func(h *house) *authz.Request {
			return post("crm", planner, strings.ReplaceAll(refund, "refund_case", "delete_case"), "txn-token", h.root())
		}, denial.ScopeNotGranted},
		{"scope of another server", nil, func(h *house) *authz.Request { return post("ledger", planner, refund, "txn-token", h.root()) }, denial.ScopeNotGranted},
		{"no permit", func(h *house) { h.policy.verdict = authz.Verdict{} }, func(*house) *authz.Request { return post("crm", planner, refund) }, denial.PolicyNoPermit},
		{"a forbid", func(h *house) { h.policy.verdict = authz.Verdict{Forbidden: true, PolicyIDs: []string{"limit"}} },
			func(*house) *authz.Request { return post("crm", planner, refund) }, denial.PolicyForbidden},
		{"a permit beside a policy that errs", func(h *house) { h.policy.verdict = authz.Verdict{Allowed: true, Errors: []string{"broken"}} },
			func(*house) *authz.Request { return post("crm", planner, refund) }, denial.PolicyError},
		{"policy that panics", func(h *house) { h.policy.authorize = func(authz.Query) authz.Verdict { panic("ouch") } },
			func(*house) *authz.Request { return post("crm", planner, refund) }, denial.Panicked},
		{"what may be passed on cannot be told", func(h *house) { h.policy.err = errors.New("broken") },
			func(h *house) *authz.Request { return post("crm", planner, refund, "txn-token", h.root()) }, denial.PolicyError},
		{"delegation at its last hop", nil, func(h *house) *authz.Request {
			return post("crm", planner, refund, "txn-token", h.root(func(c *delegation.Claims) { c.MaxDepth = 0 }))
		}, denial.TokenDepth},
		{"backend nobody knows", nil, func(*house) *authz.Request {
			req := post("sidecar", planner, refund)
			req.Destination = "gateway.acme.example"
			return req
		}, denial.ServerUnknown},
		{"signing fails", func(h *house) { h.signer = brokenSigner{} }, func(*house) *authz.Request { return post("crm", planner, refund) }, denial.SigningFailed},
		{"nothing was signed", func(h *house) { h.signer = emptySigner{} }, func(*house) *authz.Request { return post("crm", planner, refund) }, denial.Internal},
		{"recording fails", func(h *house) { h.recorder.err = errors.New("disk full") }, func(*house) *authz.Request { return post("crm", planner, refund) }, denial.AuditFailed},
	}
}

// refusal is a request that is refused in a house that was changed for it.
type refusal struct {
	name  string
	house func(*house)
	req   func(*house) *authz.Request
	want  denial.Reason
}

// enter builds the house, with more changes.
func (r refusal) enter(t *testing.T, more ...func(*house)) *house {
	t.Helper()
	if r.house != nil {
		more = append(more, r.house)
	}
	return newHouse(t, more...)
}

func TestRefusals(t *testing.T) {
	for _, tt := range refusals(t) {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.enter(t)
			d := h.decide(tt.req(h))
			if d.Allowed || d.Token != "" || d.Reason != tt.want {
				t.Fatalf("allowed %t, reason %q, want %q; record %+v", d.Allowed, d.Reason, tt.want, d.Record)
			}
			if d.Record.Decision != "deny" || d.Record.Reason != string(tt.want) || d.Record.DecisionID != d.ID || d.ID == "" {
				t.Errorf("record: %+v", d.Record)
			}
			if len(h.recorder.records) != 1 {
				t.Errorf("%d records, want 1", len(h.recorder.records))
			}
		})
	}
}

type brokenSigner struct{}

func (brokenSigner) Countersign(*delegation.Token, delegation.Hop) (string, delegation.Claims, error) {
	return "half", delegation.Claims{}, errors.New("no entropy")
}

type emptySigner struct{}

func (emptySigner) Countersign(*delegation.Token, delegation.Hop) (string, delegation.Claims, error) {
	return "", delegation.Claims{}, nil
}

func TestForbidTellsItsPublicReason(t *testing.T) {
	h := newHouse(t)
	h.policy.verdict = authz.Verdict{Forbidden: true, PolicyIDs: []string{"limit"}, Public: "ask a person"}
	if d := h.decide(post("crm", planner, refund)); d.Public != "ask a person" {
		t.Errorf("got %q", d.Public)
	}
	h.policy.verdict = authz.Verdict{Allowed: true, Errors: []string{"x"}, Public: "secret"}
	if d := h.decide(post("crm", planner, refund)); d.Public != "" {
		t.Errorf("an error tells %q", d.Public)
	}
}

func TestNeededScopeOfAStepUp(t *testing.T) {
	h := newHouse(t)
	d := h.decide(post("crm", planner, strings.ReplaceAll(refund, "refund_case", "delete_case"), "txn-token", h.root()))
	if diff := cmp.Diff([]string{"mcp:crm:delete_case"}, d.NeededScope); diff != "" {
		t.Error(diff)
	}
}

func TestCallerThatHangsUp(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.policy.authorize = func(authz.Query) authz.Verdict { cancel(); return authz.Verdict{Allowed: true} }
	d := h.authorizer.Decide(ctx, post("crm", planner, refund))
	if d.Allowed || d.Reason != denial.Cancelled {
		t.Errorf("got %+v", d.Record)
	}
	if len(h.recorder.records) != 1 || h.recorder.ctxErr != nil {
		t.Error("the record did not survive the cancellation")
	}
	if d := h.authorizer.Decide(ctx, post("crm", planner, refund)); d.Reason != denial.Cancelled {
		t.Errorf("a dead request was decided: %+v", d.Record)
	}
}

func TestBatchNeedsEveryElement(t *testing.T) {
	h := newHouse(t)
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_entry"}},` +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"post_refund"}}]`
	if d := h.decide(post("ledger", planner, batch, "txn-token", h.root())); !d.Allowed || len(h.policy.asked) != 2 {
		t.Fatalf("allowed %t after %d questions: %+v", d.Allowed, len(h.policy.asked), d.Record)
	}
	h.policy.authorize = func(q authz.Query) authz.Verdict { return authz.Verdict{Allowed: q.Target.Name == "read_entry"} }
	if d := h.decide(post("ledger", planner, batch)); d.Reason != denial.PolicyNoPermit {
		t.Errorf("half a batch was enough: %+v", d.Record)
	}
	if d := h.decide(post("crm", planner, batch)); d.Reason != denial.RPCBatch {
		t.Errorf("got %+v", d.Record)
	}
}

func TestEveryTargetIsAsked(t *testing.T) {
	h := newHouse(t)
	listen := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},` +
		`"notifications":{"resourceSubscriptions":["case://1","case://2"]}}}`
	h.policy.authorize = func(q authz.Query) authz.Verdict { return authz.Verdict{Allowed: q.Target.Name != "case://2"} }
	d := h.decide(post("crm", planner, listen, "mcp-protocol-version", "2026-07-28", "mcp-method", "subscriptions/listen"))
	if d.Reason != denial.PolicyNoPermit {
		t.Errorf("got %+v", d.Record)
	}
	if diff := cmp.Diff([]string{"case://1", "case://2"}, d.Record.Targets); diff != "" {
		t.Error(diff)
	}
}

func TestSessionsBelongToTheirOwner(t *testing.T) {
	h := newHouse(t)
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	answer := `{"jsonrpc":"2.0","id":"srv-1","result":{}}`
	in := func(id string, more ...string) []string { return append([]string{"mcp-session-id", id}, more...) }
	alice := func() []string { return in("s1", "txn-token", h.root()) }
	bob := func() []string {
		return in("s1", "txn-token", h.root(func(c *delegation.Claims) { c.Subject = "bob" }))
	}

	steps := []struct {
		name string
		req  func() *authz.Request
		want denial.Reason // empty: allowed
	}{
		{"an answer in a session nobody owns", func() *authz.Request { return post("crm", planner, answer, alice()...) }, denial.SessionUnknown},
		{"an answer in no session", func() *authz.Request { return post("crm", planner, answer) }, denial.SessionUnknown},
		{"an answer in a batch", func() *authz.Request { return post("ledger", planner, "["+answer+"]", alice()...) }, denial.SessionUnknown},
		{"alice uses it first", func() *authz.Request { return post("crm", planner, list, alice()...) }, ""},
		{"and again", func() *authz.Request { return post("crm", planner, list, alice()...) }, ""},
		{"her answer", func() *authz.Request { return post("crm", planner, answer, alice()...) }, ""},
		{"another workload", func() *authz.Request { return post("crm", intern, list, in("s1")...) }, denial.SessionForeign},
		{"another user of the same workload", func() *authz.Request { return post("crm", planner, list, bob()...) }, denial.SessionForeign},
		{"another's answer", func() *authz.Request { return post("crm", intern, answer, in("s1")...) }, denial.SessionForeign},
		{"another's stream", func() *authz.Request { return bare("GET", intern, in("s1")...) }, denial.SessionForeign},
		{"another ends it", func() *authz.Request { return bare("DELETE", intern, in("s1")...) }, denial.SessionForeign},
		{"the same id on another server is another session", func() *authz.Request { return post("ledger", intern, list, in("s1")...) }, ""},
		{"her stream", func() *authz.Request { return bare("GET", planner, alice()...) }, ""},
		{"she ends it", func() *authz.Request { return bare("DELETE", planner, alice()...) }, ""},
		{"she ends it again", func() *authz.Request { return bare("DELETE", planner, alice()...) }, ""},
		{"her answer comes too late", func() *authz.Request { return post("crm", planner, answer, alice()...) }, denial.SessionUnknown},
	}
	for _, s := range steps {
		if d := h.decide(s.req()); d.Reason != s.want || d.Allowed != (s.want == "") {
			t.Errorf("%s: allowed %t, reason %q, want %q (%s)", s.name, d.Allowed, d.Reason, s.want, d.Record.Detail)
		}
	}
}

func TestARefusedRequestClaimsNoSession(t *testing.T) {
	h := newHouse(t)
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	h.policy.authorize = func(q authz.Query) authz.Verdict { return authz.Verdict{Allowed: q.Peer.ID.String() == planner} }
	if d := h.decide(post("crm", intern, list, "mcp-session-id", "s1")); d.Reason != denial.PolicyNoPermit {
		t.Fatalf("got %+v", d.Record)
	}
	if d := h.decide(post("crm", planner, list, "mcp-session-id", "s1")); !d.Allowed {
		t.Errorf("the session went to somebody who was refused: %+v", d.Record)
	}
}

func TestPolicySeesTheCall(t *testing.T) {
	h := newHouse(t)
	req := post("crm", planner, refund, "txn-token", h.root())
	req.Host, req.Path = "crm.acme.example", "/mcp"
	h.decide(req)
	q := h.policy.asked[0]
	if q.Peer.ID.String() != planner || q.Server != "crm" || q.Target != (mcp.Target{Kind: mcp.TargetTool, Name: "refund_case"}) ||
		q.Delegation.Subject != "alice" || q.HTTP.Host != "crm.acme.example" || q.HTTP.Path != "/mcp" || !q.Now.Equal(noon) {
		t.Errorf("asked %+v", q)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := authz.New(authz.Config{}); err == nil || !strings.Contains(err.Error(), "is not set") {
		t.Errorf("got %v", err)
	}
}
