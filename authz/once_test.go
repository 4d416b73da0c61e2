package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/replay"
)

// streamed is a request with a stream id of its own.
func streamed(req *authz.Request, id string) *authz.Request {
	req.ID = id
	return req
}

// Single use is asked for by configuration or by a permit; what follows is the same.
func TestADelegationIsUsedOnceForTheSameRequest(t *testing.T) {
	for name, change := range map[string]func(*house){
		"configuration": func(h *house) { h.servers[0].SingleUse = map[string]bool{"refund_case": true} },
		"a permit": func(h *house) {
			h.policy.verdict = authz.Verdict{Allowed: true, PolicyIDs: []string{"refunds"}, SingleUse: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, change)
			root := h.root()
			other := strings.Replace(refund, `"amount":120`, `"amount":121`, 1)
			for _, s := range []struct {
				name, body, token, stream string
				want                      denial.Reason
			}{
				{"the first time", refund, root, "1", ""},
				{"Envoy asks again about the same request", refund, root, "1", ""},
				{"the same request again", refund, root, "2", denial.Replayed},
				{"a request without an id", refund, root, "", denial.Replayed},
				{"another request", other, root, "3", ""},
				{"that one again", other, root, "4", denial.Replayed},
				{"a new delegation", refund, h.root(func(c *delegation.Claims) { c.ID = "root-2" }), "5", ""},
				{"the first one is still used up", refund, root, "6", denial.Replayed},
				{"another signature under the same delegation", refund, h.root(), "7", denial.Replayed},
				{"no delegation", refund, "", "8", denial.DelegationRequired},
			} {
				var headers []string
				if s.token != "" {
					headers = []string{"txn-token", s.token}
				}
				d := h.decide(streamed(post("crm", planner, s.body, headers...), s.stream))
				if d.Reason != s.want || d.Allowed != (s.want == "") || (d.Token != "") != d.Allowed {
					t.Errorf("%s: allowed %t, reason %q, want %q (%s)", s.name, d.Allowed, d.Reason, s.want, d.Record.Detail)
				}
			}
		})
	}
}

func TestSingleUseIsOnlyForWhatItWasAskedFor(t *testing.T) {
	h := newHouse(t, func(h *house) { h.servers[0].SingleUse = map[string]bool{"other": true} })
	root := h.root()
	for i := range 3 {
		if d := h.decide(streamed(post("crm", planner, refund, "txn-token", root), fmt.Sprint(i))); !d.Allowed {
			t.Fatalf("another tool: %+v", d.Record)
		}
	}
	h.policy.verdict.SingleUse = true
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for i := range 3 {
		if d := h.decide(streamed(post("crm", planner, list, "txn-token", root), fmt.Sprint(i))); !d.Allowed {
			t.Fatalf("no call of a tool: %+v", d.Record)
		}
	}
}

func TestSingleUseDoesNotMindTheCaseOfATool(t *testing.T) {
	h := newHouse(t, func(h *house) { h.servers[0].SingleUse = map[string]bool{"refund_case": true} })
	root := h.root(func(c *delegation.Claims) { c.Scope = delegation.Scope{"mcp:crm:*"} })
	body := strings.ReplaceAll(refund, "refund_case", "Refund_Case")
	h.decide(streamed(post("crm", planner, body, "txn-token", root), "1"))
	if d := h.decide(streamed(post("crm", planner, body, "txn-token", root), "2")); d.Reason != denial.Replayed {
		t.Errorf("got %q", d.Reason)
	}
}

// Whoever is refused for another reason has not used anything up, and a batch is one request.
func TestARefusedRequestUsesNothingUp(t *testing.T) {
	h := newHouse(t, func(h *house) { h.servers[1].SingleUse = map[string]bool{"post_refund": true} })
	root := h.root()
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_entry"}},` +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"post_refund"}}]`
	ask := func(stream string) authz.Decision {
		return h.decide(streamed(post("ledger", planner, batch, "txn-token", root), stream))
	}
	h.policy.verdict = authz.Verdict{}
	if d := ask("1"); d.Reason != denial.PolicyNoPermit {
		t.Fatalf("got %+v", d.Record)
	}
	h.policy.verdict = authz.Verdict{Allowed: true}
	if d := ask("2"); !d.Allowed {
		t.Fatalf("a refusal used it up: %+v", d.Record)
	}
	if d := ask("3"); d.Reason != denial.Replayed {
		t.Errorf("got %+v", d.Record)
	}
}

func TestABatchIsOnceIfAnyOfItIs(t *testing.T) {
	h := newHouse(t)
	h.policy.authorize = func(q authz.Query) authz.Verdict {
		return authz.Verdict{Allowed: true, SingleUse: q.Target.Name == "read_entry"}
	}
	root := h.root()
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_entry"}},` +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"post_refund"}}]`
	for stream, want := range []denial.Reason{"", denial.Replayed} {
		d := h.decide(streamed(post("ledger", planner, batch, "txn-token", root), fmt.Sprint(stream)))
		if d.Reason != want {
			t.Errorf("request %d: got %q, want %q", stream, d.Reason, want)
		}
	}
}

// uses notes what is spent, or fails.
type uses struct {
	spent []replay.Use
	err   error
}

func (u *uses) Spend(_ context.Context, use replay.Use, _ time.Time) error {
	u.spent = append(u.spent, use)
	return u.err
}

func TestWhatIsSpent(t *testing.T) {
	noted := &uses{}
	h := newHouse(t, func(h *house) { h.uses, h.servers[0].SingleUse = noted, map[string]bool{"refund_case": true} })
	d := h.decide(streamed(post("crm", planner, refund, "txn-token", h.root()), "stream-9"))
	want := replay.Use{
		Issuer: rootIssuer, ID: "root-1", RequestHash: hashOf(d.Call), RequestID: "stream-9", Peer: planner,
		IssuedAt: noon, Expiry: noon.Add(10 * time.Minute),
	}
	if len(noted.spent) != 1 || !noted.spent[0].IssuedAt.Equal(want.IssuedAt) || !noted.spent[0].Expiry.Equal(want.Expiry) {
		t.Fatalf("spent %+v, want %+v", noted.spent, want)
	}
	got := noted.spent[0]
	got.IssuedAt, got.Expiry = want.IssuedAt, want.Expiry
	if got != want {
		t.Errorf("spent %+v, want %+v", got, want)
	}
	noted.err = errors.New("unforeseen")
	if d := h.decide(post("crm", planner, refund, "txn-token", h.root())); d.Allowed || d.Reason != denial.Internal {
		t.Errorf("what nobody foresaw: %+v", d.Record)
	}
	noted.err = denial.New(denial.ReplayUnavailable, "unreachable")
	if d := h.decide(post("crm", planner, refund, "txn-token", h.root())); d.Allowed || d.Reason != denial.ReplayUnavailable {
		t.Errorf("unreachable: %+v", d.Record)
	}
}
