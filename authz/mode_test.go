package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
)

// tryOut puts all servers into shadow mode.
func tryOut(h *house) {
	for i := range h.servers {
		h.servers[i].Mode = authz.Shadow
	}
}

// mustPass fails the test unless a decision lets through what a reason refuses, without anything for the backend.
func mustPass(t *testing.T, d authz.Decision, reason denial.Reason) {
	t.Helper()
	if !d.Allowed || d.Reason != "" || d.WouldDeny != reason || d.Token != "" || d.Plain != nil || !d.Expires.IsZero() {
		t.Errorf("allowed %t, refused for %q, would deny %q, token %q, want it let through in spite of %q (%s)",
			d.Allowed, d.Reason, d.WouldDeny, d.Token, reason, d.Record.Detail)
	}
	r := d.Record
	if r.Decision != "allow" || r.Mode != "shadow" || r.Reason != "" || r.WouldDeny != string(reason) || r.Detail == "" ||
		r.TokenJTI != "" || !r.Expires.IsZero() || r.DecisionID != d.ID || r.Server != d.Server.Name {
		t.Errorf("record: %+v", r)
	}
}

// Whatever is wrong with a request, it passes and leaves its reason behind. Without a server nothing passes.
func TestShadowModeRefusesNothing(t *testing.T) {
	for _, tt := range refusals(t) {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.enter(t, tryOut)
			req := tt.req(h)
			d := h.decide(req)
			if req.Server == "hr" {
				if d.Allowed || d.Reason != denial.ServerUnknown || d.Record.Mode != "" {
					t.Errorf("no server, and let through: %+v", d.Record)
				}
				return
			}
			mustPass(t, d, tt.want)
			if len(h.recorder.records) != 1 {
				t.Errorf("%d records, want 1", len(h.recorder.records))
			}
		})
	}
}

func TestWhatIsAllowedGetsItsTokenInShadowMode(t *testing.T) {
	h := newHouse(t, tryOut, legacy)
	d := h.decide(post("crm", planner, refund, "txn-token", h.root()))
	if !d.Allowed || d.WouldDeny != "" || d.Token == "" || d.Plain == nil {
		t.Fatalf("got %+v", d.Record)
	}
	if r := d.Record; r.Decision != "allow" || r.Mode != "shadow" || r.WouldDeny != "" || r.TokenJTI == "" {
		t.Errorf("record: %+v", r)
	}
}

// One server is tried out; the others are as strict as ever, also when it is not known yet who asks.
func TestShadowModeIsOfOneServer(t *testing.T) {
	h := newHouse(t, func(h *house) { h.servers[0].Mode = authz.Shadow })
	for name, by := range map[string]string{"no peer": "", "a peer": planner} {
		for _, server := range []string{"ledger", "hr", ""} {
			if d := h.decide(post(server, by, "not json")); d.Allowed || d.Reason == "" || d.WouldDeny != "" || d.Record.Mode != "" {
				t.Errorf("%s at %q: %+v", name, server, d.Record)
			}
		}
		if d := h.decide(post("crm", by, "not json")); !d.Allowed {
			t.Errorf("%s at crm: %+v", name, d.Record)
		}
	}
	// What refuses a caller without an identity elsewhere does not begin to tell which servers there are.
	if d := h.decide(post("ledger", "", refund)); d.Server != nil || d.Record.Server != "" {
		t.Errorf("the server is known: %+v", d.Record)
	}
}

// asker fails in one place, by a panic. An empty place does not fail.
type asker struct {
	*policy
	place string
}

func (a asker) at(place string) {
	if a.place == place {
		panic("in " + place)
	}
}

func (a asker) Snapshot() (authz.Policy, bool) { a.at("snapshot"); return a, true }
func (a asker) Revision() string               { a.at("revision"); return "rev-1" }
func (a asker) ParamHeaders(string) mcp.ParamHeaders {
	a.at("headers")
	return nil
}
func (a asker) Authorize(ctx context.Context, q authz.Query) authz.Verdict {
	a.at("policy")
	return a.policy.Authorize(ctx, q)
}
func (a asker) Verify(context.Context, string, peer.Peer, time.Time) (*delegation.Token, error) {
	a.at("tokens")
	return nil, errors.New("not asked")
}
func (a asker) Revoked(context.Context, revoke.Marks, time.Time) (revoke.Entry, bool, error) {
	a.at("revocations")
	return revoke.Entry{}, false, nil
}
func (a asker) Check(context.Context, session.Name, session.Owner, time.Time) error {
	a.at("sessions")
	return nil
}
func (a asker) Claim(context.Context, session.Name, session.Owner, time.Time) error {
	a.at("claims")
	return nil
}
func (a asker) End(context.Context, session.Name, session.Owner, time.Time) error { return nil }
func (a asker) Spend(context.Context, replay.Use, time.Time) error                { a.at("uses"); return nil }
func (a asker) Countersign(*delegation.Token, delegation.Hop) (string, delegation.Claims, error) {
	a.at("signer")
	return "signed", delegation.Claims{}, nil
}
func (a asker) Record(context.Context, audit.Record) error { a.at("recorder"); return nil }

// A bug of ours refuses, in whatever part it is, and does not where nothing is to be refused.
func TestAPanicAnywhere(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, place := range []string{
		"", "revocations", "snapshot", "revision", "headers", "tokens", "sessions", "policy", "claims", "signer", "recorder",
	} {
		for _, mode := range []authz.Mode{authz.Enforce, authz.Shadow} {
			h := newHouse(t, func(h *house) {
				for i := range h.servers {
					h.servers[i].Mode = mode
				}
			})
			broken := asker{h.policy, place}
			a := *h.authorizer
			a.Policies, a.Revocations, a.Sessions, a.Uses, a.Signer, a.Recorder = broken, broken, broken, broken, broken, broken
			headers := []string{"mcp-session-id", "s1"}
			if place == "tokens" {
				a.Tokens, headers = broken, []string{"txn-token", h.root()}
			}
			d := a.Decide(t.Context(), post("crm", planner, list, headers...))
			reason := denial.Panicked
			if place == "recorder" {
				reason = denial.AuditFailed
			}
			switch {
			case place == "":
				if !d.Allowed || d.Token == "" {
					t.Errorf("%s: nothing is broken, and yet %+v", mode, d.Record)
				}
			case mode == authz.Shadow:
				mustPass(t, d, reason)
			case d.Allowed || d.Token != "" || d.Reason != reason:
				t.Errorf("a panic in %s: allowed %t, reason %q", place, d.Allowed, d.Reason)
			}
		}
	}
}

// Who would have been refused has used nothing up and owns nothing, so that the first day without shadow mode finds
// nothing spoiled.
func TestShadowModeLeavesNothingBehind(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	once := func(h *house) { h.servers[0].SingleUse = map[string]bool{"refund_case": true} }

	t.Run("a use", func(t *testing.T) {
		h := newHouse(t, tryOut, once)
		root := h.root()
		ask := func(stream string) authz.Decision {
			return h.decide(streamed(post("crm", planner, refund, "txn-token", root), stream))
		}
		h.policy.verdict = authz.Verdict{}
		mustPass(t, ask("1"), denial.PolicyNoPermit)
		h.policy.verdict = authz.Verdict{Allowed: true}
		if d := ask("2"); d.WouldDeny != "" || d.Token == "" {
			t.Errorf("used up by what was not permitted: %+v", d.Record)
		}
		mustPass(t, ask("3"), denial.Replayed)
	})
	t.Run("a use, where signing fails", func(t *testing.T) {
		noted := &uses{}
		h := newHouse(t, tryOut, once, func(h *house) { h.uses, h.signer = noted, brokenSigner{} })
		mustPass(t, h.decide(post("crm", planner, refund, "txn-token", h.root())), denial.SigningFailed)
		if len(noted.spent) != 0 {
			t.Errorf("spent %+v", noted.spent)
		}
	})
	t.Run("a use, where the caller has gone", func(t *testing.T) {
		noted := &uses{}
		h := newHouse(t, tryOut, once, func(h *house) { h.uses = noted })
		ctx, cancel := context.WithCancel(t.Context())
		h.policy.authorize = func(authz.Query) authz.Verdict { cancel(); return authz.Verdict{Allowed: true} }
		mustPass(t, h.authorizer.Decide(ctx, post("crm", planner, refund, "txn-token", h.root())), denial.Cancelled)
		if len(noted.spent) != 0 {
			t.Errorf("spent %+v", noted.spent)
		}
	})
	t.Run("a session", func(t *testing.T) {
		h := newHouse(t, tryOut)
		h.policy.authorize = func(q authz.Query) authz.Verdict { return authz.Verdict{Allowed: q.Peer.ID.String() == planner} }
		mustPass(t, h.decide(post("crm", intern, list, "mcp-session-id", "s1")), denial.PolicyNoPermit)
		if d := h.decide(post("crm", planner, list, "mcp-session-id", "s1")); d.Token == "" {
			t.Errorf("claimed by who was not permitted: %+v", d.Record)
		}
		mustPass(t, h.decide(post("crm", intern, list, "mcp-session-id", "s1")), denial.SessionForeign)
		mustPass(t, h.decide(bare("DELETE", intern, "mcp-session-id", "s1")), denial.SessionForeign)
		if d := h.decide(post("crm", planner, list, "mcp-session-id", "s1")); d.Token == "" {
			t.Errorf("ended by somebody else: %+v", d.Record)
		}
	})
	t.Run("a session, by a replay", func(t *testing.T) {
		h := newHouse(t, tryOut, once)
		root := h.root()
		h.decide(streamed(post("crm", planner, refund, "txn-token", root), "1"))
		mustPass(t, h.decide(streamed(post("crm", planner, refund, "txn-token", root, "mcp-session-id", "s9"), "2")), denial.Replayed)
		if d := h.decide(post("crm", intern, list, "mcp-session-id", "s9")); d.Token == "" {
			t.Errorf("claimed by a replay: %+v", d.Record)
		}
	})
}

// Shadow mode says of every request exactly what the same server says without it, whatever came before.
func TestShadowModeTellsTheTruth(t *testing.T) {
	enforcing := newHouse(t)
	expired := enforcing.root(func(c *delegation.Claims) { c.Expiry = c.IssuedAt.Add(time.Second) })
	tokens := map[string]string{
		"none": "", "alice": enforcing.root(), "garbage": "e30.e30.e30", "expired": expired,
		"bob": enforcing.root(func(c *delegation.Claims) { c.Subject, c.ID = "bob", "root-2" }),
	}
	bodies := []string{
		refund, strings.ReplaceAll(refund, "refund_case", "delete_case"), strings.ReplaceAll(refund, "refund_case", "read_entry"),
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":"srv-1","result":{}}`, `{"a":1,"a":2}`, "",
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, "[" + refund + "]",
	}
	rapid.Check(t, func(rt *rapid.T) {
		strict := newHouse(t, func(h *house) { h.rootKey, h.keys = enforcing.rootKey, enforcing.keys })
		tried := newHouse(t, tryOut, func(h *house) { h.rootKey, h.keys = enforcing.rootKey, enforcing.keys })
		for _, h := range []*house{strict, tried} {
			h.authorizer.Tokens = enforcing.authorizer.Tokens
			h.now = noon.Add(2 * time.Second)
			h.policy.authorize = func(q authz.Query) authz.Verdict {
				return authz.Verdict{Allowed: q.Target.Name != "delete_case", Forbidden: q.Target.Name == "delete_case"}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "requests") {
			server := rapid.SampledFrom([]string{"crm", "ledger", "sidecar", "hr"}).Draw(rt, "server")
			by := rapid.SampledFrom([]string{planner, intern, "", "spiffe://evil.example/planner"}).Draw(rt, "peer")
			var headers []string
			if token := tokens[rapid.SampledFrom([]string{"none", "alice", "bob", "garbage", "expired"}).Draw(rt, "token")]; token != "" {
				headers = append(headers, "txn-token", token)
			}
			if session := rapid.SampledFrom([]string{"", "s1", "s2"}).Draw(rt, "session"); session != "" {
				headers = append(headers, "mcp-session-id", session)
			}
			req := post(server, by, rapid.SampledFrom(bodies).Draw(rt, "body"), headers...)
			if rapid.IntRange(0, 9).Draw(rt, "end") == 0 {
				req = bare("DELETE", by, headers...)
			}
			want, got := strict.decide(req), tried.decide(req)
			switch {
			case got.Server == nil:
				if got.Allowed || got.Reason != want.Reason {
					rt.Errorf("%q: %+v", server, got.Record)
				}
			case !got.Allowed || got.WouldDeny != want.Reason || (got.Token != "") != want.Allowed:
				rt.Errorf("would deny %q, token %t; without shadow mode it is allowed %t, reason %q",
					got.WouldDeny, got.Token != "", want.Allowed, want.Reason)
			case got.Record.Detail != want.Record.Detail:
				rt.Errorf("the details are %q and %q", got.Record.Detail, want.Record.Detail)
			}
		}
	})
}

func TestModeText(t *testing.T) {
	for mode, text := range map[authz.Mode]string{authz.Enforce: "enforce", authz.Shadow: "shadow"} {
		got, err := mode.MarshalText()
		if err != nil || string(got) != text || fmt.Sprint(mode) != text {
			t.Errorf("%d is written %s, %v", mode, got, err)
		}
		var read authz.Mode
		if err := read.UnmarshalText([]byte(text)); err != nil || read != mode {
			t.Errorf("%s is read %v, %v", text, read, err)
		}
	}
	var mode authz.Mode
	for _, text := range []string{"", "Shadow", "off", "shadow "} {
		if err := mode.UnmarshalText([]byte(text)); err == nil || mode != authz.Enforce {
			t.Errorf("%q is read as %v", text, mode)
		}
	}
	for _, undefined := range []authz.Mode{-1, 2} {
		if _, err := undefined.MarshalText(); err == nil || undefined.String() != fmt.Sprintf("Mode(%d)", int(undefined)) {
			t.Errorf("%d is written", undefined)
		}
		if _, err := authz.NewServers([]authz.Server{{Name: "crm", Mode: undefined}}); err == nil {
			t.Errorf("a server in %s", undefined)
		}
	}
}

// The first reason counts: that it could not be recorded as well is for the metrics.
func TestARefusalThatCannotBeRecordedKeepsItsReason(t *testing.T) {
	broken := func(h *house) {
		h.recorder.err, h.policy.verdict = errors.New("disk full"), authz.Verdict{}
	}
	if d := newHouse(t, broken).decide(post("crm", planner, refund)); d.Allowed || d.Reason != denial.PolicyNoPermit {
		t.Errorf("got %+v", d.Record)
	}
	mustPass(t, newHouse(t, broken, tryOut).decide(post("crm", planner, refund)), denial.PolicyNoPermit)
}
