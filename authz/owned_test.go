package authz_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/session"
)

func task(method, id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"taskId":%q,"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, method, id)
}

func modern(method, id string) []string {
	return []string{"mcp-protocol-version", "2026-07-28", "mcp-method", method, "mcp-name", id}
}

func TestTasksBelongToTheirOwner(t *testing.T) {
	h := newHouse(t)
	alice := h.root()
	bob := h.root(func(c *delegation.Claims) { c.Subject = "bob" })
	for _, s := range []struct {
		name, method, id, by, token string
		want                        denial.Reason
	}{
		{"alice asks for it first", "tasks/get", "t-1", planner, alice, ""},
		{"another user of the same workload", "tasks/get", "t-1", planner, bob, denial.TaskForeign},
		{"another workload cancels it", "tasks/cancel", "t-1", intern, "", denial.TaskForeign},
		{"another workload answers what it asks", "tasks/update", "t-1", intern, "", denial.TaskForeign},
		{"in another case", "tasks/get", "T-1", intern, "", denial.TaskForeign},
		{"a task of one's own", "tasks/get", "t-2", intern, "", ""},
		{"alice cancels it", "tasks/cancel", "t-1", planner, alice, ""},
		{"and it stays hers", "tasks/get", "t-1", planner, bob, denial.TaskForeign},
		{"an id that is none", "tasks/get", "t 1", planner, alice, denial.ParamsInvalid},
	} {
		headers := modern(s.method, s.id)
		if s.token != "" {
			headers = append(headers, "txn-token", s.token)
		}
		d := h.decide(post("crm", s.by, task(s.method, s.id), headers...))
		if d.Reason != s.want || d.Allowed != (s.want == "") {
			t.Errorf("%s: allowed %t, reason %q, want %q (%s)", s.name, d.Allowed, d.Reason, s.want, d.Record.Detail)
		}
	}
	if d := h.decide(post("crm", intern, `{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"t-1"}}`,
		"mcp-protocol-version", "2025-11-25")); d.Reason != denial.TaskForeign {
		t.Errorf("in an older protocol version: %q", d.Reason)
	}
}

func withBasket(arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_entry","arguments":%s}}`, arguments)
}

func TestHandlesBelongToTheirOwner(t *testing.T) {
	h := newHouse(t, func(h *house) {
		h.servers[1].Handles = map[string]string{"read_entry": "basket", "post_refund": "basket_id"}
	})
	for _, s := range []struct {
		name, body, by string
		want           denial.Reason
	}{
		{"the planner begins", withBasket(`{"basket":"c-1"}`), planner, ""},
		{"and goes on", withBasket(`{"basket":"c-1","more":1}`), planner, ""},
		{"another workload", withBasket(`{"basket":"c-1"}`), intern, denial.HandleForeign},
		{"by another tool, which calls it something else",
			strings.ReplaceAll(withBasket(`{"basket_id":"c-1"}`), "read_entry", "post_refund"), intern, denial.HandleForeign},
		{"by the tool in another case", strings.ReplaceAll(withBasket(`{"basket":"c-1"}`), "read_entry", "READ_entry"), intern, denial.HandleForeign},
		{"in another case", withBasket(`{"basket":"C-1"}`), intern, denial.HandleForeign},
		{"under a name in another case", withBasket(`{"Basket":"c-1"}`), intern, denial.JSONCaseVariant},
		{"under a name that folds to it", withBasket(`{"ba` + "\u017f" + `ket":"c-1"}`), intern, denial.JSONCaseVariant},
		{"with a blank around it", withBasket(`{"basket":" c-1"}`), intern, denial.ParamsInvalid},
		{"as a list", withBasket(`{"basket":["c-1"]}`), intern, denial.ParamsInvalid},
		{"as an object", withBasket(`{"basket":{"id":"c-1"}}`), intern, denial.ParamsInvalid},
		{"as a fraction", withBasket(`{"basket":17.0}`), intern, denial.ParamsInvalid},
		{"empty", withBasket(`{"basket":""}`), intern, denial.ParamsInvalid},
		{"huge", withBasket(`{"basket":"` + strings.Repeat("c", 1<<16) + `"}`), intern, denial.ParamsInvalid},
		{"none", withBasket(`{}`), intern, ""},
		{"null", withBasket(`{"basket":null}`), intern, ""},
		{"a number", withBasket(`{"basket":17}`), planner, ""},
		{"the number as text", withBasket(`{"basket":"17"}`), intern, denial.HandleForeign},
		{"a tool without a handle", strings.ReplaceAll(withBasket(`{"basket":"c-1"}`), "read_entry", "balance"), intern, ""},
		{"two in a batch, one of them foreign", "[" + withBasket(`{"basket":"c-2"}`) + "," +
			strings.Replace(withBasket(`{"basket":"c-1"}`), `"id":7`, `"id":8`, 1) + "]", intern, denial.HandleForeign},
		{"the own ones, one of them twice", "[" + withBasket(`{"basket":"c-2"}`) + "," +
			strings.Replace(withBasket(`{"basket":"c-2"}`), `"id":7`, `"id":8`, 1) + "]", planner, ""},
	} {
		d := h.decide(post("ledger", s.by, s.body))
		if d.Reason != s.want || d.Allowed != (s.want == "") {
			t.Errorf("%s: allowed %t, reason %q, want %q (%s)", s.name, d.Allowed, d.Reason, s.want, d.Record.Detail)
		}
	}
}

// The first request of a session has none yet; one that it names all the same is not claimed by it.
func TestInitializeClaimsNoSession(t *testing.T) {
	h := newHouse(t)
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`
	if d := h.decide(post("crm", intern, initialize, "mcp-session-id", "s1")); !d.Allowed {
		t.Fatalf("refused: %+v", d.Record)
	}
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	if d := h.decide(post("crm", planner, list, "mcp-session-id", "s1")); !d.Allowed {
		t.Errorf("the session went to somebody who was not in it: %+v", d.Record)
	}
	if d := h.decide(post("crm", intern, initialize, "mcp-session-id", "s1")); d.Reason != denial.SessionForeign {
		t.Errorf("initialize in a session of somebody else: %q", d.Reason)
	}
}

// sessions cannot be asked, or from the n-th question on.
type sessions struct {
	authz.Sessions
	after int
}

func (s *sessions) fail() error {
	if s.after--; s.after < 0 {
		return denial.New(denial.SessionUnavailable, "unreachable")
	}
	return nil
}

func (s *sessions) Check(ctx context.Context, n session.Name, o session.Owner, now time.Time) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Sessions.Check(ctx, n, o, now)
}

func (s *sessions) Claim(ctx context.Context, n session.Name, o session.Owner, now time.Time) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Sessions.Claim(ctx, n, o, now)
}

func (s *sessions) End(ctx context.Context, n session.Name, o session.Owner, now time.Time) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Sessions.End(ctx, n, o, now)
}

func TestWithoutTheStoreOfOwnersNothingPasses(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for name, req := range map[string]*authz.Request{
		"request": post("crm", planner, list, "mcp-session-id", "s1"),
		"end":     bare("DELETE", planner, "mcp-session-id", "s1"),
		"stream":  bare("GET", planner, "mcp-session-id", "s1"),
		"task":    post("crm", planner, task("tasks/get", "t-1"), modern("tasks/get", "t-1")...),
	} {
		for after := range 2 {
			h := newHouse(t, func(h *house) { h.sessions = &sessions{session.NewTable(session.Config{}), after} })
			if d := h.decide(req); d.Allowed || d.Reason != denial.SessionUnavailable {
				t.Errorf("%s, after %d questions: %+v", name, after, d.Record)
			}
		}
	}
}
