package revoke_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
)

var now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func mustParse(t testing.TB, text string) *revoke.List {
	t.Helper()
	list, err := denyfile.Parse("revocations.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const everyKind = `
revocations:
  - jti: token-1
    reason: leaked in a log
  - txn: txn-1
  - task: case-4711
    reason: customer withdrew consent
    expires: 2026-12-01T00:00:00Z
  - sub: alice
    expires: 2026-11-22T00:00:00Z # over
  - sub: bob
  - actor: spiffe://acme.example/intern
  - actor: spiffe://acme.example/agents/*
  - actor: spiffe://evil.example/*
  - kid: key-1
  - task: "4712"
`

func TestMatch(t *testing.T) {
	list := mustParse(t, everyKind)
	if list.Len() != 10 {
		t.Errorf("%d entries, want 10", list.Len())
	}
	actors := func(ids ...string) revoke.Marks { return revoke.Marks{Actors: ids} }
	for _, test := range []struct {
		name  string
		marks revoke.Marks
		want  string // kind and value, empty for none
	}{
		{"nothing known about the request", revoke.Marks{}, ""},
		{"empty marks match nothing", revoke.Marks{JTIs: []string{""}, Actors: []string{""}, KeyIDs: []string{""}}, ""},
		{"the token itself", revoke.Marks{JTIs: []string{"token-1"}}, "jti token-1"},
		{"the root of the token", revoke.Marks{JTIs: []string{"token-7", "token-1"}}, "jti token-1"},
		{"another token", revoke.Marks{JTIs: []string{"token-10"}}, ""},
		{"the transaction", revoke.Marks{Txn: "txn-1"}, "txn txn-1"},
		{"the task", revoke.Marks{Task: "case-4711"}, "task case-4711"},
		{"a task that looks like a number", revoke.Marks{Task: "4712"}, "task 4712"},
		{"a task in another case", revoke.Marks{Task: "CASE-4711"}, ""},
		{"the user", revoke.Marks{Subject: "bob"}, "sub bob"},
		{"a user whose revocation is over", revoke.Marks{Subject: "alice"}, ""},
		{"a value of another kind", revoke.Marks{Subject: "token-1", Txn: "bob"}, ""},
		{"the key", revoke.Marks{KeyIDs: []string{"key-0", "key-1"}}, "kid key-1"},
		{"the presenter", actors("spiffe://acme.example/intern"), "actor spiffe://acme.example/intern"},
		{"somebody earlier in the chain", actors("spiffe://acme.example/crm", "spiffe://acme.example/intern"), "actor spiffe://acme.example/intern"},
		{"below an exact entry", actors("spiffe://acme.example/intern/a"), ""},
		{"below a prefix", actors("spiffe://acme.example/agents/a"), "actor spiffe://acme.example/agents/*"},
		{"deep below a prefix", actors("spiffe://acme.example/agents/a/b/c"), "actor spiffe://acme.example/agents/*"},
		{"the prefix itself is not below it", actors("spiffe://acme.example/agents"), ""},
		{"a name that starts like the prefix", actors("spiffe://acme.example/agents-of-trust/a"), ""},
		{"any workload of a trust domain", actors("spiffe://evil.example/x"), "actor spiffe://evil.example/*"},
		{"a trust domain that starts alike", actors("spiffe://evil.example.org/x"), ""},
		{"an actor that is no SPIFFE ID", actors("agent:7"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, found := list.Match(test.marks, now)
			if got := strings.TrimSpace(e.Kind + " " + e.Value); got != test.want || found != (test.want != "") {
				t.Errorf("got %q, %t; want %q", got, found, test.want)
			}
		})
	}
}

func TestAnEntryExpires(t *testing.T) {
	list := mustParse(t, everyKind)
	marks := revoke.Marks{Task: "case-4711"}
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if e, found := list.Match(marks, end.Add(-1)); !found || e.Reason != "customer withdrew consent" || !e.Expires.Equal(end) {
		t.Errorf("right before: %+v, %t", e, found)
	}
	if e, found := list.Match(marks, end); found {
		t.Errorf("at the time: %+v", e)
	}
}

func TestOfTwoEntriesForOneValueTheLongerCounts(t *testing.T) {
	for _, order := range []string{"S L", "L S", "S N", "N S", "L N", "N L"} {
		var text strings.Builder
		text.WriteString("revocations:\n")
		for _, kind := range strings.Fields(order) {
			text.WriteString("  - actor: spiffe://acme.example/agents/*\n")
			switch kind {
			case "S":
				text.WriteString("    expires: 2026-11-21T00:00:00Z\n")
			case "L":
				text.WriteString("    expires: 2026-11-23T00:00:00Z\n")
			}
		}
		list := mustParse(t, text.String())
		if _, found := list.Match(revoke.Marks{Actors: []string{"spiffe://acme.example/agents/a"}}, now); !found || list.Len() != 1 {
			t.Errorf("%s: found %t with %d entries", order, found, list.Len())
		}
	}
}

func TestTheZeroListHasNoEntries(t *testing.T) {
	var list revoke.List
	if _, found := list.Match(revoke.Marks{Txn: "a", Actors: []string{"spiffe://acme.example/a"}}, now); found || list.Len() != 0 {
		t.Error("something was found in nothing")
	}
}

// The maps give the same answer as looking at every entry.
func TestMatchAgreesWithLookingAtEveryEntry(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "aa", "a/b"})
	actor := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "aa"}), 1, 4).Draw(t, "path")
		return "spiffe://acme.example/" + strings.Join(parts, "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		var entries []revoke.Entry
		var text strings.Builder
		text.WriteString("revocations:\n")
		for range rapid.IntRange(1, 8).Draw(t, "entries") {
			e := revoke.Entry{Kind: rapid.SampledFrom([]string{"jti", "txn", "task", "sub", "actor", "kid"}).Draw(t, "kind")}
			e.Value = word.Draw(t, "value")
			if e.Kind == "actor" {
				e.Value = actor.Draw(t, "actor") + rapid.SampledFrom([]string{"", "/*"}).Draw(t, "suffix")
			}
			fmt.Fprintf(&text, "- %s: %q\n", e.Kind, e.Value)
			if rapid.Bool().Draw(t, "expires") {
				e.Expires = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "when")) * time.Second)
				fmt.Fprintf(&text, "  expires: %s\n", e.Expires.Format(time.RFC3339))
			}
			entries = append(entries, e)
		}
		list, err := denyfile.Parse("f", []byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		marks := revoke.Marks{
			JTIs: rapid.SliceOfN(word, 0, 2).Draw(t, "jtis"), Txn: word.Draw(t, "txn"), Task: word.Draw(t, "task"),
			Subject: word.Draw(t, "sub"), Actors: rapid.SliceOfN(actor, 0, 3).Draw(t, "actors"),
			KeyIDs: rapid.SliceOfN(word, 0, 2).Draw(t, "kids"),
		}
		want := false
		for _, e := range entries {
			want = want || (e.Expires.IsZero() || now.Before(e.Expires)) && hits(e, marks)
		}
		if e, found := list.Match(marks, now); found != want || found && !hits(e, marks) {
			t.Fatalf("Match = %+v, %t; want %t for %+v in\n%s", e, found, want, marks, text.String())
		}
	})
}

func hits(e revoke.Entry, marks revoke.Marks) bool {
	values := map[string][]string{
		"jti": marks.JTIs, "txn": {marks.Txn}, "task": {marks.Task}, "sub": {marks.Subject}, "actor": marks.Actors, "kid": marks.KeyIDs,
	}
	for _, v := range values[e.Kind] {
		if v == e.Value || e.Kind == "actor" && strings.HasSuffix(e.Value, "/*") && strings.HasPrefix(v, strings.TrimSuffix(e.Value, "*")) {
			return true
		}
	}
	return false
}

func BenchmarkMatch(b *testing.B) {
	for _, entries := range []int{10, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("revocations:\n- actor: spiffe://acme.example/agents/*\n")
			for i := range entries {
				fmt.Fprintf(&text, "- jti: token-%d\n", i)
			}
			list := mustParse(b, text.String())
			marks := revoke.Marks{
				JTIs: []string{"a", "b"}, Txn: "t", Task: "t", Subject: "alice", KeyIDs: []string{"k"},
				Actors: []string{"spiffe://acme.example/planner", "spiffe://acme.example/crm"},
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, found := list.Match(marks, now); found {
					b.Fatal("found")
				}
			}
		})
	}
}
