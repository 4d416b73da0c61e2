package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// agentSession is an SDK client with an open session.
type agentSession struct {
	t     *testing.T
	ctx   context.Context
	agent *stage.Agent
	id    int
}

// openSession opens one as the planner.
func openSession(t *testing.T, st *stage.Stage, open wire.Command) agentSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	agent, err := st.Agent(ctx, "planner")
	if err != nil {
		t.Fatal(err)
	}
	s := agentSession{t: t, ctx: ctx, agent: agent}
	open.Op = wire.Open
	reply := s.do(open)
	if reply.Error != "" {
		t.Fatalf("opening a session: %s", reply.Error)
	}
	s.id = reply.Session
	return s
}

func (s agentSession) do(c wire.Command) wire.Reply {
	s.t.Helper()
	c.Session = s.id
	reply, err := s.agent.Do(s.ctx, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply
}

func (s agentSession) call(token, tool string, arguments any) wire.Reply {
	s.t.Helper()
	raw, err := json.Marshal(arguments)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(wire.Command{Op: wire.Call, Token: token, Tool: tool, Arguments: raw})
}

func (s agentSession) close() {
	s.t.Helper()
	if reply := s.do(wire.Command{Op: wire.Close}); reply.Error != "" {
		s.t.Errorf("closing the session: %s", reply.Error)
	}
}

// However denials are worded, a client that gets one goes on in the same session.
func TestDenialsKeepSessionsAlive(t *testing.T) {
	for _, style := range []string{"rpc-error", "tool-error", "hide", "http"} {
		t.Run(style, func(t *testing.T) {
			st := raise(t, stage.Options{Denials: style})
			for _, version := range versions {
				t.Run(version, func(t *testing.T) { denyAndGoOn(t, st, version) })
			}
		})
	}
}

func denyAndGoOn(t *testing.T, st *stage.Stage, version string) {
	good := grant(t, st)
	narrow, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:crm:read_case"},
	})
	if err != nil {
		t.Fatal(err)
	}
	over := time.Now().Add(-time.Minute)
	expired, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:crm:*"},
		Issued: over.Add(-time.Minute), Expires: over,
	})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "intern", Task: "case-4711", Scope: []string{"mcp:crm:*"},
	})
	if err != nil {
		t.Fatal(err)
	}

	s := openSession(t, st, wire.Command{URL: st.URLs["crm"], Token: good, Version: version})
	alive := func(after string) {
		t.Helper()
		reply := s.call(good, "read_case", map[string]any{"case_id": "4711"})
		if reply.Error != "" || reply.ToolError || !strings.Contains(reply.Text, "4711") {
			t.Fatalf("after %s: %+v", after, reply)
		}
	}
	alive("opening")
	for _, c := range []struct {
		name, token, tool string
		arguments         map[string]any
	}{
		{"a policy denial", good, "refund_case", map[string]any{"case_id": "4711", "max_amount": 900}},
		{"a missing scope", narrow, "delete_case", map[string]any{"case_id": "4711"}},
		{"an expired token", expired, "read_case", map[string]any{"case_id": "4711"}},
		{"a token of somebody else", foreign, "read_case", map[string]any{"case_id": "4711"}},
	} {
		reached := watch(t, st, "crm")
		reply := s.call(c.token, c.tool, c.arguments)
		if reply.Error == "" && !reply.ToolError {
			t.Errorf("%s: %+v, want it refused", c.name, reply)
		}
		for _, r := range reached() {
			if strings.Contains(r.Body, c.tool) {
				t.Errorf("%s: reached the server: %s", c.name, r.Body)
			}
		}
		alive(c.name)
	}
	reply := s.do(wire.Command{Op: wire.List, Token: good})
	if want := []string{"attach_note", "delete_case", "export_cases", "read_case", "refund_case", "settle_case"}; !slices.Equal(reply.Tools, want) {
		t.Errorf("tools: %q %s, want %q", reply.Tools, reply.Error, want)
	}
	s.close()
}

// A session of a protocol version that has them is its owner's alone.
func TestForeignSession(t *testing.T) {
	st := raise(t, stage.Options{})
	reached := watch(t, st, "crm")
	s := openSession(t, st, wire.Command{URL: st.URLs["crm"], Token: grant(t, st), Version: "2025-11-25"})
	if reply := s.call("", "read_case", map[string]any{"case_id": "4711"}); reply.Error != "" {
		t.Fatal(reply.Error)
	}
	var id string
	for _, r := range reached() {
		for name, values := range r.Header {
			if strings.EqualFold(name, "Mcp-Session-Id") {
				id = values[0]
			}
		}
	}
	if id == "" {
		t.Fatal("no session id reached the server")
	}
	token, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "intern", Task: "case-4711", Scope: []string{"mcp:crm:*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			reached := watch(t, st, "crm")
			call := rawCall{
				client: client(t, st, "intern", "2"), url: st.URLs["crm"], method: method,
				header: http.Header{
					"Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"},
					"Mcp-Session-Id": {id}, "Txn-Token": {token},
				},
			}
			if method == http.MethodPost {
				body := `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`
				call.body, call.length = strings.NewReader(body), int64(len(body))
				call.header.Set("Content-Type", "application/json")
			}
			if got := call.must(t); got.status != http.StatusNotFound {
				t.Errorf("got %d %s, want 404", got.status, got.body)
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
	if reply := s.call("", "read_case", map[string]any{"case_id": "4711"}); reply.Error != "" {
		t.Errorf("the owner's session ended: %s", reply.Error)
	}
	s.close()
}

// What a tool says while it works arrives in order and before its result, and so do large arguments.
func TestStreamsAndLargeCalls(t *testing.T) {
	for _, upstream := range []struct {
		name    string
		options stage.Options
	}{{"plain upstream", stage.Options{}}, {"TLS upstream", stage.Options{UpstreamTLS: true}}} {
		t.Run(upstream.name, func(t *testing.T) {
			st := raise(t, upstream.options)
			overEachHTTP(t, func(t *testing.T, http string) {
				for _, version := range versions {
					t.Run(version, func(t *testing.T) { streamAndNote(t, st, http, version) })
				}
			})
		})
	}
}

func streamAndNote(t *testing.T, st *stage.Stage, http, version string) {
	s := openSession(t, st, wire.Command{URL: st.URLs["crm"], Token: grant(t, st), Version: version, HTTP: http})
	const count = 100
	reply := s.do(wire.Command{
		Op: wire.Call, Tool: "export_cases", Arguments: json.RawMessage(`{"count":100}`), Notifications: count,
	})
	if reply.Error != "" || reply.Text != "100 cases" {
		t.Fatalf("export_cases: %+v", reply)
	}
	if len(reply.Progress) != count || reply.Progress[0] != "case 1" || reply.Progress[count-1] != "case 100" {
		t.Errorf("got %d notifications: %q", len(reply.Progress), reply.Progress)
	}
	note := strings.Repeat("0123456789abcdef", 1_000_000/16)
	reply = s.call("", "attach_note", map[string]any{"case_id": "4711", "text": note})
	if reply.Error != "" || !strings.Contains(reply.Text, "note of 1000000 bytes") {
		t.Errorf("attach_note: %+v", reply)
	}
	s.close()
}
