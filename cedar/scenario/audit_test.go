package scenario_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/scenario"
)

// record is of the planner's refund for alice, with everything that a record can say about a question.
func record() audit.Record {
	return audit.Record{
		Time: time.Date(2026, 11, 22, 8, 30, 0, 123456789, time.UTC), Decision: "allow", RequestID: "17",
		Peer: "spiffe://acme.example/planner", Subject: "alice", RootIssuer: "https://tts.acme.example", SubjectPrefix: "tts:",
		Actors: []string{"spiffe://acme.example/planner", "spiffe://acme.example/gateway"}, Scope: []string{"mcp:crm:*"},
		Audience: "acme.example", Depth: 1, ParentIssuedAt: time.Unix(1795336100, 0), ParentExpires: time.Unix(1795336400, 0),
		SenderConstrained: true, Task: "case-1", Purpose: "refund", Host: "crm.acme.example", Path: "/mcp", SourceIP: "10.0.0.1",
		ProtocolVersion: mcp.Version20260728, Server: "crm", Method: "tools/call", Tool: "refund", Targets: []string{"refund"},
		ArgumentsHash: "x", Arguments: []byte(`{"amount":1.0,"n":9007199254740993}`),
	}
}

func line(t *testing.T, change func(*audit.Record)) []byte {
	t.Helper()
	r := record()
	change(&r)
	text, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestARecordAsksWhatTheRequestAsked(t *testing.T) {
	r, exactness, err := scenario.FromAudit(line(t, func(*audit.Record) {}))
	if err != nil || !exactness.Exact() {
		t.Fatalf("%v %v", exactness, err)
	}
	q, err := r.Query()
	if err != nil {
		t.Fatal(err)
	}
	amount, _ := q.Call.Arguments.Get("amount")
	n, _ := q.Call.Arguments.Get("n")
	d := q.Delegation
	got := []any{
		q.Now, q.Peer.ID.String(), q.Server, q.Call.Method, q.Call.Version, q.Target, amount, n,
		d.Subject, q.RootIssuer, q.SubjectPrefix, d.Actor.Chain(), d.Scope.String(), d.Audience, d.Depth, d.IssuedAt.Unix(),
		d.Expiry.Unix(), d.CertificateHash != "", d.Task.Task, d.Task.Purpose,
		q.HTTP.ID, q.HTTP.Host, q.HTTP.Path, q.HTTP.SourceIP.String(),
	}
	rec := record()
	want := []any{
		rec.Time, rec.Peer, "crm", "tools/call", "2026-07-28", mcp.Target{Kind: mcp.TargetTool, Name: "refund"},
		mcp.Float(1), mcp.Int(1<<53 + 1),
		"alice", rec.RootIssuer, "tts:", rec.Actors, "mcp:crm:*", "acme.example", 1, int64(1795336100),
		int64(1795336400), true, "case-1", "refund",
		"17", "crm.acme.example", "/mcp", "10.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatARecordLost(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*audit.Record)
		lost   []scenario.Lost
	}{
		"arguments that are not recorded": {
			func(r *audit.Record) { r.Arguments = nil }, []scenario.Lost{scenario.LostArguments}},
		"a call without arguments": {func(r *audit.Record) { r.Arguments, r.ArgumentsHash = nil, "" }, nil},
		"a prompt, which has no hash": {
			func(r *audit.Record) { r.Method, r.Arguments, r.ArgumentsHash = "prompts/get", nil, "" },
			[]scenario.Lost{scenario.LostArguments}},
		"the session of an older protocol": {
			func(r *audit.Record) { r.ProtocolVersion = mcp.Version20251125 }, []scenario.Lost{scenario.LostSession}},
		"the session where no version is named": {
			func(r *audit.Record) { r.ProtocolVersion = "" }, []scenario.Lost{scenario.LostSession}},
		"an old record": {
			func(r *audit.Record) {
				r.RootIssuer, r.Scope, r.ParentExpires, r.Depth, r.Audience = "", nil, time.Time{}, 0, ""
				r.Host, r.Path, r.SourceIP = "", "", ""
			},
			[]scenario.Lost{scenario.LostDelegation, scenario.LostHTTP}},
		"a query":       {func(r *audit.Record) { r.Path = "/mcp?" }, []scenario.Lost{scenario.LostQuery}},
		"a long path":   {func(r *audit.Record) { r.Path = "/mcp…" }, []scenario.Lost{scenario.LostRest}},
		"no delegation": {func(r *audit.Record) { r.Subject = "" }, nil},
		"no scope":      {func(r *audit.Record) { r.Scope = nil }, nil},
		"a document":    {func(r *audit.Record) { r.Method, r.Targets, r.Arguments = "resources/read", []string{"file:///a"}, nil }, nil},
		"a task":        {func(r *audit.Record) { r.Method, r.Targets, r.Arguments = "tasks/get", []string{"t"}, nil }, nil},
		"a list":        {func(r *audit.Record) { r.Method, r.Targets, r.Arguments = "tools/list", nil, nil }, nil},
		"subscriptions": {
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments = "subscriptions/listen", []string{"file:///a", "file:///b"}, nil
			},
			[]scenario.Lost{scenario.LostTargets}},
		"a subscription to lists": {func(r *audit.Record) { r.Method, r.Targets, r.Arguments = "subscriptions/listen", nil, nil }, nil},
		"completion of a prompt": {
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments = "completion/complete", []string{"greet"}, nil
			},
			[]scenario.Lost{scenario.LostKind}},
		"completion of a resource": {
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments = "completion/complete", []string{"file:///{a}"}, nil
			},
			[]scenario.Lost{scenario.LostKind}},
		"a stream": {
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments, r.ProtocolVersion = "stream", nil, nil, "2025-11-25"
			},
			[]scenario.Lost{scenario.LostSession}},
		"a preflight": {
			func(r *audit.Record) { r.Method, r.Targets, r.Arguments, r.ProtocolVersion = "preflight", nil, nil, "" }, nil},
	} {
		r, exactness, err := scenario.FromAudit(line(t, tc.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.lost, exactness.Lost); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		for _, lost := range tc.lost {
			if !exactness.Has(lost) || exactness.Exact() {
				t.Errorf("%s: %v", name, exactness)
			}
		}
		if _, err := r.Query(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, _, err := scenario.FromAudit(line(t, func(r *audit.Record) { r.Scope = nil }))
	if q, _ := r.Query(); err != nil || len(q.Delegation.Scope) != 0 {
		t.Errorf("nothing was granted, and the default is: %v", q.Delegation)
	}
}

func TestRecordsWithoutAQuestion(t *testing.T) {
	for name, change := range map[string]func(*audit.Record){
		"nobody":                func(r *audit.Record) { r.Peer = "" },
		"no server":             func(r *audit.Record) { r.Server = "" },
		"an unknown method":     func(r *audit.Record) { r.Method = "unknown" },
		"no method":             func(r *audit.Record) { r.Method = "" },
		"a batch":               func(r *audit.Record) { r.Method = "batch" },
		"the token endpoint":    func(r *audit.Record) { r.Method = "token" },
		"a call without a name": func(r *audit.Record) { r.Targets = nil },
		"at no time":            func(r *audit.Record) { r.Time = time.Time{} },
	} {
		if _, _, err := scenario.FromAudit(line(t, change)); !errors.Is(err, scenario.ErrNoQuestion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"no JSON": "time", "half": `{"time":"2026-`, "a member twice": `{"peer":"a","peer":"b"}`, "not UTF-8": "{\"peer\":\"\xff\"}",
		"a wrong type": `{"targets":"a"}`, "huge": `{"detail":"` + strings.Repeat("a", scenario.MaxLine) + `"}`,
	} {
		if _, _, err := scenario.FromAudit([]byte(text)); err == nil || errors.Is(err, scenario.ErrNoQuestion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What may be passed on is asked only of records that say of what, and who.
func TestWhoMayBeAskedToPassOn(t *testing.T) {
	known := func(r *audit.Record) { r.Backend = "spiffe://acme.example/crm" }
	for name, tc := range map[string]struct {
		change func(*audit.Record)
		want   string // the backend
		bad    bool
	}{
		"a backend and a scope": {known, "spiffe://acme.example/crm", false},
		"no backend":            {func(*audit.Record) {}, "", false},
		"no delegation":         {func(r *audit.Record) { known(r); r.Subject = "" }, "", false},
		"no scope":              {func(r *audit.Record) { known(r); r.Scope = nil }, "", false},
		"an old record":         {func(r *audit.Record) { known(r); r.ParentExpires = time.Time{} }, "", false},
		"no workload":           {func(r *audit.Record) { r.Backend = "spiffe://acme.example" }, "", true},
	} {
		r, _, err := scenario.FromAudit(line(t, tc.change))
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := r.PassingOn()
		if (err != nil) != tc.bad || ok != (tc.want != "") || ok && got.String() != tc.want {
			t.Errorf("%s: %s, %t, %v", name, got, ok, err)
		}
	}
}
