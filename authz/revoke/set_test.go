package revoke_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign.dev/authz/revoke"
)

// A set that changes answers like a list that was made anew.
func TestASetIsTheListOfItsEntries(t *testing.T) {
	kind := rapid.SampledFrom([]string{"jti", "txn", "task", "sub", "actor", "kid", "before"})
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	entry := rapid.Custom(func(t *rapid.T) revoke.Entry {
		e := revoke.Entry{Kind: kind.Draw(t, "kind"), Value: word.Draw(t, "value")}
		switch e.Kind {
		case "actor":
			e.Value = "spiffe://acme.example/" + e.Value + rapid.SampledFrom([]string{"", "/*"}).Draw(t, "suffix")
		case "before":
			// The same time in several ways.
			e.Value = rapid.SampledFrom([]string{
				"2026-11-22T00:00:00Z", "2026-11-22T01:00:00+01:00", "2026-11-22T00:00:01Z", "2026-11-21T00:00:00Z",
			}).Draw(t, "before")
			e.Issuer = rapid.SampledFrom([]string{"", "tts"}).Draw(t, "issuer")
			e.Subject = rapid.SampledFrom([]string{"", "a"}).Draw(t, "subject")
		}
		if rapid.Bool().Draw(t, "expires") {
			e.Expires = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "when")) * time.Second)
		}
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		var set revoke.Set
		model := make(map[string]revoke.Entry)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			e := entry.Draw(t, "entry")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				set.Remove(e.ID())
				delete(model, e.ID())
			case 2:
				some := rapid.SliceOfN(entry, 0, 3).Draw(t, "some")
				set.Replace(some)
				clear(model)
				for _, e := range some {
					model[e.ID()] = e
				}
			default:
				set.Put(e)
				model[e.ID()] = e
			}
		}
		if set.Len() != len(model) || len(set.Entries()) != len(model) {
			t.Fatalf("%d and %d entries, want %d", set.Len(), len(set.Entries()), len(model))
		}
		for id, want := range model {
			if got, found := set.Get(id); !found || !cmp.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
		marks := revoke.Marks{
			JTIs: []string{word.Draw(t, "jti")}, Txn: word.Draw(t, "txn"), Task: word.Draw(t, "task"), Subject: word.Draw(t, "sub"),
			Actors: []string{"spiffe://acme.example/a/x"}, KeyIDs: []string{word.Draw(t, "kid")},
			Issued: []revoke.Issued{{Issuer: rapid.SampledFrom([]string{"tts", "other"}).Draw(t, "iss"), At: now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "at")) * time.Second)}},
		}
		want := slices.ContainsFunc(set.Entries(), func(e revoke.Entry) bool {
			return (e.Expires.IsZero() || now.Before(e.Expires)) && (hits(e, marks) || tooOld(e, marks))
		})
		if e, found := set.Match(marks, now); found != want {
			t.Fatalf("Match = %v, %t; want %t of %v", e, found, want, set.Entries())
		}
	})
}

func tooOld(e revoke.Entry, marks revoke.Marks) bool {
	before, err := time.Parse(time.RFC3339, e.Value)
	return err == nil && e.Kind == revoke.KindBefore && (e.Subject == "" || e.Subject == marks.Subject) &&
		slices.ContainsFunc(marks.Issued, func(i revoke.Issued) bool {
			return i.At.Before(before) && (e.Issuer == "" || e.Issuer == i.Issuer)
		})
}

func TestBeforeATime(t *testing.T) {
	const tts, own = "https://tts.acme.example", "spiffe://acme.example/countersign"
	token := func(subject string, root time.Duration) revoke.Marks {
		return revoke.Marks{Subject: subject, Issued: []revoke.Issued{{Issuer: own, At: now.Add(time.Hour)}, {Issuer: tts, At: now.Add(root)}}}
	}
	for _, test := range []struct {
		name, entry string
		marks       revoke.Marks
		want        bool
	}{
		{"a chain that began before", "{before: 2026-11-22T00:00:00Z}", token("alice", -time.Second), true},
		{"one that began at that time", "{before: 2026-11-22T00:00:00Z}", token("alice", 0), false},
		{"the time is written elsewhere", "{before: 2026-11-22T02:00:00+02:00}", token("alice", -time.Second), true},
		{"of this issuer", "{before: 2026-11-22T00:00:00Z, issuer: " + tts + "}", token("alice", -time.Second), true},
		{"of another issuer", "{before: 2026-11-22T00:00:00Z, issuer: https://other.example}", token("alice", -time.Second), false},
		{"of the issuer of the hop, which was later", "{before: 2026-11-22T00:30:00Z, issuer: " + own + "}", token("alice", -time.Second), false},
		{"of the issuer of the hop", "{before: 2026-11-22T02:00:00Z, issuer: " + own + "}", token("alice", 2*time.Hour), true},
		{"of this user", "{before: 2026-11-22T00:00:00Z, subject: alice}", token("alice", -time.Second), true},
		{"of another user", "{before: 2026-11-22T00:00:00Z, subject: alice}", token("bob", -time.Second), false},
		{"of both", "{before: 2026-11-22T00:00:00Z, issuer: " + tts + ", subject: alice}", token("alice", -time.Second), true},
		{"of the user and another issuer", "{before: 2026-11-22T00:00:00Z, issuer: " + own + ", subject: alice}", token("alice", -time.Second), false},
		{"over", "{before: 2026-11-22T00:00:00Z, expires: 2026-11-21T00:00:00Z}", token("alice", -time.Second), false},
		{"the latest is over, an earlier one is not", "{before: 2026-11-23T00:00:00Z, expires: 2026-11-21T00:00:00Z}\n- {before: 2026-11-22T00:00:00Z}", token("alice", -time.Second), true},
		{"a peer without a token", "{before: 2026-11-22T00:00:00Z}", revoke.Marks{Actors: []string{"spiffe://acme.example/planner"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := mustParse(t, "revocations:\n- "+test.entry)
			if e, found := list.Match(test.marks, now); found != test.want {
				t.Errorf("got %v, %t", e, found)
			}
		})
	}
}

func TestEntryDescribesItself(t *testing.T) {
	e := revoke.Entry{Kind: "before", Value: "2026-11-22T00:00:00Z", Issuer: "https://tts.acme.example", Subject: "alice"}
	if got, want := e.String(), "before 2026-11-22T00:00:00Z of issuer https://tts.acme.example of sub alice"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	seen := make(map[string]revoke.Entry)
	for _, e := range []revoke.Entry{
		{Kind: "task", Value: "a"}, {Kind: "txn", Value: "a"}, {Kind: "task", Value: "b"}, {Kind: "task"},
		{Kind: "before", Value: "2026-11-22T00:00:00Z"}, {Kind: "before", Value: "2026-11-22T00:00:00Z", Issuer: "a"},
		{Kind: "before", Value: "2026-11-22T00:00:00Z", Subject: "a"}, {Kind: "before", Value: "2026-11-22T00:00:00.1Z"}, {Kind: "before", Value: "x"},
	} {
		if other, found := seen[e.ID()]; found || len(e.ID()) != 22 {
			t.Errorf("%v and %v have the ID %s", e, other, e.ID())
		}
		seen[e.ID()] = e
	}
	a, b := revoke.Entry{Kind: "task", Value: "a"}, revoke.Entry{Kind: "task", Value: "a", Reason: "x", Expires: now, By: "y", Added: now}
	if a.ID() != b.ID() {
		t.Error("two entries that revoke the same have different IDs")
	}
}

func TestEntriesThatCannotBe(t *testing.T) {
	long := strings.Repeat("a", revoke.MaxValue+1)
	for name, e := range map[string]revoke.Entry{
		"nothing":             {},
		"an unknown kind":     {Kind: "user", Value: "a"},
		"of a status list":    {Kind: revoke.KindStatus, Value: "a"},
		"no value":            {Kind: "task"},
		"a long value":        {Kind: "task", Value: long},
		"a long reason":       {Kind: "task", Value: "a", Reason: long},
		"a control character": {Kind: "task", Value: "a\nb"},
		"not UTF-8":           {Kind: "task", Value: "a\xff"},
		"blanks":              {Kind: "task", Value: " a"},
		"an issuer":           {Kind: "task", Value: "a", Issuer: "a"},
		"a subject":           {Kind: "task", Value: "a", Subject: "a"},
		"no time":             {Kind: "before", Value: "now"},
		"the zero time":       {Kind: "before", Value: "0001-01-01T00:00:00Z"},
		"a long issuer":       {Kind: "before", Value: "2026-11-22T00:00:00Z", Issuer: long},
		"no SPIFFE ID":        {Kind: "actor", Value: "planner"},
		"a trust domain":      {Kind: "actor", Value: "spiffe://acme.example"},
		"a long revoker":      {Kind: "task", Value: "a", By: long},
	} {
		if e.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	for _, e := range []revoke.Entry{
		{Kind: "task", Value: "a"},
		{Kind: "actor", Value: "spiffe://acme.example/agents/*", Reason: `"quoted"`, By: "spiffe://acme.example/oncall", Added: now},
		{Kind: "before", Value: "2026-11-22T01:00:00+01:00", Issuer: "https://tts.acme.example", Subject: "alice", Expires: now.Add(time.Nanosecond)},
	} {
		text, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := revoke.ParseRecord(text)
		if diff := cmp.Diff(e, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
		for _, spoilt := range []string{
			"", "{}", string(text) + "{}", strings.Replace(string(text), `"kind"`, `"Kind"`, 1), strings.Replace(string(text), `"value":"`, `"value":"x`, 1),
			strings.Replace(string(text), `{`, `{"x":1,`, 1), strings.Replace(string(text), e.ID(), "x", 1), strings.Repeat(" ", revoke.MaxRequest) + string(text),
		} {
			if got, err := revoke.ParseRecord([]byte(spoilt)); err == nil {
				t.Errorf("%.80s is read as %v", spoilt, got)
			}
		}
	}
	if _, err := revoke.ParseRequest(make([]byte, revoke.MaxRequest+1)); err == nil {
		t.Error("a request of any size is read")
	}
	for _, text := range []string{
		`{"task":"a","expires":"soon"}`, `{"task":"a","expires":"0001-01-01T00:00:00Z"}`, `{"task":7}`, `{"task":""}`, `{"user":"a"}`,
		`{"task":"a","txn":"b"}`, `{"reason":"a"}`, `{"task":"a","subject":"b"}`,
	} {
		if e, err := revoke.ParseRequest([]byte(text)); err == nil {
			t.Errorf("%s is taken for %v", text, e)
		}
	}
}

// source answers as it is told.
type source struct {
	revoked bool
	err     error
}

func (s source) Revoked(context.Context, revoke.Marks, time.Time) (revoke.Entry, bool, error) {
	return revoke.Entry{Value: fmt.Sprint(s.revoked)}, s.revoked, s.err
}

func TestManySources(t *testing.T) {
	yes, no, unknown := source{revoked: true}, source{}, source{err: io.EOF}
	for _, test := range []struct {
		sources revoke.Sources
		want    string
	}{
		{nil, "no"}, {revoke.Sources{no, no}, "no"}, {revoke.Sources{no, yes}, "yes"}, {revoke.Sources{unknown, yes}, "yes"},
		{revoke.Sources{yes, unknown}, "yes"}, {revoke.Sources{no, unknown}, "unknown"}, {revoke.Sources{unknown, no}, "unknown"},
	} {
		e, revoked, err := test.sources.Revoked(t.Context(), revoke.Marks{}, now)
		got := "no"
		switch {
		case revoked:
			got = "yes"
		case errors.Is(err, io.EOF):
			got = "unknown"
		}
		if got != test.want || revoked && (err != nil || e.Value != "true") {
			t.Errorf("%v: %s, want %s", test.sources, got, test.want)
		}
	}
}
