package session_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/session"
)

// model is the table as one would describe it: a list of sessions, the least recently used first.
type model struct {
	ttl            time.Duration
	perPeer, total int
	sessions       []modelSession
}

type modelSession struct {
	id    string
	owner session.Owner
	used  time.Time
}

func (m *model) find(id string, now time.Time) int {
	m.sessions = slices.DeleteFunc(m.sessions, func(s modelSession) bool { return now.Sub(s.used) >= m.ttl })
	return slices.IndexFunc(m.sessions, func(s modelSession) bool { return s.id == id })
}

func (m *model) check(id string, owner session.Owner, now time.Time) denial.Reason {
	i := m.find(id, now)
	switch {
	case i < 0:
		return denial.SessionUnknown
	case m.sessions[i].owner != owner:
		return denial.SessionForeign
	}
	used := m.sessions[i]
	used.used = now
	m.sessions = append(slices.Delete(m.sessions, i, i+1), used)
	return ""
}

func (m *model) claim(id string, owner session.Owner, now time.Time) denial.Reason {
	if reason := m.check(id, owner, now); reason != denial.SessionUnknown {
		return reason
	}
	own := 0
	for _, s := range m.sessions {
		if s.owner.Peer == owner.Peer {
			own++
		}
	}
	if own >= m.perPeer {
		oldest := slices.IndexFunc(m.sessions, func(s modelSession) bool { return s.owner.Peer == owner.Peer })
		m.sessions = slices.Delete(m.sessions, oldest, oldest+1)
	}
	if len(m.sessions) >= m.total {
		return denial.SessionLimit
	}
	m.sessions = append(m.sessions, modelSession{id, owner, now})
	return ""
}

func (m *model) end(id string, owner session.Owner, now time.Time) denial.Reason {
	reason := m.check(id, owner, now)
	if reason == "" {
		m.sessions = m.sessions[:len(m.sessions)-1]
	}
	return reason
}

func TestTheTableBehavesLikeItsDescription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			ttl:     time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Second,
			perPeer: rapid.IntRange(1, 4).Draw(t, "per peer"), total: rapid.IntRange(1, 6).Draw(t, "total"),
		}
		table := session.NewTable(session.Config{TTL: m.ttl, PerPeer: m.perPeer, Total: m.total})
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "pause")) * time.Second)
			id := fmt.Sprint(rapid.IntRange(0, 8).Draw(t, "id"))
			owner := session.Owner{
				Peer:    rapid.SampledFrom([]string{"planner", "intern", "crm"}).Draw(t, "peer"),
				Subject: rapid.SampledFrom([]string{"", "alice"}).Draw(t, "subject"),
			}
			var err error
			var want denial.Reason
			step := rapid.SampledFrom([]string{"claim", "claim", "check", "end"}).Draw(t, "step")
			switch step {
			case "claim":
				err, want = table.Claim(t.Context(), "crm", id, owner, now), m.claim(id, owner, now)
			case "check":
				err, want = table.Check(t.Context(), "crm", id, owner, now), m.check(id, owner, now)
			case "end":
				err, want = table.End(t.Context(), "crm", id, owner, now), m.end(id, owner, now)
			}
			if (err == nil) != (want == "") || err != nil && denial.ReasonOf(err) != want {
				t.Fatalf("%s %s by %v: %v, want %q", step, id, owner, err, want)
			}
		}
	})
}
