package authz_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// next is a policy that is tried out.
type next struct{ *policy }

func (n next) Snapshot() (authz.Policy, bool) { return n, !n.missing }
func (next) Revision() string                 { return "rev-2" }

// trying has other policies tried out at crm and ledger.
func trying(n *policy) func(*house) {
	return func(h *house) { h.shadows = map[string]authz.Policies{"crm": next{n}, "ledger": next{n}} }
}

func permit(ids ...string) authz.Verdict { return authz.Verdict{Allowed: true, PolicyIDs: ids} }

func TestWhatOtherPoliciesWouldSay(t *testing.T) {
	yes, no := true, false
	passing := delegation.Scope{"mcp:ledger:read_entry"}
	forbid := authz.Verdict{Forbidden: true, PolicyIDs: []string{"limit"}}
	for _, tt := range []struct {
		name       string
		live, next policy
		want       audit.Shadow
	}{
		{"both permit", policy{verdict: permit("old")}, policy{verdict: permit("new")},
			audit.Shadow{Live: "allow", Decision: "allow", PolicyIDs: []string{"new"}}},
		{"they are stricter", policy{verdict: permit("old")}, policy{verdict: forbid},
			audit.Shadow{Live: "allow", Decision: "deny", Reason: "policy_forbidden", PolicyIDs: []string{"limit"}}},
		{"they are laxer", policy{}, policy{verdict: permit("new")},
			audit.Shadow{Live: "deny", Decision: "allow", PolicyIDs: []string{"new"}}},
		{"neither permits", policy{verdict: forbid}, policy{},
			audit.Shadow{Live: "deny", Decision: "deny", Reason: "policy_no_permit"}},
		{"one of them cannot be evaluated", policy{verdict: permit("old")},
			policy{verdict: authz.Verdict{Allowed: true, PolicyIDs: []string{"new"}, Errors: []string{"broken"}}},
			audit.Shadow{Live: "allow", Decision: "deny", Reason: "policy_error", PolicyIDs: []string{"new"}, PolicyErrors: []string{"broken"}}},
		{"a live one cannot be evaluated", policy{verdict: authz.Verdict{Errors: []string{"broken"}}}, policy{verdict: permit("new")},
			audit.Shadow{Live: "deny", Decision: "allow", PolicyIDs: []string{"new"}}},
		{"they let less be passed on", policy{verdict: permit(), delegable: passing}, policy{verdict: permit()},
			audit.Shadow{Live: "allow", Decision: "allow", Scope: []string{}}},
		{"they let more be passed on", policy{verdict: permit()}, policy{verdict: permit(), delegable: passing},
			audit.Shadow{Live: "allow", Decision: "allow", Scope: passing}},
		{"both let the same be passed on", policy{verdict: permit(), delegable: passing}, policy{verdict: permit(), delegable: passing},
			audit.Shadow{Live: "allow", Decision: "allow"}},
		{"they cannot tell what may be passed on", policy{verdict: permit()}, policy{verdict: permit(), err: errors.New("broken")},
			audit.Shadow{Live: "allow", Decision: "deny", Reason: "policy_error"}},
		{"the live ones cannot tell that", policy{verdict: permit(), err: errors.New("broken")}, policy{verdict: permit(), delegable: passing},
			audit.Shadow{Live: "deny", Decision: "allow"}},
		{"they want single use", policy{verdict: permit()}, policy{verdict: authz.Verdict{Allowed: true, SingleUse: true}},
			audit.Shadow{Live: "allow", Decision: "allow", SingleUse: &yes}},
		{"they drop single use", policy{verdict: authz.Verdict{Allowed: true, SingleUse: true}}, policy{verdict: permit()},
			audit.Shadow{Live: "allow", Decision: "allow", SingleUse: &no}},
		{"none was ever loaded", policy{verdict: permit()}, policy{missing: true},
			audit.Shadow{Live: "allow", Decision: "deny", Reason: "policy_unavailable"}},
		{"they panic", policy{verdict: permit()}, policy{authorize: func(authz.Query) authz.Verdict { panic("ouch") }},
			audit.Shadow{Live: "allow", Decision: "deny", Reason: "panic"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live, tried := tt.live, tt.next
			inHouse := func(h *house) { h.policy = &live }
			h := newHouse(t, inHouse, trying(&tried))
			token := h.root()
			d := h.decide(post("crm", planner, refund, "txn-token", token))
			got := *d.Record.Shadow
			if (got.Reason != "") != (got.Detail != "") {
				t.Errorf("reason %q, detail %q", got.Reason, got.Detail)
			}
			if tt.want.Reason != "policy_unavailable" {
				tt.want.Revision = "rev-2"
			}
			got.Detail = ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			// The same house without them: nothing else is different.
			alone := live
			alone.asked = nil
			h = newHouse(t, func(other *house) { other.policy, other.rootKey, other.keys = &alone, h.rootKey, h.keys })
			want := h.decide(post("crm", planner, refund, "txn-token", token))
			if !slices.EqualFunc(alone.asked, live.asked, func(x, y authz.Query) bool { return x.Target == y.Target }) {
				t.Errorf("the live policies were asked %d questions instead of %d", len(live.asked), len(alone.asked))
			}
			d.Record.Shadow = nil
			for _, each := range []*authz.Decision{&d, &want} {
				each.ID, each.Token, each.Call, each.Server = "", fmt.Sprint(each.Token != ""), nil, nil
				each.Record.DecisionID, each.Record.TokenJTI = "", ""
			}
			if diff := cmp.Diff(want, d); diff != "" {
				t.Errorf("the answer is another one (-alone +beside):\n%s", diff)
			}
		})
	}
}

// Other policies are asked what the live ones are, and only what gets as far as that.
func TestOtherPoliciesAreAskedTheSame(t *testing.T) {
	batch := "[" + refund + "," + strings.Replace(refund, `"id":7`, `"id":8`, 1) + "]"
	for _, tt := range []struct {
		name string
		req  func(*house) *authz.Request
		want int // questions
	}{
		{"a call", func(h *house) *authz.Request { return post("crm", planner, refund, "txn-token", h.root()) }, 1},
		{"a batch", func(*house) *authz.Request { return post("ledger", planner, batch) }, 2},
		{"no peer", func(*house) *authz.Request { return post("crm", "", refund) }, 0},
		{"not JSON", func(*house) *authz.Request { return post("crm", planner, "not json") }, 0},
		{"somebody else's token", func(h *house) *authz.Request { return post("crm", intern, refund, "txn-token", h.root()) }, 0},
		{"a tool outside the scope", func(h *house) *authz.Request {
			return post("crm", planner, strings.ReplaceAll(refund, "refund_case", "delete_case"), "txn-token", h.root())
		}, 0},
		{"a server without any", func(*house) *authz.Request { return post("sidecar", planner, refund) }, 0},
		{"no server", func(*house) *authz.Request { return post("hr", planner, refund) }, 0},
	} {
		for _, mode := range []func(*house){func(*house) {}, tryOut} {
			tried := &policy{verdict: permit()}
			h := newHouse(t, trying(tried), mode)
			d := h.decide(tt.req(h))
			if len(tried.asked) != tt.want || (d.Record.Shadow != nil) != (tt.want > 0) {
				t.Errorf("%s: %d questions, want %d; record %+v", tt.name, len(tried.asked), tt.want, d.Record)
			}
			for i, q := range tried.asked {
				if live := h.policy.asked[i]; q.Call != live.Call || q.Target != live.Target || q.Delegation != live.Delegation ||
					q.HTTP != live.HTTP || q.RootIssuer != live.RootIssuer || !q.Now.Equal(live.Now) || q.Peer.ID != live.Peer.ID {
					t.Errorf("%s: question %d is %+v, the live policies were asked %+v", tt.name, i, q, live)
				}
			}
		}
	}
	// Refused half-way by the live ones, a batch is still asked about in full.
	tried := &policy{verdict: permit()}
	h := newHouse(t, trying(tried), func(h *house) { h.policy.verdict = authz.Verdict{} })
	if d := h.decide(post("ledger", planner, batch)); len(h.policy.asked) != 1 || len(tried.asked) != 2 || d.Allowed {
		t.Errorf("%d and %d questions", len(h.policy.asked), len(tried.asked))
	}
}

// A reason is the one that the caller would get.
func TestOtherPoliciesAskForALoginToo(t *testing.T) {
	tried := &policy{}
	h := newHouse(t, takesAccessTokens(), trying(tried))
	d := h.decide(post("crm", planner, refund))
	if s := d.Record.Shadow; !d.Allowed || s == nil || s.Reason != string(denial.CredentialMissing) {
		t.Errorf("allowed %t, %+v", d.Allowed, d.Record.Shadow)
	}
}

// Many slow questions must not keep the caller waiting.
func TestOtherPoliciesThatAreSlow(t *testing.T) {
	call := `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"read_entry"}}`
	var calls []string
	for i := range 10 {
		calls = append(calls, fmt.Sprintf(call, i))
	}
	batch := "[" + strings.Join(calls, ",") + "]"
	tried := &policy{}
	h := newHouse(t, trying(tried))
	tried.authorize = func(authz.Query) authz.Verdict { h.now = h.now.Add(15 * time.Millisecond); return permit() }
	d := h.decide(post("ledger", planner, batch))
	if !d.Allowed || len(tried.asked) != 2 || d.Record.Shadow.Reason != string(denial.Cancelled) {
		t.Errorf("allowed %t after %d questions, %+v", d.Allowed, len(tried.asked), d.Record.Shadow)
	}
	// What may be passed on is one more question.
	tried.asked = nil
	tried.authorize = func(authz.Query) authz.Verdict { h.now = h.now.Add(time.Second); return permit() }
	d = h.decide(post("ledger", planner, fmt.Sprintf(call, 1), "txn-token", h.root()))
	if !d.Allowed || d.Record.Shadow.Reason != string(denial.Cancelled) || d.Record.Shadow.Scope != nil {
		t.Errorf("allowed %t, %+v", d.Allowed, d.Record.Shadow)
	}
	// Nobody waits any more.
	tried.asked = nil
	ctx, cancel := context.WithCancel(t.Context())
	h.policy.authorize = func(authz.Query) authz.Verdict { cancel(); return permit() }
	d = h.authorizer.Decide(ctx, post("crm", planner, refund))
	if d.Reason != denial.Cancelled || len(tried.asked) != 0 || d.Record.Shadow.Reason != string(denial.Cancelled) {
		t.Errorf("%d questions, %+v", len(tried.asked), d.Record)
	}
}

// Both at once: the live policies would refuse, the next ones would not, and everything passes.
func TestOtherPoliciesAtAServerInShadowMode(t *testing.T) {
	h := newHouse(t, tryOut, trying(&policy{verdict: permit("new")}), func(h *house) { h.policy.verdict = authz.Verdict{} })
	d := h.decide(post("crm", planner, refund))
	mustPass(t, d, denial.PolicyNoPermit)
	if s := d.Record.Shadow; s == nil || s.Live != "deny" || s.Decision != "allow" {
		t.Errorf("got %+v", s)
	}
}
