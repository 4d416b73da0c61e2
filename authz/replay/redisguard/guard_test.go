package redisguard_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/replay/redisguard"
	"countersign.dev/authz/replay/replaytest"
)

// opened gives every guard keys of its own on one server.
func opened(server *redistest.Server) replaytest.Open {
	var count atomic.Int64
	return func(t testing.TB, config replay.Config, since time.Time) replaytest.Guard {
		t.Helper()
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), Prefix: fmt.Sprintf("test-%d:", count.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		guard := redisguard.New(store, config)
		if err := guard.Begin(t.Context(), since); err != nil {
			t.Fatal(err)
		}
		return guard
	}
}

func TestStories(t *testing.T) { replaytest.Stories(t, opened(redistest.Start(t))) }

func TestTheGuardBehavesLikeItsDescription(t *testing.T) {
	replaytest.Model(t, opened(redistest.Start(t)))
}

func expect(t *testing.T, what string, err error, want denial.Reason) {
	t.Helper()
	if want == "" && err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if want != "" && (err == nil || denial.ReasonOf(err) != want) {
		t.Fatalf("%s: %v, want %s", what, err, want)
	}
}

// begun is a guard in the server, from a process of its own, that remembers uses since the start of the stories.
func begun(t *testing.T, store *redisstore.Store) *redisguard.Guard {
	t.Helper()
	guard := redisguard.New(store, replay.Config{})
	if err := guard.Begin(t.Context(), replaytest.Start); err != nil {
		t.Fatal(err)
	}
	return guard
}

func again() replay.Use {
	use := replaytest.Refund
	use.RequestID = "stream-2"
	return use
}

func TestReplicasShareWhatTheyKnow(t *testing.T) {
	server := redistest.Start(t)
	one, two := begun(t, server.Store()), begun(t, server.Store())
	expect(t, "used on one", one.Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	expect(t, "replayed on the other", two.Spend(t.Context(), again(), replaytest.Start), denial.Replayed)
	expect(t, "Envoy asks the other about the same request", two.Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	restarted := begun(t, server.Store())
	expect(t, "after a restart of a replica", restarted.Spend(t.Context(), again(), replaytest.Start), denial.Replayed)
}

func TestOfReplicasThatRaceOneLetsItHappen(t *testing.T) {
	server := redistest.Start(t)
	replaytest.Race(t, begun(t, server.Store()), begun(t, server.Store()))
}

func TestAKilledStoreForgetsNothing(t *testing.T) {
	server := redistest.Start(t)
	guard := begun(t, server.Store())
	expect(t, "used", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	server.Kill()
	expect(t, "without a store", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), denial.ReplayUnavailable)
	expect(t, "begin without a store", guard.Begin(t.Context(), replaytest.Start), denial.ReplayUnavailable)
	server.Run()
	expect(t, "replayed", guard.Spend(t.Context(), again(), replaytest.Start), denial.Replayed)
	fresh := replaytest.Refund
	fresh.ID = "root-2"
	expect(t, "another", guard.Spend(t.Context(), fresh, replaytest.Start), "")
}

func TestANetworkThatSwallowsEverything(t *testing.T) {
	server := redistest.Start(t)
	proxy := server.Proxy()
	guard := begun(t, proxy.Store())
	proxy.Blackhole()
	expect(t, "swallowed", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), denial.ReplayUnavailable)
	proxy.Heal()
	expect(t, "healed", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	expect(t, "replayed", guard.Spend(t.Context(), again(), replaytest.Start), denial.Replayed)
}

func TestACallerThatGivesUpIsNotAnOutage(t *testing.T) {
	guard := begun(t, redistest.Start(t).Store())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, "spend", guard.Spend(gone, replaytest.Refund, replaytest.Start), denial.Cancelled)
}

// A failover to an empty server lets nothing happen twice: what was issued before may have been used.
func TestAnEmptyStoreRefusesWhatItCannotKnow(t *testing.T) {
	server := redistest.Start(t)
	guard := begun(t, server.Store())
	expect(t, "used", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	server.Empty()
	later := replaytest.Start.Add(time.Second)
	expect(t, "used before", guard.Spend(t.Context(), again(), later), denial.ReplayUncertain)
	fresh := again()
	fresh.ID, fresh.IssuedAt = "root-2", later
	expect(t, "issued afterwards", guard.Spend(t.Context(), fresh, later), "")
	fresh.RequestID = "stream-3"
	expect(t, "and used again", guard.Spend(t.Context(), fresh, later), denial.Replayed)
}

// A store whose clock takes a use for forgotten would not keep it at all.
func TestAStoreWhoseClockIsAhead(t *testing.T) {
	guard := redisguard.New(redistest.Start(t).Store(), replay.Config{})
	past := replaytest.Start.Add(-time.Hour)
	expect(t, "begin", guard.Begin(t.Context(), past), "")
	use := replaytest.Refund
	use.IssuedAt, use.Expiry = past, past.Add(time.Minute)
	expect(t, "spend", guard.Spend(t.Context(), use, past), denial.ReplayUncertain)
}

func TestTheStoreForgetsByItself(t *testing.T) {
	server := redistest.Start(t)
	store := server.Store()
	guard := begun(t, store)
	short := replaytest.Refund
	short.ID, short.Expiry = "short", replaytest.Start.Add(time.Minute)
	for _, use := range []replay.Use{replaytest.Refund, short} {
		expect(t, "spend", guard.Spend(t.Context(), use, replaytest.Start), "")
	}
	keys, err := store.Keys(t.Context(), "countersign:replay:[upa]*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("keys %q %v", keys, err)
	}
	for _, key := range keys {
		want := replaytest.Refund.Forget()
		if strings.HasSuffix(key, short.Digest()) {
			want = short.Forget()
		}
		if left := store.PExpireTime(t.Context(), key).Val(); left != time.Duration(want.UnixMilli())*time.Millisecond {
			t.Errorf("%s expires at %s, want %s", key, left, want)
		}
	}
}

func TestTheStoreHasNoNames(t *testing.T) {
	server := redistest.Start(t)
	expect(t, "spend", begun(t, server.Store()).Spend(t.Context(), replaytest.Refund, replaytest.Start), "")
	stored := server.Dump()
	if !strings.Contains(stored, "countersign:replay:use:") {
		t.Fatalf("nothing was stored: %q", stored)
	}
	for _, name := range []string{"root-1", "planner", "tts.acme.example"} {
		if strings.Contains(stored, name) {
			t.Errorf("the store has %q", name)
		}
	}
}

func TestAStoreThatAnswersNonsense(t *testing.T) {
	store := redistest.Start(t).Store()
	guard := begun(t, store)
	if err := store.Set(t.Context(), store.Key("replay", "all"), "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "another type", guard.Spend(t.Context(), replaytest.Refund, replaytest.Start), denial.ReplayUnavailable)
}
