package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/e2e/stage"
)

// oncall is the workload that may revoke.
func oncall(t *testing.T, st *stage.Stage) stage.SVID {
	t.Helper()
	svid, err := st.CA.Issue("oncall")
	if err != nil {
		t.Fatal(err)
	}
	return svid
}

// revoker runs countersign revoke as a workload, at a replica.
func revoker(t *testing.T, st *stage.Stage, svid stage.SVID, replica int) func(args ...string) string {
	run := st.Revoker(svid, replica)
	return func(args ...string) string {
		t.Helper()
		out, err := run(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// becomes waits until a replica answers a check in a way.
func becomes(t *testing.T, st *stage.Stage, replica int, token, want string) {
	t.Helper()
	ask, q := asker(t, st, replica), question(token)
	last := ""
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if last = verdict(t.Context(), t, ask, q); last == want {
			return
		}
	}
	t.Fatalf("replica %d still says %s, want %s", replica, last, want)
}

func grantTask(t *testing.T, st *stage.Stage, task string) string {
	t.Helper()
	token, err := st.Issuer.Grant(stage.Grant{User: "alice", Agent: "planner", Task: task, Scope: []string{"mcp:crm:*", "mcp:ledger:*"}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// The whole story through Envoy: a task is taken back, on every replica and on every hop, and given back again.
func TestATaskIsTakenBack(t *testing.T) {
	st, _ := fleet(t)
	revoke := revoker(t, st, oncall(t, st), 0)
	planner := client(t, st, "planner", "2")
	ended, going := grantTask(t, st, "case-ended"), grantTask(t, st, "case-going")
	for _, token := range []string{ended, going} {
		if got := readCase(planner, st, token).must(t); !got.succeeded() {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	// What the crm got for its next hop is derived from it.
	arrived := watch(t, st, "crm")
	readCase(planner, st, ended).must(t)
	hop := http.Header(arrived()[0].Header).Get("Txn-Token")

	out := revoke("--task", "case-ended", "--reason", "customer withdrew consent", "--expires", "24h")
	if !strings.HasPrefix(out, "revoked task case-ended: customer withdrew consent; by spiffe://acme.example/oncall; until ") {
		t.Errorf("it printed %q", out)
	}
	for replica := range st.Countersign {
		becomes(t, st, replica, ended, "revoked")
		becomes(t, st, replica, going, "allowed")
	}
	reached := watch(t, st, "ledger")
	for range attempts {
		if got := readCase(planner, st, ended).must(t); got.status != http.StatusUnauthorized {
			t.Errorf("the root: got %d %s", got.status, got.body)
		}
		body := toolCall("read_entry", map[string]any{"entry_id": "1"})
		got := rawCall{
			client: client(t, st, "crm", "2"), url: st.URLs["ledger"], header: callHeader("read_entry", hop), body: bytes.NewReader(body), length: int64(len(body)),
		}.must(t)
		if got.status != http.StatusUnauthorized {
			t.Errorf("the next hop: got %d %s", got.status, got.body)
		}
	}
	if n := len(reached()); n != 0 {
		t.Errorf("%d calls reached the ledger", n)
	}

	var listed []struct{ ID, Kind, Value, By string }
	if err := json.Unmarshal([]byte(revoke("list", "--json")), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || listed[0].Kind != "task" || listed[0].By != stage.ID("oncall") {
		t.Fatalf("listed %+v", listed)
	}
	if out := revoker(t, st, oncall(t, st), 1)("list"); !strings.Contains(out, listed[0].ID) {
		t.Errorf("the other replica lists %q", out)
	}
	revoke("remove", "--", listed[0].ID)
	for replica := range st.Countersign {
		becomes(t, st, replica, ended, "allowed")
	}
}

// Everything that can be revoked, and that nobody gets to revoke whom the policies do not let.
func TestWhatCanBeRevoked(t *testing.T) {
	st, _ := fleet(t)
	revoke := revoker(t, st, oncall(t, st), 1)
	ids := func() []string {
		t.Helper()
		var listed []struct{ ID string }
		if err := json.Unmarshal([]byte(revoke("list", "--json")), &listed); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range listed {
			all = append(all, e.ID)
		}
		return all
	}
	token := grantTask(t, st, "case-4711")
	for _, args := range [][]string{
		{"--task", "case-4711"}, {"--sub", "alice"}, {"--actor", stage.ID("planner"), "--expires", "1h"},
		{"--before", "now", "--subject", "alice"}, {"--before", time.Now().Add(time.Hour).Format(time.RFC3339), "--issuer", "https://tts.acme.example"},
	} {
		if args[1] == "now" {
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // iat has whole seconds
		}
		revoke(args...)
		for replica := range st.Countersign {
			becomes(t, st, replica, token, "revoked")
		}
		for _, id := range ids() {
			revoke("remove", "--", id)
		}
		for replica := range st.Countersign {
			becomes(t, st, replica, token, "allowed")
		}
	}

	records := decided(t, st)
	for _, who := range []string{"planner", "crm", "gateway", "countersign"} {
		for _, args := range [][]string{{"--task", "case-4711"}, {"list"}, {"remove", "h0V9b3xG5m7yQm1n4c2dEA"}} {
			if out, err := st.Revoker(st.SVIDs[who], 0)(t.Context(), args...); err == nil || !strings.Contains(err.Error(), "policy_no_permit") {
				t.Errorf("%s may %s: %s %v", who, args[0], out, err)
			}
		}
	}
	revoke("--actor", stage.ID("oncall"), "--reason", "stolen laptop")
	if _, err := st.Revoker(oncall(t, st), 1)(t.Context(), "list"); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked workload goes on revoking: %v", err)
	}
	for _, r := range records() {
		if strings.HasPrefix(r.Method, "revocations/") && r.Peer != stage.ID("oncall") && r.Decision != "deny" {
			t.Errorf("record %+v", r)
		}
	}
	if !slices.ContainsFunc(records(), func(r stage.Record) bool {
		return r.Method == "revocations/add" && r.Decision == "allow" && r.Peer == stage.ID("oncall") && strings.Contains(r.Detail, "stolen laptop")
	}) {
		t.Error("no record of who revoked, and why")
	}
}

// The store is killed, the replicas are restarted, the store comes back empty, the network swallows everything: what is
// revoked stays so, and what nobody can know is refused.
func TestRevocationsOutliveOutages(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redis.Proxy()
	st := raise(t, stage.Options{Replicas: 2, Redis: proxy.URL(), Staleness: 2 * time.Second})
	revoke := revoker(t, st, oncall(t, st), 0)
	ended, going := grantTask(t, st, "case-ended"), grantTask(t, st, "case-going")
	revoke("--task", "case-ended")
	everywhere := func(when string) {
		t.Helper()
		for replica := range st.Countersign {
			becomes(t, st, replica, ended, "revoked")
			becomes(t, st, replica, going, "allowed")
		}
		t.Logf("right %s", when)
	}
	everywhere("at first")

	redis.Kill()
	redis.Run()
	everywhere("after the store was killed")
	redis.Kill()
	redis.Run()
	restartAll(t, st)
	everywhere("after the store was killed and all replicas were restarted")

	proxy.Blackhole()
	for replica := range st.Countersign {
		becomes(t, st, replica, going, "status_unknown")
		becomes(t, st, replica, ended, "status_unknown") // its peer is asked about first
	}
	if got := readCase(client(t, st, "planner", "2"), st, going).must(t); got.status != http.StatusServiceUnavailable {
		t.Errorf("while nobody knows: got %d %s", got.status, got.body)
	}
	if out, err := st.Revoker(oncall(t, st), 0)(t.Context(), "--task", "case-lost"); err == nil || !strings.Contains(err.Error(), "status_unknown") {
		t.Errorf("revoking while the store is away: %s %v", out, err)
	}
	proxy.Heal()
	everywhere("after the network was cut")

	redis.Empty()
	everywhere("while the store is empty")
	if err := st.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	everywhere("after the replicas put back what the store lost")
	empty := redistest.Start(t)
	proxy.Failover(empty)
	if err := st.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	everywhere("after a failover to an empty store")
}

// How soon a revocation is in force, while both replicas answer 1,000 checks a second together. What is asserted is the
// order of things, not how long they took.
func TestRevocationUnderLoad(t *testing.T) {
	st, _ := fleet(t)
	token := grantTask(t, st, "case-4711")
	ask := question(token)
	const perSecond, callers = 1000, 16
	type check struct {
		began, ended time.Time
		verdict      string
	}
	checks := make([][]check, callers)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan struct{}) // closed when nothing more is to be learnt
	var wait sync.WaitGroup
	for i := range callers {
		replica := asker(t, st, i%2)
		verdict(ctx, t, replica, ask) // connects
		wait.Go(func() {
			ticker := time.NewTicker(time.Second * callers / perSecond)
			defer ticker.Stop()
			for {
				select {
				case <-done:
					return
				case <-ctx.Done():
					t.Error("no end")
					return
				case <-ticker.C:
				}
				c := check{began: time.Now()}
				c.verdict = verdict(ctx, t, replica, ask)
				c.ended = time.Now()
				checks[i] = append(checks[i], c)
			}
		})
	}
	control := &http.Client{Transport: &http.Transport{TLSClientConfig: mutualTLS(t, oncall(t, st))}}
	defer control.CloseIdleConnections()
	began := time.Now()
	time.Sleep(2 * time.Second) // of load before
	body, asked := []byte(`{"task":"case-4711"}`), time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, st.ControlURLs[0]+"/revocations", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := control.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	if _ = response.Body.Close(); response.StatusCode != http.StatusCreated {
		t.Fatalf("got %s", response.Status)
	}
	for replica := range st.Countersign {
		becomes(t, st, replica, token, "revoked")
	}
	everywhere := time.Now()
	time.Sleep(time.Second) // of load after
	close(done)
	wait.Wait()

	total := 0
	var passed, refused [2]time.Time
	for i, all := range checks {
		total += len(all)
		var last, first time.Time // allowed, refused
		for n, c := range all {
			switch {
			case c.verdict == "allowed" && !first.IsZero():
				t.Errorf("caller %d, check %d: allowed after it was revoked there", i, n)
			case c.verdict == "allowed" && i%2 == 0 && c.began.After(answered):
				t.Errorf("caller %d, check %d: allowed %s after the revocation was confirmed", i, n, c.began.Sub(answered))
			case c.verdict == "allowed" && c.began.After(everywhere):
				t.Errorf("caller %d, check %d: allowed after it was revoked everywhere", i, n)
			case c.verdict == "allowed":
				last = c.began
			case c.verdict != "revoked":
				t.Errorf("caller %d, check %d: %s", i, n, c.verdict)
			case first.IsZero():
				first = c.ended
			}
		}
		if first.IsZero() || last.IsZero() {
			t.Errorf("caller %d saw nothing change", i)
		}
		passed[i%2], refused[i%2] = later(passed[i%2], last), later(refused[i%2], first)
	}
	for i := range passed {
		t.Logf("replica %d: the last check that passed began %s after the request to revoke; all callers were refused %s after it",
			i, passed[i].Sub(asked).Round(100*time.Microsecond), refused[i].Sub(asked).Round(100*time.Microsecond))
	}
	t.Logf("revoking took %s, at %.0f checks a second", answered.Sub(asked).Round(100*time.Microsecond), float64(total)/time.Since(began).Seconds())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
