package replay_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/replay"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// files gives policies as text, with the entities and tools of acme.example.
type files struct{ *cedar.Files }

func (f files) Read(context.Context) (*cedar.Files, error) { return f.Files, nil }

func (files) Usable() bool { return true }

func policies(t testing.TB, text string) *cedar.Snapshot {
	t.Helper()
	s, err := load(t, text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return s
}

func load(t testing.TB, text string) (*cedar.Snapshot, error) {
	t.Helper()
	f, err := cedar.ReadFiles(context.Background(), cedartest.Acme())
	if err != nil {
		t.Fatal(err)
	}
	if text != "" {
		f.Policies = []cedar.File{{Name: "p.cedar", Data: []byte(text)}}
	}
	return cedar.Load(context.Background(), cedar.Config{Source: files{f}, Tools: map[string]string{"wiki": ""}})
}

var noon = time.Date(2026, time.November, 25, 12, 0, 0, 0, time.UTC)

// searching is the record of a search of the planner for alice, with all that a record can have.
func searching(change ...func(*audit.Record)) audit.Record {
	r := audit.Record{
		Time: noon, Decision: "allow", DecisionID: "d-1", RequestID: "17",
		Peer: "spiffe://acme.example/planner", Subject: "alice", RootIssuer: "https://tts.acme.example",
		Actors: []string{"spiffe://acme.example/planner"}, Scope: []string{"mcp:crm:*"}, Audience: "acme.example",
		ParentIssuedAt: noon.Add(-time.Minute), ParentExpires: noon.Add(time.Minute), Host: "crm.acme.example", Path: "/mcp",
		SourceIP: "10.0.0.1", ProtocolVersion: mcp.Version20260728, Server: "crm", Method: "tools/call", Tool: "search",
		Targets: []string{"search"}, ArgumentsHash: "x", Arguments: []byte(`{"query":"x"}`), PolicyIDs: []string{"p"}, Revision: "r",
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func refused(reason string, ids ...string) func(*audit.Record) {
	return func(r *audit.Record) { r.Decision, r.Reason, r.PolicyIDs = "deny", reason, ids }
}

// log is a file with some records.
func log(t testing.TB, records ...audit.Record) string {
	t.Helper()
	var text strings.Builder
	for _, r := range records {
		line, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n", line)
	}
	return text.String()
}

func replayed(t testing.TB, before, after *cedar.Snapshot, text string, o replay.Options) *replay.Report {
	t.Helper()
	r := replay.New(before, after, o)
	if err := r.Read(t.Context(), "audit.log", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	report, err := r.Report(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := report.LeftOut + report.Undecided + report.Compared + sum(report.NotAsked); n != report.Lines {
		t.Fatalf("%d of %d lines are accounted for", n, report.Lines)
	}
	return report
}

func sum[K comparable](counts map[K]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}

func plan(t *testing.T, r *replay.Report) []byte {
	t.Helper()
	r.Old.Name, r.New.Name = "policies/", "next/"
	r.Old.Revision, r.New.Revision = "0ld0ld", "1ew1ew" // they depend on the schema, too
	var out bytes.Buffer
	if err := r.Text(&out, false); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
