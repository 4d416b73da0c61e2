package redistable_test

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
	"countersign.dev/authz/session"
	"countersign.dev/authz/session/redistable"
	"countersign.dev/authz/session/sessiontest"
)

// opened gives every table keys of its own on one server.
func opened(server *redistest.Server) sessiontest.Open {
	var count atomic.Int64
	return func(t testing.TB, config session.Config) sessiontest.Table {
		t.Helper()
		store, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL(), Prefix: fmt.Sprintf("test-%d:", count.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return redistable.New(store, config)
	}
}

func TestStories(t *testing.T) { sessiontest.Stories(t, opened(redistest.Start(t))) }

func TestTheTableBehavesLikeItsDescription(t *testing.T) {
	sessiontest.Model(t, opened(redistest.Start(t)))
}

func name(id string) session.Name { return session.Name{Server: "crm", ID: id} }

func expect(t *testing.T, what string, err error, want denial.Reason) {
	t.Helper()
	if want == "" && err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if want != "" && (err == nil || denial.ReasonOf(err) != want) {
		t.Fatalf("%s: %v, want %s", what, err, want)
	}
}

func TestReplicasShareWhatTheyKnow(t *testing.T) {
	server := redistest.Start(t)
	one, two := redistable.New(server.Store(), session.Config{}), redistable.New(server.Store(), session.Config{})
	now := sessiontest.Start
	expect(t, "claimed on one", one.Claim(t.Context(), name("a"), sessiontest.Planner, now), "")
	expect(t, "foreign on the other", two.Claim(t.Context(), name("a"), sessiontest.Intern, now), denial.SessionForeign)
	expect(t, "the owner's on the other", two.Check(t.Context(), name("a"), sessiontest.Planner, now), "")
	restarted := redistable.New(server.Store(), session.Config{})
	expect(t, "after a restart of a replica", restarted.Check(t.Context(), name("a"), sessiontest.Planner, now), "")
	expect(t, "ended on the other", two.End(t.Context(), name("a"), sessiontest.Planner, now), "")
	expect(t, "is over on one", one.Check(t.Context(), name("a"), sessiontest.Planner, now), denial.SessionUnknown)
}

func TestOfReplicasThatRaceOneWins(t *testing.T) {
	server := redistest.Start(t)
	sessiontest.Race(t, redistable.New(server.Store(), session.Config{}), redistable.New(server.Store(), session.Config{}))
}

func TestAKilledStoreForgetsNothing(t *testing.T) {
	server := redistest.Start(t)
	table := redistable.New(server.Store(), session.Config{})
	now := sessiontest.Start
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, now), "")
	server.Kill()
	expect(t, "claim without a store", table.Claim(t.Context(), name("b"), sessiontest.Planner, now), denial.SessionUnavailable)
	expect(t, "check without a store", table.Check(t.Context(), name("a"), sessiontest.Planner, now), denial.SessionUnavailable)
	expect(t, "end without a store", table.End(t.Context(), name("a"), sessiontest.Planner, now), denial.SessionUnavailable)
	server.Run()
	expect(t, "foreign", table.Claim(t.Context(), name("a"), sessiontest.Intern, now), denial.SessionForeign)
	expect(t, "the owner's", table.Claim(t.Context(), name("a"), sessiontest.Planner, now), "")
}

func TestANetworkThatSwallowsEverything(t *testing.T) {
	server := redistest.Start(t)
	proxy := server.Proxy()
	table := redistable.New(proxy.Store(), session.Config{})
	now := sessiontest.Start
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, now), "")
	proxy.Blackhole()
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, now), denial.SessionUnavailable)
	expect(t, "check", table.Check(t.Context(), name("a"), sessiontest.Planner, now), denial.SessionUnavailable)
	proxy.Heal()
	expect(t, "foreign", table.Check(t.Context(), name("a"), sessiontest.Intern, now), denial.SessionForeign)
	expect(t, "the owner's", table.Check(t.Context(), name("a"), sessiontest.Planner, now), "")
}

func TestACallerThatGivesUpIsNotAnOutage(t *testing.T) {
	table := redistable.New(redistest.Start(t).Store(), session.Config{})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, "claim", table.Claim(gone, name("a"), sessiontest.Planner, sessiontest.Start), denial.Cancelled)
	expect(t, "check", table.Check(gone, name("a"), sessiontest.Planner, sessiontest.Start), denial.Cancelled)
}

// What the documentation says about a failover to an empty server.
func TestAnEmptyStoreBindsAgainAtFirstUse(t *testing.T) {
	server := redistest.Start(t)
	table := redistable.New(server.Store(), session.Config{})
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), "")
	server.Empty()
	expect(t, "check", table.Check(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionUnknown)
	expect(t, "whoever comes first", table.Claim(t.Context(), name("a"), sessiontest.Intern, sessiontest.Start), "")
	expect(t, "owns it", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionForeign)
}

func TestTheStoreHasNoIDsAndNoPeople(t *testing.T) {
	server := redistest.Start(t)
	table := redistable.New(server.Store(), session.Config{})
	for _, kind := range []session.Kind{session.Session, session.Task, session.Handle} {
		id := session.Name{Server: "crm", Kind: kind, ID: "secret-0a5f8a52"}
		expect(t, "claim", table.Claim(t.Context(), id, sessiontest.Planner, sessiontest.Start), "")
	}
	stored := strings.ToLower(server.Dump())
	if !strings.Contains(stored, "countersign:session:id:") {
		t.Fatalf("nothing was stored: %q", stored)
	}
	for _, secret := range []string{"secret-0a5f8a52", "alice", "planner", "acme.example"} {
		if strings.Contains(stored, secret) {
			t.Errorf("the store has %q", secret)
		}
	}
}

// Redis drops by itself what nobody asks for any more, without taking its clock for ours.
func TestEveryKeyExpires(t *testing.T) {
	server := redistest.Start(t)
	store := server.Store()
	table := redistable.New(store, session.Config{TTL: time.Hour})
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), "")
	keys, err := store.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("%d keys: %q %v", len(keys), keys, err)
	}
	for _, key := range keys {
		if left := store.PTTL(t.Context(), key).Val(); left <= time.Hour || left > time.Hour+time.Minute {
			t.Errorf("%s is kept for %s", key, left)
		}
	}
}

// A replica whose clock is behind does not take an id that changed hands for its old owner's.
func TestAClockThatIsBehind(t *testing.T) {
	server := redistest.Start(t)
	table := redistable.New(server.Store(), session.Config{TTL: time.Minute, PerPeer: 1})
	expect(t, "claim", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), "")
	expect(t, "expired, and another's", table.Claim(t.Context(), name("a"), sessiontest.Intern, sessiontest.Start.Add(time.Minute)), "")
	expect(t, "the old owner makes room", table.Claim(t.Context(), name("b"), sessiontest.Planner, sessiontest.Start.Add(30*time.Second)), "")
	expect(t, "not from what is another's", table.Check(t.Context(), name("a"), sessiontest.Intern, sessiontest.Start.Add(time.Minute)), "")
}

// Somebody else's keys, or a store that was tampered with, refuse.
func TestAStoreThatAnswersNonsense(t *testing.T) {
	server := redistest.Start(t)
	store := server.Store()
	table := redistable.New(store, session.Config{})
	key := store.Key("session", "id", name("a").Digest().String())
	if err := store.HSet(t.Context(), key, "owner", sessiontest.Planner.Digest().String(), "used", "soon").Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "no time", table.Check(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionUnavailable)
	expect(t, "no time", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionUnavailable)
	if err := store.Set(t.Context(), key, "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	expect(t, "another type", table.Check(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionUnavailable)
	expect(t, "another type", table.Claim(t.Context(), name("a"), sessiontest.Planner, sessiontest.Start), denial.SessionUnavailable)
}
