package session_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/authz/session"
	"countersign.dev/authz/session/sessiontest"
)

func inMemory(_ testing.TB, config session.Config) sessiontest.Table { return session.NewTable(config) }

func TestStories(t *testing.T) { sessiontest.Stories(t, inMemory) }

func TestTheTableBehavesLikeItsDescription(t *testing.T) { sessiontest.Model(t, inMemory) }

func name(id string) session.Name { return session.Name{Server: "crm", ID: id} }

func TestLenCountsWhatIsRemembered(t *testing.T) {
	table := session.NewTable(session.Config{TTL: time.Minute, PerPeer: 3})
	for i := range 10 {
		if err := table.Claim(t.Context(), name(fmt.Sprint(i)), sessiontest.Planner, sessiontest.Start); err != nil {
			t.Fatal(err)
		}
	}
	if got := table.Len(); got != 3 {
		t.Errorf("%d ids are remembered, want 3", got)
	}
	later := sessiontest.Start.Add(time.Hour)
	if err := table.Claim(t.Context(), name("new"), sessiontest.Intern, later); err != nil {
		t.Fatal(err)
	}
	if got := table.Len(); got != 1 {
		t.Errorf("%d ids are remembered after all others expired, want 1", got)
	}
}

func TestLimitsHoldUnderConcurrentUse(t *testing.T) {
	table := session.NewTable(session.Config{PerPeer: 8, Total: 20})
	var wg sync.WaitGroup
	for i := range 4 {
		owner := session.Owner{Peer: fmt.Sprintf("spiffe://acme.example/w%d", i)}
		wg.Go(func() {
			for n := range 200 {
				id := name(fmt.Sprintf("%d-%d", i, n))
				now := sessiontest.Start.Add(time.Duration(n) * time.Second)
				_ = table.Claim(t.Context(), id, owner, now)
				_ = table.Check(t.Context(), id, owner, now)
				if n%3 == 0 {
					_ = table.End(t.Context(), id, owner, now)
				}
			}
		})
	}
	wg.Wait()
	if table.Len() > 20 {
		t.Errorf("%d ids are over the limit", table.Len())
	}
}

// Whatever two names and owners are, they are told apart exactly by what they say, but for the case of ids.
func FuzzDigests(f *testing.F) {
	f.Add("crm", "a", byte(0), "crm", "A", byte(0))
	f.Add("crm", "a", byte(0), "cr", "ma", byte(1))
	f.Add("", "\x00", byte(2), "\x00", "", byte(2))
	f.Fuzz(func(t *testing.T, server, id string, kind byte, otherServer, otherID string, otherKind byte) {
		a := session.Name{Server: server, Kind: session.Kind(kind % 3), ID: id}
		b := session.Name{Server: otherServer, Kind: session.Kind(otherKind % 3), ID: otherID}
		same := a.Server == b.Server && a.Kind == b.Kind && strings.ToLower(a.ID) == strings.ToLower(b.ID) //nolint:staticcheck // not folding
		if (a.Digest() == b.Digest()) != same {
			t.Errorf("%v and %v: same digest %t, want %t", a, b, !same, same)
		}
		p, q := session.Owner{Peer: server, Subject: id}, session.Owner{Peer: otherServer, Subject: otherID}
		if (p.Digest() == q.Digest()) != (p == q) || (p.PeerDigest() == q.PeerDigest()) != (p.Peer == q.Peer) {
			t.Errorf("%v and %v are not told apart, or taken for different", p, q)
		}
		if len(a.Digest().String()) != 43 || p.Digest() == a.Digest() || p.Digest() == p.PeerDigest() {
			t.Error("digests of different things coincide")
		}
	})
}
