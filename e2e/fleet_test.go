package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// attempts are enough for Envoy, which takes turns, to ask every replica.
const attempts = 10

// fleet is two replicas that share a Redis.
func fleet(t *testing.T) (*stage.Stage, *redistest.Server) {
	t.Helper()
	redis := redistest.Start(t)
	return raise(t, stage.Options{Replicas: 2, Redis: redis.URL()}), redis
}

func restartAll(t *testing.T, st *stage.Stage) {
	t.Helper()
	for i := range st.Countersign {
		if err := st.Restart(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
}

// inSession is a list request in a session of an older protocol version.
func inSession(client *http.Client, st *stage.Stage, id, token string) rawCall {
	body := `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`
	return rawCall{client: client, url: st.URLs["crm"], body: strings.NewReader(body), length: int64(len(body)), header: http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2025-11-25"}, "Mcp-Session-Id": {id}, "Txn-Token": {token},
	}}
}

// A session that one replica saw first is foreign on all, also after they forgot everything they had in memory.
func TestAFleetKnowsWhoseSessionItIs(t *testing.T) {
	st, redis := fleet(t)
	reached := watch(t, st, "crm")
	s := openSession(t, st, wire.Command{URL: st.URLs["crm"], Token: grant(t, st), Version: "2025-11-25"})
	if reply := s.call("", "read_case", map[string]any{"case_id": "4711"}); reply.Error != "" {
		t.Fatal(reply.Error)
	}
	var id string
	for _, r := range reached() {
		if values := http.Header(r.Header)["Mcp-Session-Id"]; len(values) == 1 {
			id = values[0]
		}
	}
	if id == "" {
		t.Fatal("no session id reached the server")
	}
	foreign, err := st.Issuer.Grant(stage.Grant{User: "alice", Agent: "intern", Task: "case-4711", Scope: []string{"mcp:crm:*"}})
	if err != nil {
		t.Fatal(err)
	}
	intern := client(t, st, "intern", "2")
	refused := func(when string, want int) {
		t.Helper()
		reached := watch(t, st, "crm")
		for i := range attempts {
			for _, guess := range []string{id, strings.ToLower(id), strings.ToUpper(id)} {
				if got := inSession(intern, st, guess, foreign).must(t); got.status != want {
					t.Fatalf("%s, attempt %d: got %d %s, want %d", when, i, got.status, got.body, want)
				}
			}
		}
		if arrived := reached(); len(arrived) != 0 {
			t.Errorf("%s: reached the server: %v", when, arrived)
		}
	}
	refused("at first", http.StatusNotFound)
	restartAll(t, st)
	refused("after a restart of the replicas", http.StatusNotFound)
	if reply := s.call("", "read_case", map[string]any{"case_id": "4711"}); reply.Error != "" {
		t.Errorf("the owner's session ended: %s", reply.Error)
	}
	redis.Kill()
	refused("without the store", http.StatusServiceUnavailable)
	redis.Run()
	refused("when the store is back", http.StatusNotFound)
	if reply := s.call("", "read_case", map[string]any{"case_id": "4711"}); reply.Error != "" {
		t.Errorf("the owner's session ended: %s", reply.Error)
	}
	s.close()
}

// A call that was let through by one replica is a replay on all, also after they forgot everything they had in memory.
func TestAFleetRefusesReplays(t *testing.T) {
	st, redis := fleet(t)
	planner, token := client(t, st, "planner", "2"), grant(t, st)
	body := toolCall("refund_case", map[string]any{"case_id": "4711", "max_amount": 120})
	refund := func(token string) answer {
		t.Helper()
		return rawCall{
			client: planner, url: st.URLs["crm"], header: callHeader("refund_case", token), body: bytes.NewReader(body), length: int64(len(body)),
		}.must(t)
	}
	if got := refund(token); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	reached := watch(t, st, "crm")
	replayed := func(when string) {
		t.Helper()
		for i := range attempts {
			if got := refund(token); got.status != http.StatusOK || got.reason() != "replayed" {
				t.Fatalf("%s, attempt %d: got %d %s", when, i, got.status, got.body)
			}
		}
	}
	replayed("at first")
	restartAll(t, st)
	replayed("after a restart of the replicas")
	redis.Kill()
	if got := refund(grant(t, st)); got.status != http.StatusServiceUnavailable {
		t.Errorf("without the store: got %d %s", got.status, got.body)
	}
	redis.Run()
	replayed("when the store is back")
	redis.Empty()
	if got := refund(token); got.reason() != "replay_uncertain" {
		t.Errorf("when the store is empty: got %d %s", got.status, got.body)
	}
	if arrived := reached(); len(arrived) != 0 {
		t.Errorf("reached the server: %v", arrived)
	}
}

// Without a store, whoever restarts a replica gains nothing by it either.
func TestARestartForgetsNoUse(t *testing.T) {
	st := raise(t, stage.Options{})
	planner, token := client(t, st, "planner", "2"), grant(t, st)
	body := toolCall("refund_case", map[string]any{"case_id": "4711", "max_amount": 120})
	for _, want := range []string{"", "replayed", "replay_uncertain"} {
		if want == "replay_uncertain" {
			restartAll(t, st)
		}
		got := rawCall{
			client: planner, url: st.URLs["crm"], header: callHeader("refund_case", token), body: bytes.NewReader(body), length: int64(len(body)),
		}.must(t)
		if got.reason() != want || got.succeeded() != (want == "") {
			t.Errorf("got %d %s, want %q", got.status, got.body, want)
		}
	}
}
