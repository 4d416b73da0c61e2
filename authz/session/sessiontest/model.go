package sessiontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/session"
)

// model is a table as one would describe it: a list of ids, the least recently used first.
type model struct {
	config session.Config
	ids    []modelID
}

type modelID struct {
	name  session.Name
	owner session.Owner
	used  time.Time
}

func same(a, b session.Name) bool {
	return a.Server == b.Server && a.Kind == b.Kind && strings.EqualFold(a.ID, b.ID)
}

func (m *model) find(name session.Name, now time.Time) int {
	m.ids = slices.DeleteFunc(m.ids, func(s modelID) bool { return now.Sub(s.used) >= m.config.TTL })
	return slices.IndexFunc(m.ids, func(s modelID) bool { return same(s.name, name) })
}

func (m *model) check(name session.Name, owner session.Owner, now time.Time) denial.Reason {
	i := m.find(name, now)
	switch {
	case i < 0:
		return denial.SessionUnknown
	case m.ids[i].owner != owner:
		return denial.ReasonOf(name.Foreign())
	}
	return ""
}

func (m *model) claim(name session.Name, owner session.Owner, now time.Time) denial.Reason {
	switch reason := m.check(name, owner, now); reason {
	case "":
		i := m.find(name, now)
		used := m.ids[i]
		used.used = now
		m.ids = append(slices.Delete(m.ids, i, i+1), used)
		return ""
	case denial.SessionUnknown:
	default:
		return reason
	}
	ofPeer := 0
	for _, s := range m.ids {
		if s.owner.Peer == owner.Peer {
			ofPeer++
		}
	}
	if ofPeer >= m.config.PerPeer {
		oldest := slices.IndexFunc(m.ids, func(s modelID) bool { return s.owner == owner })
		if oldest < 0 {
			return denial.SessionLimit
		}
		m.ids = slices.Delete(m.ids, oldest, oldest+1)
	}
	if len(m.ids) >= m.config.Total {
		return denial.SessionLimit
	}
	m.ids = append(m.ids, modelID{name, owner, now})
	return ""
}

func (m *model) end(name session.Name, owner session.Owner, now time.Time) denial.Reason {
	reason := m.check(name, owner, now)
	if reason == "" {
		i := m.find(name, now)
		m.ids = slices.Delete(m.ids, i, i+1)
	}
	return reason
}

// Model compares a table with its description, on random sequences of requests.
func Model(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{config: session.Config{
			TTL:     time.Duration(rapid.IntRange(1, 20).Draw(rt, "ttl")) * time.Second,
			PerPeer: rapid.IntRange(1, 4).Draw(rt, "per peer"), Total: rapid.IntRange(1, 6).Draw(rt, "total"),
		}}
		table := open(t, m.config)
		now := Start
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			// At least a millisecond, so that no two uses are equally long ago.
			now = now.Add(time.Millisecond + time.Duration(rapid.IntRange(0, 5).Draw(rt, "pause"))*time.Second)
			name := session.Name{
				Server: rapid.SampledFrom([]string{"crm", "ledger"}).Draw(rt, "server"),
				Kind:   rapid.SampledFrom([]session.Kind{session.Session, session.Task, session.Handle}).Draw(rt, "kind"),
				ID:     rapid.SampledFrom([]string{"a", "b", "B", "c"}).Draw(rt, "id"),
			}
			owner := session.Owner{
				Peer:    rapid.SampledFrom([]string{"planner", "intern", "crm"}).Draw(rt, "peer"),
				Subject: rapid.SampledFrom([]string{"", "alice"}).Draw(rt, "subject"),
			}
			var err error
			var want denial.Reason
			step := rapid.SampledFrom([]string{"claim", "claim", "check", "end"}).Draw(rt, "step")
			switch step {
			case "claim":
				err, want = table.Claim(t.Context(), name, owner, now), m.claim(name, owner, now)
			case "check":
				err, want = table.Check(t.Context(), name, owner, now), m.check(name, owner, now)
			case "end":
				err, want = table.End(t.Context(), name, owner, now), m.end(name, owner, now)
			}
			if got := reasonOf(err); got != want {
				rt.Fatalf("%s %v by %v: %q, want %q: %v", step, name, owner, got, want, err)
			}
		}
	})
}

// reasonOf is the reason of a refusal, and empty without one.
func reasonOf(err error) denial.Reason {
	if err == nil {
		return ""
	}
	return denial.ReasonOf(err)
}

// numbered returns a different session for every number.
func numbered(i int) session.Name { return crm(fmt.Sprintf("session-%d", i)) }
