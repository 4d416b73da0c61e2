package e2e_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/e2e/stage"
)

// A task of protocol version 2026-07-28 belongs to whoever asked for it first. For anybody else it does not exist.
func TestTasksBelongToTheirOwner(t *testing.T) {
	st := raise(t, stage.Options{})
	const begin = "// Support agents work on cases"
	if err := st.EditPolicy(t.Context(), "crm.cedar", begin,
		`@id("tasks") permit (principal, action == Action::"get_task", resource in Server::"crm");`+"\n\n"+begin); err != nil {
		t.Fatal(err)
	}
	getTask := func(workload, token string) answer {
		body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t-4711","_meta":{` +
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		h := callHeader("t-4711", token)
		h.Set("Mcp-Method", "tasks/get")
		return rawCall{
			client: client(t, st, workload, "2"), url: st.URLs["crm"], header: h, body: bytes.NewReader(body), length: int64(len(body)),
		}.must(t)
	}
	bobs, err := st.Issuer.Grant(stage.Grant{User: "bob", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:crm:*"}})
	if err != nil {
		t.Fatal(err)
	}
	alices := grant(t, st)

	for _, tt := range []struct {
		name, workload, token string
		want                  string // reason in the record; empty: allowed
	}{
		{"the planner, for alice", "planner", alices, ""},
		{"the intern", "intern", "", "task_foreign"},
		{"the planner, for bob", "planner", bobs, "task_foreign"},
		{"the planner, for alice again", "planner", alices, ""},
	} {
		decisions := decided(t, st)
		got := getTask(tt.workload, tt.token)
		records := decisions()
		if len(records) != 1 || records[0].Reason != tt.want {
			t.Errorf("%s: %+v, want reason %q", tt.name, records, tt.want)
		}
		if tt.want != "" && (got.status != http.StatusNotFound || !strings.Contains(got.body, `"Unknown task: t-4711"`) || got.reason() != "") {
			t.Errorf("%s: got %d %s, want 404 as if there were no such task", tt.name, got.status, got.body)
		}
	}
}
