package revoke_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/revoke"
)

func TestRequestsAreReadAsTheyWereWritten(t *testing.T) {
	for _, e := range []revoke.Entry{
		{Kind: "jti", Value: "a"}, {Kind: "txn", Value: "a", Reason: "b"}, {Kind: "task", Value: "case 4711", Expires: now},
		{Kind: "sub", Value: "alice"}, {Kind: "kid", Value: "k"}, {Kind: "actor", Value: "spiffe://acme.example/agents/*"},
		{Kind: "before", Value: "2026-11-22T00:00:00Z", Issuer: "https://tts.acme.example", Subject: "alice"},
	} {
		text, err := e.Request()
		if err != nil {
			t.Fatal(err)
		}
		got, err := revoke.ParseRequest(text)
		if diff := cmp.Diff(e, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
}

// A request that is taken can be stored, and read again as the same.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"task":"a"}`, `{"task":"a","Task":"b"}`, `{"task":null}`, `{"task":""}`, `{"user":"a"}`, `{"task":"a","expires":"2026-12-01T00:00:00+01:00"}`,
		`{"actor":"spiffe://acme.example/*","reason":"b"}`, `{"before":"2026-12-01T00:00:00.5Z","subject":"a","issuer":"b"}`, `{"task":"\ud800"}`, `[1]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := revoke.ParseRequest(data)
		if err != nil {
			return
		}
		if err := e.Check(); err != nil {
			t.Fatalf("%s is taken: %v", data, err)
		}
		record, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := revoke.ParseRecord(record)
		if diff := cmp.Diff(e, got); err != nil || diff != "" {
			t.Fatalf("%s: %v %s", record, err, diff)
		}
		if _, found := mustSet(e).Match(revoke.Marks{JTIs: []string{""}, Actors: []string{"", "/"}, Issued: make([]revoke.Issued, 1)}, now); found {
			t.Fatalf("%v matches nothing in particular", e)
		}
	})
}

func mustSet(entries ...revoke.Entry) *revoke.Set {
	set := &revoke.Set{}
	set.Replace(entries)
	return set
}
