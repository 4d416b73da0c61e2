package redisfeed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/redisfeed"
)

// A failover to a server that has nothing: whoever holds revocations puts them back, and until then a replica without
// any does not take the server's word for it.
func TestFailoverToAnEmptyServer(t *testing.T) {
	t.Parallel()
	old, empty := redistest.Start(t), redistest.Start(t)
	initialise(t, old)
	proxy := old.Proxy()
	holder := startReplica(t, proxy.Store())
	<-holder.Synced()
	holder.add(t, task("case-4711"))
	holder.stop()
	proxy.Failover(empty)

	fresh := startReplica(t, proxy.Store())
	eventually(t, "the fresh replica looks", func() bool { return fresh.Status().Failures > 0 })
	if got := fresh.answer("other"); got != "unknown" {
		t.Errorf("a fresh replica says that a task is %s", got)
	}
	if err := fresh.Add(t.Context(), task("new")); err == nil {
		t.Error("a revocation was stored where nobody would find it")
	}
	if err := holder.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh.becomes(t, "case-4711", "revoked")
	if got := fresh.Status(); got.Generation != 2 {
		t.Errorf("generation %d, want 2", got.Generation)
	}
	if !strings.Contains(holder.log.String(), "the store lost revocations") {
		t.Errorf("nobody was told:\n%s", holder.log)
	}
}

// A failover to a follower that missed the last changes, to which somebody wrote already: nothing of either is lost,
// although the histories have numbers in common.
func TestFailoverToAFollowerThatLagsBehind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		missed, meanwhile int
		wantTasks         []string
		generated         bool
	}{
		{name: "it missed nothing", wantTasks: []string{"known"}},
		{name: "it missed changes", missed: 2, wantTasks: []string{"known", "missed-0", "missed-1"}, generated: true},
		{name: "it has as many others", missed: 1, meanwhile: 1, wantTasks: []string{"known", "meanwhile-0", "missed-0"}, generated: true},
		{name: "it has more others", missed: 1, meanwhile: 3, wantTasks: []string{"known", "meanwhile-0", "meanwhile-1", "meanwhile-2", "missed-0"}, generated: true},
		{name: "it has more, and missed nothing", meanwhile: 2, wantTasks: []string{"known", "meanwhile-0", "meanwhile-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			primary, follower := redistest.Start(t), redistest.Start(t)
			initialise(t, primary)
			proxy := primary.Proxy()
			fleet := []*replica{startReplica(t, proxy.Store()), startReplica(t, proxy.Store())}
			for _, r := range fleet {
				<-r.Synced()
			}
			fleet[0].add(t, task("known"))
			replicate(t, follower.Store(), primary)
			for i := range test.missed {
				fleet[0].add(t, task(fmt.Sprint("missed-", i)))
			}
			for _, r := range fleet {
				eventually(t, "all are known", func() bool { return len(r.Entries()) == 1+test.missed })
			}
			proxy.Blackhole()
			other := startReplica(t, follower.Store())
			<-other.Synced()
			for i := range test.meanwhile {
				other.add(t, task(fmt.Sprint("meanwhile-", i)))
			}
			proxy.Failover(follower)
			proxy.Heal()
			for _, r := range append(fleet, other) {
				eventually(t, "every replica has everything", func() bool { return cmp.Equal(values(r.Entries()), test.wantTasks) })
				r.becomes(t, "unheard of", "fine")
			}
			if got := other.Status().Generation; (got > 1) != test.generated {
				t.Errorf("generation %d", got)
			}
		})
	}
}

// replicate makes one server a copy of another, and then independent of it.
func replicate(t *testing.T, store *redisstore.Store, of *redistest.Server) {
	t.Helper()
	host, port, _ := strings.Cut(strings.TrimPrefix(of.URL(), "redis://"), ":")
	// Otherwise it waits some seconds for more followers.
	if err := of.Store().ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	want := of.Store().HGetAll(t.Context(), "countersign:revocations:meta").Val()
	eventually(t, "the follower has everything", func() bool {
		return cmp.Equal(store.HGetAll(context.Background(), "countersign:revocations:meta").Val(), want)
	})
	if err := store.ReplicaOf(t.Context(), "no", "one").Err(); err != nil {
		t.Fatal(err)
	}
}

// A server that evicts keys, or an operator who deletes the wrong one.
func TestKeysThatVanish(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"meta", "entries", "expiry", "changes"} {
		t.Run(key, func(t *testing.T) {
			server, fleet := newFleet(t, 2)
			fleet[0].add(t, task("a"))
			fleet[1].becomes(t, "a", "revoked")
			if err := server.Store().Del(t.Context(), "countersign:revocations:"+key).Err(); err != nil {
				t.Fatal(err)
			}
			fresh := startReplica(t, server.Store())
			fresh.becomes(t, "a", "revoked")
			fleet[0].add(t, task("b"))
			for _, r := range append(fleet, fresh) {
				r.becomes(t, "b", "revoked")
				r.becomes(t, "a", "revoked")
				r.becomes(t, "other", "fine")
			}
		})
	}
}

// When nobody holds what was lost, nobody goes by what is left until an operator accepts the loss.
func TestWhatNobodyHoldsIsForTheOperatorToAccept(t *testing.T) {
	server, fleet := newFleet(t, 1)
	fleet[0].add(t, task("a"))
	fleet[0].stop()
	if err := server.Store().Del(t.Context(), "countersign:revocations:entries").Err(); err != nil {
		t.Fatal(err)
	}
	r := newReplica(t, server.Store())
	if err := r.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "countersign revoke init") {
		t.Errorf("got %v", err)
	}
	if generation, fresh, err := r.Initialise(t.Context()); generation != 2 || !fresh || err != nil {
		t.Errorf("generation %d, fresh %t, %v", generation, fresh, err)
	}
	if err := r.Sync(t.Context()); err != nil || r.answer("a") != "fine" {
		t.Errorf("%v, task a is %s", err, r.answer("a"))
	}
}

// What cannot be understood may be the very revocation that matters.
func TestWhatTheServerSaysIsNotBelievedBlindly(t *testing.T) {
	const prefix = "countersign:revocations:"
	good, err := task("a").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(t *testing.T, s *redisstore.Store) error{
		"an entry that is no JSON": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"entries", "x", "revoked!").Err()
		},
		"an entry below another ID": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"entries", "x", good).Err()
		},
		"an entry of an unknown kind": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"entries", "x", strings.Replace(string(good), "task", "tusk", 1)).Err()
		},
		"a version that is no number": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"meta", "version", "many").Err()
		},
		"a negative generation": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"meta", "generation", "-1").Err()
		},
		"a place that is none": func(t *testing.T, s *redisstore.Store) error {
			return s.HSet(t.Context(), prefix+"meta", "last", "+").Err()
		},
		"keys of other types": func(t *testing.T, s *redisstore.Store) error {
			return s.Set(t.Context(), prefix+"entries", "x", 0).Err()
		},
		"meta of another type": func(t *testing.T, s *redisstore.Store) error {
			return s.Set(t.Context(), prefix+"meta", "x", 0).Err()
		},
		"changes of another type": func(t *testing.T, s *redisstore.Store) error {
			return s.Set(t.Context(), prefix+"changes", "x", 0).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			initialise(t, server)
			if err := spoil(t, server.Store()); err != nil {
				t.Fatal(err)
			}
			// As if it had always been so.
			n := server.Store().HLen(t.Context(), prefix+"entries").Val()
			_ = server.Store().HSet(t.Context(), prefix+"meta", "entries", n) // meta may be what is spoilt
			r := newReplica(t, server.Store())
			if err := r.Sync(t.Context()); err == nil || r.answer("other") != "unknown" {
				t.Errorf("%v; another task is %s", err, r.answer("other"))
			}
		})
	}
	for name, message := range map[string][]any{
		"a change without a version": {"put", string(good)},
		"a change of nothing":        {"version", "1", "after", "0-0"},
		"a change to nonsense":       {"version", "1", "after", "0-0", "put", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			server, fleet := newFleet(t, 1)
			if err := server.Store().XAdd(t.Context(), &redis.XAddArgs{Stream: prefix + "changes", Values: message}).Err(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the replica notices", func() bool { return fleet[0].Status().Failures > 0 })
			if fleet[0].ahead.Store(int64(time.Hour)); fleet[0].answer("other") != "unknown" {
				t.Error("it goes on as if nothing had happened")
			}
		})
	}
}

// Whatever happens to server, network and replicas: in the end all replicas agree, and what was revoked and not
// removed is revoked.
func TestNothingIsEverLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			server.Empty()
			initialise(t, server)
			h := &history{t: t, server: server, chance: rand.New(rand.NewPCG(seed, 0)), revoked: map[string]bool{}, removed: map[string]bool{}}
			for range 3 {
				p := server.Proxy()
				r := startReplica(t, p.Store(), func(c *redisfeed.Config) { c.LastKnown = true })
				<-r.Synced()
				h.proxies, h.fleet = append(h.proxies, p), append(h.fleet, r)
			}
			for range 15 {
				h.step()
			}
			for _, p := range h.proxies {
				p.Heal()
			}
			h.check()
		})
	}
}

// history is what happened to a fleet.
type history struct {
	t       *testing.T
	server  *redistest.Server
	chance  *rand.Rand
	fleet   []*replica
	proxies []*redistest.Proxy
	// revoked are the tasks whose revocation was confirmed after any removal, removed those that may have been removed.
	revoked, removed map[string]bool
}

func (h *history) step() {
	i := h.chance.IntN(len(h.fleet))
	e := task(fmt.Sprint("case-", h.chance.IntN(6)))
	ctx, cancel := context.WithTimeout(h.t.Context(), 200*time.Millisecond)
	defer cancel()
	switch h.chance.IntN(9) {
	case 0:
		h.proxies[i].Blackhole()
	case 1, 2:
		h.proxies[i].Heal()
	case 3:
		h.server.Kill()
		h.server.Run()
	case 4:
		h.server.Empty()
	case 5:
		_ = h.fleet[i].Remove(ctx, e.ID()) // whether it worked is not known
		h.removed[e.Value] = true
	default:
		if h.fleet[i].Add(ctx, e) == nil {
			h.revoked[e.Value] = true
			delete(h.removed, e.Value)
		}
	}
}

func (h *history) check() {
	h.t.Helper()
	for _, r := range h.fleet {
		eventually(h.t, "every replica is up to date", func() bool { s := r.Status(); return s.Error == "" && s.Age < 1 })
	}
	eventually(h.t, "all replicas agree", func() bool {
		return !slices.ContainsFunc(h.fleet, func(r *replica) bool {
			s := r.Status()
			return s.Version != h.fleet[0].Status().Version || !cmp.Equal(r.Entries(), h.fleet[0].Entries())
		})
	})
	for name := range h.revoked {
		if !h.removed[name] && h.fleet[0].answer(name) != "revoked" {
			h.t.Errorf("%s was revoked, never removed, and is %s", name, h.fleet[0].answer(name))
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	var set revoke.Set
	for i := range redisfeed.MaxEntries {
		set.Put(revoke.Entry{Kind: revoke.KindJTI, Value: fmt.Sprint("token-", i)})
	}
	marks := revoke.Marks{
		JTIs: []string{"a", "b"}, Txn: "t", Task: "t", Subject: "alice", KeyIDs: []string{"k"},
		Actors: []string{"spiffe://acme.example/planner", "spiffe://acme.example/crm"},
		Issued: []revoke.Issued{{Issuer: "https://tts.acme.example", At: time.Now()}},
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, found := set.Match(marks, time.Now()); found {
				b.Error("found")
			}
		}
	})
}
