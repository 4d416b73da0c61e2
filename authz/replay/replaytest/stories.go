// Package replaytest has the tests that every guard against replay must pass, wherever it keeps what it knows.
package replaytest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/replay"
)

// Guard is what package authz asks.
type Guard interface {
	Spend(ctx context.Context, use replay.Use, now time.Time) error
}

// Open returns a guard that knows of no use, and remembers them since a time.
type Open func(t testing.TB, config replay.Config, since time.Time) Guard

// Start is when the stories begin. It is close to the present, because a store drops what it takes for expired by a
// clock of its own.
var Start = time.Now().Truncate(time.Second)

// Refund is a use of a delegation that the planner got at [Start] for 10 minutes.
var Refund = replay.Use{
	Issuer: "https://tts.acme.example", ID: "root-1", RequestHash: "r1", RequestID: "stream-1", Peer: "spiffe://acme.example/planner",
	IssuedAt: Start, Expiry: Start.Add(10 * time.Minute),
}

// but returns the refund with a difference.
func but(change func(*replay.Use)) replay.Use {
	use := Refund
	change(&use)
	return use
}

func request(id string) replay.Use { return but(func(u *replay.Use) { u.RequestID = id }) }

// step is one use in a story.
type step struct {
	name  string
	after time.Duration // since Start
	use   replay.Use
	want  denial.Reason // empty: it may happen
}

var stories = []struct {
	name   string
	config replay.Config
	steps  []step
}{
	{"a use happens once", replay.Config{}, []step{
		{"the first", 0, Refund, ""},
		{"Envoy asks again", 1, Refund, ""},
		{"and later", time.Minute, Refund, ""},
		{"another request with the same bytes", time.Minute, request("stream-2"), denial.Replayed},
		{"that has no id", time.Minute, request(""), denial.Replayed},
		{"in another case", time.Minute, request("Stream-1"), denial.Replayed},
		{"until the delegation has expired", 10*time.Minute - 1, request("stream-3"), denial.Replayed},
		{"and on clocks that are behind", 10*time.Minute + replay.Skew - time.Second, request("stream-4"), denial.Replayed},
		{"Envoy asks again", 5, Refund, ""},
	}},
	{"a request without an id is never the same", replay.Config{}, []step{
		{"the first", 0, request(""), ""},
		{"and again", 1, request(""), denial.Replayed},
		{"with an id", 2, request("stream-1"), denial.Replayed},
	}},
	{"other uses are other uses", replay.Config{}, []step{
		{"", 0, Refund, ""},
		{"another body", 1, but(func(u *replay.Use) { u.RequestHash = "r2" }), ""},
		{"another delegation", 2, but(func(u *replay.Use) { u.ID = "root-2" }), ""},
		{"another issuer", 3, but(func(u *replay.Use) { u.Issuer = "https://other.acme.example" }), ""},
		{"names that together are the same text", 4, but(func(u *replay.Use) { u.ID, u.RequestHash = "root-1r", "1" }), ""},
		{"an id in another case", 5, but(func(u *replay.Use) { u.ID = "ROOT-1" }), ""},
		{"names with colons and stars", 6, but(func(u *replay.Use) { u.ID = "*:?" }), ""},
		{"again", 7, but(func(u *replay.Use) { u.ID, u.RequestID = "*:?", "stream-2" }), denial.Replayed},
	}},
	{"what cannot be known is refused", replay.Config{}, []step{
		{"issued before uses were remembered", 0, but(func(u *replay.Use) { u.IssuedAt = Start.Add(-time.Hour - time.Second) }), denial.ReplayUncertain},
		{"issued in the future", 0, but(func(u *replay.Use) { u.IssuedAt = Start.Add(time.Second) }), denial.ReplayUncertain},
		{"which is a present now", time.Second, but(func(u *replay.Use) { u.IssuedAt = Start.Add(time.Second) }), ""},
		{"when they began to be", 2 * time.Second, but(func(u *replay.Use) { u.ID, u.IssuedAt = "old", Start.Add(-time.Hour) }), ""},
	}},
	{"a workload has a limit, and others do not mind", replay.Config{PerPeer: 2, Total: 100}, []step{
		{"", 0, but(func(u *replay.Use) { u.ID, u.Expiry = "short", Start.Add(time.Minute) }), ""},
		{"", 1, but(func(u *replay.Use) { u.ID = "a" }), ""},
		{"one too many", 2, but(func(u *replay.Use) { u.ID = "b" }), denial.ReplayLimit},
		{"what happened is not forgotten for it", 3, but(func(u *replay.Use) { u.ID, u.RequestID = "a", "stream-2" }), denial.Replayed},
		{"another workload", 4, but(func(u *replay.Use) { u.ID, u.Peer = "c", "spiffe://acme.example/intern" }), ""},
		{"before the first is forgotten", time.Minute + replay.Skew - time.Second, but(func(u *replay.Use) { u.ID = "b" }), denial.ReplayLimit},
		{"afterwards", time.Minute + replay.Skew, but(func(u *replay.Use) { u.ID = "b" }), ""},
	}},
	{"all have a limit together", replay.Config{PerPeer: 2, Total: 3}, []step{
		{"", 0, but(func(u *replay.Use) { u.ID = "a" }), ""},
		{"", 0, but(func(u *replay.Use) { u.ID = "b" }), ""},
		{"", 0, but(func(u *replay.Use) { u.ID, u.Peer = "c", "spiffe://acme.example/intern" }), ""},
		{"", 0, but(func(u *replay.Use) { u.ID, u.Peer = "d", "spiffe://acme.example/crm" }), denial.ReplayLimit},
		{"Envoy asks again about one that happened", 0, but(func(u *replay.Use) { u.ID = "b" }), ""},
	}},
}

// Stories plays all stories on guards that open returns.
func Stories(t *testing.T, open Open) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			guard := open(t, story.config, Start.Add(-time.Hour))
			for i, s := range story.steps {
				if got := reasonOf(guard.Spend(t.Context(), s.use, Start.Add(s.after))); got != s.want {
					t.Fatalf("step %d, %s: got %q, want %q", i+1, s.name, got, s.want)
				}
			}
		})
	}
	t.Run("of many at once one happens", func(t *testing.T) { Race(t, open(t, replay.Config{}, Start)) })
	t.Run("a flood costs only who makes it", func(t *testing.T) { flood(t, open) })
	t.Run("huge names", func(t *testing.T) { huge(t, open) })
}

func reasonOf(err error) denial.Reason {
	if err == nil {
		return ""
	}
	return denial.ReasonOf(err)
}

func flood(t *testing.T, open Open) {
	guard := open(t, replay.Config{PerPeer: 50, Total: 1000}, Start)
	for i := range 100 {
		want := denial.Reason("")
		if i >= 50 {
			want = denial.ReplayLimit
		}
		use := but(func(u *replay.Use) { u.RequestHash = fmt.Sprint(i) })
		if got := reasonOf(guard.Spend(t.Context(), use, Start)); got != want {
			t.Fatalf("request %d: got %q, want %q", i, got, want)
		}
	}
	other := but(func(u *replay.Use) { u.ID, u.Peer = "root-2", "spiffe://acme.example/crm" })
	if err := guard.Spend(t.Context(), other, Start); err != nil {
		t.Errorf("another workload pays: %v", err)
	}
}

func huge(t *testing.T, open Open) {
	guard := open(t, replay.Config{}, Start)
	use := but(func(u *replay.Use) {
		u.ID, u.Issuer, u.RequestHash = strings.Repeat("i", 1<<16), strings.Repeat("s", 1<<16), ""
	})
	for i, want := range []denial.Reason{"", denial.Replayed} {
		use.RequestID = fmt.Sprint(i)
		if got := reasonOf(guard.Spend(t.Context(), use, Start)); got != want {
			t.Errorf("use %d: got %q, want %q", i, got, want)
		}
	}
}

// Race spends the same uses through several guards at once. Each must happen exactly once. The guards must share what
// they know, or be the same one.
func Race(t *testing.T, guards ...Guard) {
	t.Helper()
	const uses = 20
	var mu sync.Mutex
	happened := make(map[int]int)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range uses {
				use := but(func(u *replay.Use) { u.ID, u.RequestID = fmt.Sprint(n), fmt.Sprint("stream-", i) })
				if guards[i%len(guards)].Spend(t.Context(), use, Start) == nil {
					mu.Lock()
					happened[n]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for n := range uses {
		if happened[n] != 1 {
			t.Errorf("use %d happened %d times", n, happened[n])
		}
	}
}

// Model compares a guard with its description, on random sequences of uses: no use twice, whatever else happens, and
// none refused that might happen.
func Model(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		config := replay.Config{PerPeer: rapid.IntRange(1, 4).Draw(rt, "per peer"), Total: rapid.IntRange(1, 6).Draw(rt, "total")}
		guard := open(t, config, Start)
		type happened struct {
			request, peer string
			forget        time.Time
		}
		known := make(map[string]happened)
		now := Start
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "pause")) * time.Second)
			n := rapid.IntRange(0, 9).Draw(rt, "delegation")
			use := but(func(u *replay.Use) {
				u.ID, u.Peer = fmt.Sprint(n), rapid.SampledFrom([]string{"planner", "intern"}).Draw(rt, "peer")
				u.Expiry = Start.Add(time.Duration(1+n) * time.Minute)
				u.RequestID = rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "request")
			})
			if !now.Before(use.Expiry) {
				continue // the delegation is refused before
			}
			live, own := 0, 0
			for _, h := range known {
				if h.forget.After(now) {
					live++
					if h.peer == use.Peer {
						own++
					}
				}
			}
			before, seen := known[use.ID]
			var want denial.Reason
			switch {
			case seen && use.RequestID != "" && use.RequestID == before.request:
			case seen:
				want = denial.Replayed
			case own >= config.PerPeer || live >= config.Total:
				want = denial.ReplayLimit
			default:
				known[use.ID] = happened{use.RequestID, use.Peer, use.Forget()}
			}
			if got := reasonOf(guard.Spend(t.Context(), use, now)); got != want {
				rt.Fatalf("delegation %s, request %q of %s: got %q, want %q", use.ID, use.RequestID, use.Peer, got, want)
			}
		}
	})
}
