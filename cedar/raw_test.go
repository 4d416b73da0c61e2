package cedar_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

// lists is the question whether the planner may list the crm's tools.
func lists() cedar.RawRequest {
	return cedar.RawRequest{
		Principal: `Workload::"spiffe://acme.example/planner"`, Action: `Action::"list_tools"`, Resource: `Server::"crm"`,
		Context:  []byte(`{"now": "2026-01-01", "method": "tools/list", "request": {"id": "", "host": "", "http_path": ""}}`),
		Entities: []byte(`[]`),
	}
}

// Plain Cedar: entities are those of the question, and what cannot be evaluated does not deny.
func TestRaw(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/a.cedar": `
@id("list") permit (principal, action in Action::"list", resource);
@id("sum") permit (principal, action, resource) when { 9223372036854775807 + context.now.toDate().toTime().toMilliseconds() + 1 > 0 };
@id("group") forbid (principal in WorkloadGroup::"agents", action, resource);
`})
	snapshot, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := snapshot.Raw()
	if err != nil {
		t.Fatal(err)
	}
	got, err := raw.Authorize(lists())
	if diff := cmp.Diff(cedar.RawAnswer{Allowed: true, Reasons: []string{"list"}, Errors: []string{"sum"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	q := lists()
	q.Entities = []byte(`[
		{"uid": {"type": "WorkloadGroup", "id": "agents"}, "attrs": {}, "parents": []},
		{"uid": {"type": "Workload", "id": "spiffe://acme.example/planner"}, "parents": [{"type": "WorkloadGroup", "id": "agents"}],
		 "attrs": {"spiffe_id": "", "trust_domain": "", "path": ""}}]`)
	got, err = raw.Authorize(q)
	if diff := cmp.Diff(cedar.RawAnswer{Reasons: []string{"group"}, Errors: []string{"sum"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRawQuestionsThatCannotBe(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := snapshot.Raw()
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*cedar.RawRequest){
		"principal ":             func(q *cedar.RawRequest) { q.Principal = "planner" },
		"action ":                func(q *cedar.RawRequest) { q.Action = "" },
		"resource ":              func(q *cedar.RawRequest) { q.Resource = `Server::"` },
		"no requests for":        func(q *cedar.RawRequest) { q.Action = `Action::"read"` },
		"does not conform":       func(q *cedar.RawRequest) { q.Principal = `User::"alice"` },
		"reading the context":    func(q *cedar.RawRequest) { q.Context = []byte(`{"now": 1}`) },
		"the context: it is not": func(q *cedar.RawRequest) { q.Context = []byte(`{}, "parents": []`) },
		"to the schema":          func(q *cedar.RawRequest) { q.Context = nil },
		"no entities":            func(q *cedar.RawRequest) { q.Entities = nil },
		"reading the entities":   func(q *cedar.RawRequest) { q.Entities = []byte(`{}`) },
		"reading the entities: ": func(q *cedar.RawRequest) {
			q.Entities = []byte(`[{"uid": {"type": "Cat", "id": ""}, "attrs": {}, "parents": []}]`)
		},
	} {
		q := lists()
		change(&q)
		if _, err := raw.Authorize(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestInventory(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"crm", "ledger", "wiki"}, snapshot.Servers()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all := snapshot.Statements()
	if len(all) != snapshot.Policies() {
		t.Fatalf("%d of %d", len(all), snapshot.Policies())
	}
	for _, s := range all {
		if s.ID == "transfer-cap" {
			want := cedar.Statement{
				ID: "transfer-cap", Forbid: true, File: "testdata/acme/policies/guard.cedar", Line: 11, Column: 1, Unless: []bool{true},
			}
			if diff := cmp.Diff(want, s); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
}

// A name that is misspelt is told apart from one that policy does not allow.
func TestUnknownNames(t *testing.T) {
	s, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ server, tool, want string }{
		"a tool":                        {"crm", "search", ""},
		"a server":                      {"crm", "", ""},
		"any tool":                      {"crm", "*", ""},
		"a tool of a server not pinned": {"wiki", "anything", ""},
		"a server that is misspelt":     {"cmr", "search", `no server "cmr" is configured: did you mean "crm"?`},
		"a server unlike any":           {"elsewhere-altogether", "", `no server "elsewhere-altogether" is configured`},
		"a tool that is misspelt":       {"crm", "serach", `server "crm" has no pinned tool "serach": did you mean "search"?`},
	} {
		if got := s.Unknown(tc.server, tc.tool); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(`@id("p") permit (principal, action, resource);`), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = cedar.Load(t.Context(), cedar.Config{Policies: dir}); err != nil {
		t.Fatal(err)
	}
	if got := s.Unknown("crm", "search"); got != "" {
		t.Errorf("%q, and nobody said which servers there are", got)
	}
}
