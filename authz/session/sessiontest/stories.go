// Package sessiontest has the tests that every table of owners must pass, wherever it keeps them.
package sessiontest

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

// Table is what package authz asks.
type Table interface {
	Claim(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
	Check(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
	End(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
}

// Open returns an empty table.
type Open func(t testing.TB, config session.Config) Table

// Start is when the stories begin.
var Start = time.Unix(1_795_305_600, 0)

// The owners of the stories.
var (
	Planner   = session.Owner{Peer: "spiffe://acme.example/planner", Subject: "https://tts.acme.example alice"}
	Intern    = session.Owner{Peer: "spiffe://acme.example/intern", Subject: Planner.Subject}
	Mallory   = session.Owner{Peer: Planner.Peer, Subject: "https://tts.acme.example mallory"}
	nobody    = session.Owner{Peer: Planner.Peer}
	newcomer  = session.Owner{Peer: "spiffe://acme.example/crm"}
	confusing = session.Owner{Peer: Planner.Peer + "https://tts.acme.example ", Subject: "alice"}
)

func crm(id string) session.Name { return session.Name{Server: "crm", ID: id} }

// step is one request of a story.
type step struct {
	name  string        // what happens; the same as before if empty
	after time.Duration // since the beginning of the story
	do    string        // claim, check or end
	what  session.Name
	by    session.Owner
	want  denial.Reason // empty: it is theirs
}

var stories = []struct {
	name   string
	config session.Config
	steps  []step
}{
	{"a session belongs to its first user", session.Config{}, []step{
		{"nobody has it yet", 0, "check", crm("a"), Planner, denial.SessionUnknown},
		{"a first use", 1, "claim", crm("a"), Planner, ""},
		{"and the next", 2, "claim", crm("a"), Planner, ""},
		{"", 3, "check", crm("a"), Planner, ""},
		{"another workload for the same user", 4, "claim", crm("a"), Intern, denial.SessionForeign},
		{"", 5, "check", crm("a"), Intern, denial.SessionForeign},
		{"", 6, "end", crm("a"), Intern, denial.SessionForeign},
		{"the same workload for another user", 7, "claim", crm("a"), Mallory, denial.SessionForeign},
		{"", 8, "check", crm("a"), Mallory, denial.SessionForeign},
		{"", 9, "end", crm("a"), Mallory, denial.SessionForeign},
		{"the same workload without a user", 10, "claim", crm("a"), nobody, denial.SessionForeign},
		{"an owner whose names together are the same text", 11, "claim", crm("a"), confusing, denial.SessionForeign},
		{"it still is hers", 12, "check", crm("a"), Planner, ""},
	}},
	{"another case is no way in", session.Config{}, []step{
		{"", 0, "claim", crm("aBc-1"), Planner, ""},
		{"", 1, "claim", crm("AbC-1"), Intern, denial.SessionForeign},
		{"", 2, "check", crm("abc-1"), Intern, denial.SessionForeign},
		{"", 3, "end", crm("ABC-1"), Intern, denial.SessionForeign},
		{"not for its owner either, who has only one", 4, "check", crm("ABC-1"), Planner, ""},
	}},
	{"equal ids of different things are different", session.Config{}, []step{
		{"", 0, "claim", crm("a"), Planner, ""},
		{"another server", 1, "claim", session.Name{Server: "ledger", ID: "a"}, Intern, ""},
		{"a task", 2, "claim", session.Name{Server: "crm", Kind: session.Task, ID: "a"}, Intern, ""},
		{"a handle", 3, "claim", session.Name{Server: "crm", Kind: session.Handle, ID: "a"}, newcomer, ""},
		{"names that together are the same text", 4, "claim", session.Name{Server: "cr", ID: "ma"}, newcomer, ""},
		{"all are where they were", 5, "check", crm("a"), Planner, ""},
		{"", 6, "check", crm("a"), Intern, denial.SessionForeign},
		{"", 7, "claim", session.Name{Server: "crm", Kind: session.Task, ID: "a"}, Planner, denial.TaskForeign},
		{"", 8, "claim", session.Name{Server: "crm", Kind: session.Handle, ID: "a"}, Planner, denial.HandleForeign},
	}},
	{"what ended is forgotten", session.Config{}, []step{
		{"", 0, "end", crm("a"), Planner, denial.SessionUnknown},
		{"", 1, "claim", crm("a"), Planner, ""},
		{"", 2, "end", crm("a"), Planner, ""},
		{"", 3, "check", crm("a"), Planner, denial.SessionUnknown},
		{"", 4, "end", crm("a"), Planner, denial.SessionUnknown},
		{"", 5, "claim", crm("a"), Intern, ""},
	}},
	{"without use it expires", session.Config{TTL: time.Minute}, []step{
		{"", 0, "claim", crm("a"), Planner, ""},
		{"", 1, "claim", crm("b"), Planner, ""},
		{"a use, which b does not see", 59 * time.Second, "claim", crm("a"), Planner, ""},
		{"looking is no use", 59*time.Second + 1, "check", crm("b"), Planner, ""},
		{"", 59*time.Second + 2, "check", crm("b"), Intern, denial.SessionForeign},
		{"", 61 * time.Second, "check", crm("a"), Planner, ""},
		{"", 61 * time.Second, "check", crm("b"), Planner, denial.SessionUnknown},
		{"", 61 * time.Second, "end", crm("b"), Planner, denial.SessionUnknown},
		{"somebody else may have it, as if it had never been", 62 * time.Second, "claim", crm("b"), Intern, ""},
		{"", 63 * time.Second, "check", crm("b"), Planner, denial.SessionForeign},
		{"a request that was decided earlier arrives later", 10 * time.Second, "claim", crm("a"), Planner, ""},
		{"and does not shorten the life", 118 * time.Second, "check", crm("a"), Planner, ""},
		{"", 119 * time.Second, "check", crm("a"), Planner, denial.SessionUnknown},
	}},
	{"who has too many loses the own ones", session.Config{PerPeer: 2, Total: 100}, []step{
		{"", 0, "claim", crm("a"), Planner, ""},
		{"", 1 * time.Second, "claim", crm("b"), Planner, ""},
		{"a is used again, so b is the oldest", 2 * time.Second, "claim", crm("a"), Planner, ""},
		{"", 3 * time.Second, "claim", crm("c"), Planner, ""},
		{"", 4 * time.Second, "check", crm("b"), Planner, denial.SessionUnknown},
		{"", 5 * time.Second, "check", crm("a"), Planner, ""},
		{"ending one makes room", 6 * time.Second, "end", crm("a"), Planner, ""},
		{"", 7 * time.Second, "claim", crm("d"), Planner, ""},
		{"", 8 * time.Second, "check", crm("c"), Planner, ""},
	}},
	{"nobody takes another user's session by pushing it out", session.Config{TTL: time.Minute, PerPeer: 2, Total: 100}, []step{
		{"", 0, "claim", crm("alice"), Planner, ""},
		{"", 1 * time.Second, "claim", crm("m1"), Mallory, ""},
		{"the workload has its two", 2 * time.Second, "claim", crm("m2"), Mallory, ""},
		{"", 3 * time.Second, "claim", crm("m3"), Mallory, ""},
		{"", 4 * time.Second, "claim", crm("alice"), Mallory, denial.SessionForeign},
		{"somebody who has none finds no room", 5 * time.Second, "claim", crm("n"), nobody, denial.SessionLimit},
		{"", 6 * time.Second, "check", crm("alice"), Planner, ""},
		{"until one expires", 61 * time.Second, "claim", crm("n"), nobody, ""},
	}},
	{"when all is full, new ones are refused and old ones kept", session.Config{TTL: time.Minute, PerPeer: 2, Total: 3}, []step{
		{"", 0, "claim", crm("a"), Planner, ""},
		{"", 1 * time.Second, "claim", crm("b"), Planner, ""},
		{"", 2 * time.Second, "claim", crm("c"), Intern, ""},
		{"", 3 * time.Second, "claim", crm("d"), newcomer, denial.SessionLimit},
		{"", 4 * time.Second, "claim", crm("d"), Intern, denial.SessionLimit},
		{"", 5 * time.Second, "claim", crm("a"), Planner, ""},
		{"who is at the own limit makes room from the own ones", 6 * time.Second, "claim", crm("d"), Planner, ""},
		{"", 7 * time.Second, "check", crm("b"), Planner, denial.SessionUnknown},
		{"ending makes room", 8 * time.Second, "end", crm("c"), Intern, ""},
		{"", 9 * time.Second, "claim", crm("e"), newcomer, ""},
		{"", 10 * time.Second, "claim", crm("f"), newcomer, denial.SessionLimit},
		{"and so does expiry", 70 * time.Second, "claim", crm("f"), newcomer, ""},
	}},
}

// Stories plays all stories on tables that open returns.
func Stories(t *testing.T, open Open) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			table := open(t, story.config)
			for i, s := range story.steps {
				do := map[string]func(context.Context, session.Name, session.Owner, time.Time) error{
					"claim": table.Claim, "check": table.Check, "end": table.End,
				}[s.do]
				if got := reasonOf(do(t.Context(), s.what, s.by, Start.Add(s.after))); got != s.want {
					t.Fatalf("step %d, %s %s: got %q, want %q", i+1, s.name, s.do, got, s.want)
				}
			}
		})
	}
	t.Run("a flood costs only who makes it", func(t *testing.T) { flood(t, open) })
	t.Run("ids that are none", func(t *testing.T) { malformed(t, open) })
	t.Run("guessing finds nothing", func(t *testing.T) { guess(t, open) })
	t.Run("of many claims at once one wins", func(t *testing.T) { Race(t, open(t, session.Config{})) })
}

func flood(t *testing.T, open Open) {
	table := open(t, session.Config{PerPeer: 3, Total: 100})
	if err := table.Claim(t.Context(), crm("victim"), Planner, Start); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := table.Claim(t.Context(), numbered(i), Intern, Start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	after := Start.Add(200 * time.Second)
	if err := table.Check(t.Context(), crm("victim"), Planner, after); err != nil {
		t.Errorf("the victim lost its session: %v", err)
	}
	for i := range 200 {
		want := denial.Reason("")
		if i < 197 {
			want = denial.SessionUnknown
		}
		if got := reasonOf(table.Check(t.Context(), numbered(i), Intern, after)); got != want {
			t.Errorf("session %d of the flood: got %q, want %q", i, got, want)
		}
	}
}

func malformed(t *testing.T, open Open) {
	table := open(t, session.Config{})
	for name, id := range map[string]string{
		"empty": "", "too long": strings.Repeat("a", session.MaxID+1), "huge": strings.Repeat("a", 1<<20), "blank": "a b", "tab": "a\t",
		"newline": "a\nb", "NUL": "a\x00", "DEL": "a\x7f", "not ASCII": "é", "a letter that folds to k": "\u212a", "not UTF-8": "\xff",
	} {
		for kind, want := range map[session.Kind]denial.Reason{
			session.Session: denial.HeaderInvalid, session.Task: denial.ParamsInvalid, session.Handle: denial.ParamsInvalid,
		} {
			what := session.Name{Server: "crm", Kind: kind, ID: id}
			for _, err := range []error{
				table.Claim(t.Context(), what, Planner, Start), table.Check(t.Context(), what, Planner, Start),
				table.End(t.Context(), what, Planner, Start),
			} {
				if got := reasonOf(err); got != want {
					t.Errorf("%s %s: got %q, want %q", name, kind, got, want)
				}
				if len(err.Error()) > 200 {
					t.Errorf("%s %s: a detail of %d bytes", name, kind, len(err.Error()))
				}
			}
		}
	}
	for _, id := range []string{"!~", strings.Repeat("a", session.MaxID), `{"*\`} {
		if err := table.Claim(t.Context(), crm(id), Planner, Start); err != nil {
			t.Error(err)
		}
	}
}

// guess tries ids that are close to one that is there. None tells whether it is close, and none gets in.
func guess(t *testing.T, open Open) {
	table := open(t, session.Config{})
	const id = "0a5f8a52-7f0c-4a30-9e55-1f9a4b7d9c11"
	if err := table.Claim(t.Context(), crm(id), Planner, Start); err != nil {
		t.Fatal(err)
	}
	guesses := []string{id[:len(id)-1], id + "0", "*", "0a5f8a52*", "crm:" + id, id + "\\", "id", "all", "peer", "owner"}
	for i := range 10 {
		guesses = append(guesses, fmt.Sprintf("%s%x", id[:len(id)-1], i+2))
	}
	for _, g := range guesses {
		if got := reasonOf(table.Check(t.Context(), crm(g), Intern, Start)); got != denial.SessionUnknown {
			t.Errorf("guess %q: got %q", g, got)
		}
	}
	err := table.Check(t.Context(), crm(id), Intern, Start)
	if err == nil || strings.Contains(err.Error(), id) || strings.Contains(err.Error(), "alice") {
		t.Errorf("the detail gives it away: %v", err)
	}
}

// Race has owners claim the same ids through several tables at once. Each id must go to exactly one. The tables must
// share what they know, or be the same one.
func Race(t *testing.T, tables ...Table) {
	t.Helper()
	const ids = 20
	var mu sync.Mutex
	winners := make(map[int][]session.Owner)
	var wg sync.WaitGroup
	for i := range 8 {
		owner := session.Owner{Peer: fmt.Sprintf("spiffe://acme.example/w%d", i)}
		table := tables[i%len(tables)]
		wg.Go(func() {
			for id := range ids {
				if table.Claim(t.Context(), numbered(id), owner, Start) == nil {
					mu.Lock()
					winners[id] = append(winners[id], owner)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for id := range ids {
		if len(winners[id]) != 1 {
			t.Errorf("%d workloads own session %d", len(winners[id]), id)
			continue
		}
		for _, table := range tables {
			if err := table.Check(t.Context(), numbered(id), winners[id][0], Start); err != nil {
				t.Error(err)
			}
		}
	}
}
