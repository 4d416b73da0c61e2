package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/session"
)

var (
	planner = session.Owner{Peer: "spiffe://acme.example/planner", Subject: "alice"}
	intern  = session.Owner{Peer: "spiffe://acme.example/intern", Subject: "alice"}
	start   = time.Unix(1_795_305_600, 0)
)

// story drives a table through a story; each method fails the test when the answer is not the wanted one.
type story struct {
	*testing.T
	table *session.Table
	now   time.Time
}

func tell(t *testing.T, config session.Config) *story {
	return &story{T: t, table: session.NewTable(config), now: start}
}

func (s *story) expect(what string, err error, want denial.Reason) {
	s.Helper()
	if want == "" && err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	if want != "" && (err == nil || denial.ReasonOf(err) != want) {
		s.Fatalf("%s: %v, want %s", what, err, want)
	}
}

func (s *story) claim(id string, owner session.Owner, want denial.Reason) {
	s.Helper()
	s.expect("claim "+id, s.table.Claim(context.Background(), "crm", id, owner, s.now), want)
}

func (s *story) check(id string, owner session.Owner, want denial.Reason) {
	s.Helper()
	s.expect("check "+id, s.table.Check(context.Background(), "crm", id, owner, s.now), want)
}

func (s *story) end(id string, owner session.Owner, want denial.Reason) {
	s.Helper()
	s.expect("end "+id, s.table.End(context.Background(), "crm", id, owner, s.now), want)
}

func TestASessionBelongsToItsFirstUser(t *testing.T) {
	s := tell(t, session.Config{})
	s.check("a", planner, denial.SessionUnknown)
	s.claim("a", planner, "")
	s.claim("a", planner, "")
	s.check("a", planner, "")

	for name, thief := range map[string]session.Owner{
		"another workload for the same user": intern,
		"the same workload for another user": {Peer: planner.Peer, Subject: "mallory"},
		"the same workload without a user":   {Peer: planner.Peer},
	} {
		t.Log(name)
		s.claim("a", thief, denial.SessionForeign)
		s.check("a", thief, denial.SessionForeign)
		s.end("a", thief, denial.SessionForeign)
	}
	s.check("a", planner, "")
}

func TestTheSameIDOnAnotherServerIsAnotherSession(t *testing.T) {
	s := tell(t, session.Config{})
	s.claim("a", planner, "")
	s.expect("claim on ledger", s.table.Claim(context.Background(), "ledger", "a", intern, s.now), "")
	s.check("a", planner, "")
	s.check("a", intern, denial.SessionForeign)
}

func TestAnEndedSessionIsForgotten(t *testing.T) {
	s := tell(t, session.Config{})
	s.end("a", planner, denial.SessionUnknown)
	s.claim("a", planner, "")
	s.end("a", planner, "")
	s.check("a", planner, denial.SessionUnknown)
	s.end("a", planner, denial.SessionUnknown)
	s.claim("a", planner, "")
}

func TestASessionExpiresWithoutUse(t *testing.T) {
	s := tell(t, session.Config{TTL: time.Minute})
	s.claim("a", planner, "")
	s.claim("b", planner, "")
	s.now = start.Add(59 * time.Second)
	s.check("a", planner, "") // a use, which b does not see
	s.check("b", intern, denial.SessionForeign)
	s.now = start.Add(60 * time.Second)
	s.check("a", planner, "")
	s.check("b", planner, denial.SessionUnknown)

	t.Log("an expired session may be claimed by anybody, as if it had never been")
	s.claim("b", intern, "")
	s.check("b", planner, denial.SessionForeign)

	t.Log("a request that was decided earlier and arrives later does not shorten the life")
	s.now = start.Add(10 * time.Second)
	s.check("a", planner, "")
	s.now = start.Add(119 * time.Second)
	s.check("a", planner, "")
}

func TestAFloodEvictsOnlyTheFloodersOwnSessions(t *testing.T) {
	s := tell(t, session.Config{PerPeer: 3, Total: 100})
	s.claim("victim", planner, "")
	s.claim("first", intern, "")
	s.claim("second", intern, "")
	s.claim("third", intern, "")
	s.check("first", intern, "") // used again, so second is now the oldest
	s.claim("fourth", intern, "")
	s.check("second", intern, denial.SessionUnknown)
	s.check("first", intern, "")
	for i := range 1000 {
		s.claim(fmt.Sprintf("flood-%d", i), intern, "")
	}
	s.check("victim", planner, "")
	s.check("first", intern, denial.SessionUnknown)
	if got := s.table.Len(); got != 4 {
		t.Errorf("%d sessions are remembered, want 4", got)
	}
}

func TestUsersOfOneWorkloadShareItsLimit(t *testing.T) {
	s := tell(t, session.Config{PerPeer: 1})
	s.claim("a", planner, "")
	s.claim("b", session.Owner{Peer: planner.Peer, Subject: "bob"}, "")
	s.check("a", planner, denial.SessionUnknown)
}

func TestAFullTableRefusesNewSessionsAndKeepsTheOldOnes(t *testing.T) {
	s := tell(t, session.Config{TTL: time.Minute, PerPeer: 2, Total: 3})
	s.claim("a", planner, "")
	s.claim("b", planner, "")
	s.claim("c", intern, "")
	newcomer := session.Owner{Peer: "spiffe://acme.example/crm"}
	s.claim("d", newcomer, denial.SessionLimit)
	s.claim("d", intern, denial.SessionLimit)
	s.claim("a", planner, "")

	t.Log("who is at the own limit makes room from the own sessions")
	s.claim("d", planner, "")
	s.check("b", planner, denial.SessionUnknown)

	t.Log("ending one makes room, and so does expiry")
	s.end("c", intern, "")
	s.claim("e", newcomer, "")
	s.claim("f", newcomer, denial.SessionLimit)
	s.now = start.Add(time.Minute)
	s.claim("f", newcomer, "")
	if got := s.table.Len(); got != 1 {
		t.Errorf("%d sessions are remembered, want 1", got)
	}
}

func TestMalformedIDs(t *testing.T) {
	for name, id := range map[string]string{
		"empty": "", "too long": strings.Repeat("a", session.MaxID+1), "blank": "a b", "tab": "a\t", "newline": "a\nb",
		"NUL": "a\x00", "DEL": "a\x7f", "not ASCII": "é", "not UTF-8": "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, session.Config{})
			s.claim(id, planner, denial.HeaderInvalid)
			s.check(id, planner, denial.HeaderInvalid)
			s.end(id, planner, denial.HeaderInvalid)
		})
	}
	s := tell(t, session.Config{})
	s.claim("!~", planner, "")
	s.claim(strings.Repeat("a", session.MaxID), planner, "")
}

func TestDetailsDoNotRevealTheID(t *testing.T) {
	table := session.NewTable(session.Config{})
	for _, id := range []string{"x", "0a5f8a52-7f0c-4a30-9e55-1f9a4b7d9c11"} {
		err := table.Check(context.Background(), "crm", id, planner, start)
		if err == nil || strings.Contains(err.Error(), "session "+id) {
			t.Errorf("the detail gives the session away: %v", err)
		}
	}
}

func TestOfManyClaimsAtOnceOneWins(t *testing.T) {
	table := session.NewTable(session.Config{})
	var wg sync.WaitGroup
	winners := make(chan session.Owner, 8)
	for i := range 8 {
		wg.Go(func() {
			owner := session.Owner{Peer: fmt.Sprintf("spiffe://acme.example/w%d", i)}
			if table.Claim(t.Context(), "crm", "contested", owner, start) == nil {
				winners <- owner
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d workloads own the same session", len(winners))
	}
	if err := table.Check(t.Context(), "crm", "contested", <-winners, start); err != nil {
		t.Error(err)
	}
}

func TestLimitsHoldUnderConcurrentUse(t *testing.T) {
	table := session.NewTable(session.Config{PerPeer: 8, Total: 20})
	var wg sync.WaitGroup
	for i := range 4 {
		owner := session.Owner{Peer: fmt.Sprintf("spiffe://acme.example/w%d", i)}
		wg.Go(func() {
			for n := range 200 {
				id := fmt.Sprintf("%d-%d", i, n)
				now := start.Add(time.Duration(n) * time.Second)
				_ = table.Claim(t.Context(), "crm", id, owner, now)
				_ = table.Check(t.Context(), "crm", id, owner, now)
				if n%3 == 0 {
					_ = table.End(t.Context(), "crm", id, owner, now)
				}
			}
		})
	}
	wg.Wait()
	if table.Len() > 20 {
		t.Errorf("%d sessions are over the limit", table.Len())
	}
}
