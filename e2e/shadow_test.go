package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
)

// A server that is tried out gets what would be refused, and nobody vouches for it.
func TestShadowModeThroughEnvoy(t *testing.T) {
	for _, form := range []struct {
		name    string
		options stage.Options
	}{
		{"header fields one by one", stage.Options{ShadowMode: true}},
		{"header fields joined", stage.Options{ShadowMode: true, JoinedHeaders: true}},
	} {
		t.Run(form.name, func(t *testing.T) {
			st := raise(t, form.options)
			overEachHTTP(t, func(t *testing.T, version string) { tryOut(t, st, version) })
			enforcedElsewhere(t, st)
			shadowModeIsLoud(t, st)
		})
	}
}

func tryOut(t *testing.T, st *stage.Stage, version string) {
	token, other := grant(t, st), grant(t, st)
	forged := http.Header{
		"X-Countersign-Subject": {"root"}, "x-COUNTERSIGN-Task": {"any", "all"}, "Delegation-Chain": {"x"},
		"X-Forwarded-Client-Cert": {"URI=" + stage.ID("ledger")}, "X-Envoy-Auth-Failure-Mode-Allowed": {"true"},
		"X-Envoy-Auth-Partial-Body": {"true"},
	}
	text := func(body string) func(*rawCall) {
		return func(c *rawCall) { c.body, c.length = strings.NewReader(body), int64(len(body)) }
	}
	for _, c := range []struct {
		name   string
		by     string // the planner if empty
		change func(*rawCall)
		would  denial.Reason
		broken bool // so that the server itself cannot make sense of it
	}{
		{name: "no token", change: func(c *rawCall) { c.header.Del("Txn-Token") }, would: denial.PolicyNoPermit},
		{name: "not a token", change: func(c *rawCall) { c.header.Set("Txn-Token", "secret") }, would: denial.TokenMalformed},
		{name: "a stolen token", by: "intern", change: func(*rawCall) {}, would: denial.TokenHolder},
		{name: "two tokens", change: func(c *rawCall) { c.header["Txn-Token"] = []string{token, other} }, would: denial.HeaderDuplicated},
		{name: "a tool outside the scope", change: func(c *rawCall) {
			narrow, err := st.Issuer.Grant(stage.Grant{User: "alice", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:ledger:*"}})
			if err != nil {
				t.Fatal(err)
			}
			c.header.Set("Txn-Token", narrow)
		}, would: denial.ScopeNotGranted},
		{name: "another tool in the mirrored name", change: func(c *rawCall) { c.header.Set("Mcp-Name", "delete_case") },
			would: denial.HeaderMismatch, broken: true},
		{name: "a member twice", change: text(`{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}`), would: denial.JSONDuplicateKey, broken: true},
		{name: "not JSON", change: text("hello"), would: denial.JSONSyntax, broken: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached, records := watch(t, st, "crm"), decided(t, st)
			by := c.by
			if by == "" {
				by = "planner"
			}
			call := readCase(client(t, st, by, version), st, token)
			for name, values := range forged {
				call.header[name] = values
			}
			call.header.Set("Authorization", "Bearer of-the-server")
			c.change(&call)
			got := call.must(t)
			if !c.broken && !got.succeeded() {
				t.Errorf("got %d %s", got.status, got.body)
			}
			arrived := reached()
			if len(arrived) != 1 {
				t.Fatalf("%d requests reached the server; the answer was %d %s", len(arrived), got.status, got.body)
			}
			header := arrived[0].Header
			if v, ok := header["Txn-Token"]; ok {
				t.Errorf("a token reached the server: %q", v)
			}
			for name := range header {
				lower := strings.ToLower(name)
				if strings.HasPrefix(lower, "x-countersign-") || slices.Contains([]string{
					"delegation-chain", "x-forwarded-client-cert", "x-envoy-auth-failure-mode-allowed", "x-envoy-auth-partial-body",
				}, lower) {
					t.Errorf("%s reached the server: %q", name, header[name])
				}
			}
			if v := header["Authorization"]; len(v) != 1 || v[0] != "Bearer of-the-server" {
				t.Errorf("the authorization of the server arrived as %q", v)
			}
			r := records()
			if len(r) != 1 || r[0].Decision != "allow" || r[0].Mode != "shadow" || r[0].WouldDeny != string(c.would) || r[0].Detail == "" {
				t.Errorf("records %+v, want one that would deny for %s", r, c.would)
			}
		})
	}
	t.Run("nothing wrong", func(t *testing.T) {
		reached, records := watch(t, st, "crm"), decided(t, st)
		got := readCase(client(t, st, "planner", version), st, token).must(t)
		arrived, r := reached(), records()
		if !got.succeeded() || len(arrived) != 1 || arrived[0].Refused != "" || len(r) != 1 || r[0].WouldDeny != "" || r[0].Mode != "shadow" {
			t.Fatalf("got %d %s, reached %+v, recorded %+v", got.status, got.body, arrived, r)
		}
		checkArrived(t, arrived[0].Header, token)
	})
}

// What one server tries out is none of another's business.
func enforcedElsewhere(t *testing.T, st *stage.Stage) {
	reached := watch(t, st, "ledger")
	call := readCase(client(t, st, "planner", "2"), st, "")
	body := toolCall("read_entry", map[string]any{"case_id": "4711"})
	call.url, call.header, call.body, call.length = st.URLs["ledger"], callHeader("read_entry", ""), bytes.NewReader(body), int64(len(body))
	if got := call.must(t); got.succeeded() || got.reason() != string(denial.PolicyNoPermit) || len(reached()) != 0 {
		t.Errorf("the ledger was reached: %d %s", got.status, got.body)
	}
}

// Nobody can overlook that a server is not protected.
func shadowModeIsLoud(t *testing.T, st *stage.Stage) {
	status, err := st.Status(t.Context())
	if err != nil || !slices.Equal(status.Shadow.Servers, []string{"crm"}) {
		t.Errorf("status: %+v, %v", status.Shadow, err)
	}
	told := scrape(t, st)
	for _, want := range []string{
		`countersign_server_mode{mode="shadow",server="crm"} 1`, `countersign_server_mode{mode="enforce",server="ledger"} 1`,
		`countersign_would_deny_total{reason="malformed",server="crm"} 2`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	log, err := os.ReadFile(filepath.Join(st.Dir, "countersign.log"))
	if err != nil || !strings.Contains(string(log), "level=WARN") || !strings.Contains(string(log), "shadow mode: nothing is refused") {
		t.Errorf("the log says nothing of it: %v", err)
	}
}

func scrape(t *testing.T, st *stage.Stage) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.AdminURL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Stricter policies are tried out: calls go on as before, and records and metrics tell what will be refused.
func TestShadowPoliciesThroughEnvoy(t *testing.T) {
	const stricter = `
		@id("all") permit (principal, action, resource);
		@id("no-reading") forbid (principal, action in Action::"call_tool", resource == Tool::"crm/read_case");
	`
	st := raise(t, stage.Options{ShadowPolicies: map[string]string{"next.cedar": stricter}})
	token, planner := grant(t, st), client(t, st, "planner", "2")
	read := func(header string) stage.Record {
		t.Helper()
		records := decided(t, st)
		got := readCase(planner, st, header).must(t)
		r := records()
		if len(r) != 1 || got.succeeded() != (r[0].Decision == "allow") {
			t.Fatalf("got %d %s, and records %+v", got.status, got.body, r)
		}
		return r[0]
	}
	status, err := st.Status(t.Context())
	if err != nil || len(status.Shadow.Policies) != 1 || status.Shadow.Policies[0].Revision == "" || len(status.Shadow.Servers) != 0 {
		t.Fatalf("status: %+v, %v", status.Shadow, err)
	}
	if r := read(token); r.Decision != "allow" || r.Mode != "" || r.LiveDecision != "allow" || r.ShadowDecision != "deny" ||
		r.ShadowReason != string(denial.PolicyForbidden) || !slices.Equal(r.ShadowPolicyIDs, []string{"no-reading"}) ||
		r.ShadowRevision != status.Shadow.Policies[0].Revision || r.ShadowRevision == r.Revision {
		t.Errorf("stricter policies: %+v", r)
	}
	// Refused by the live ones, and asked all the same.
	if r := read(""); r.Decision != "deny" || r.Reason != string(denial.PolicyNoPermit) || r.LiveDecision != "deny" || r.ShadowDecision != "deny" {
		t.Errorf("without a delegation: %+v", r)
	}

	until := func(what string, happened func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited too long until %s", what)
			}
		}
	}
	// Broken ones are seen, and are nobody's trouble: the last good ones stay.
	if err := st.WriteShadowPolicy("next.cedar", "permit ("); err != nil {
		t.Fatal(err)
	}
	until("the failure is seen", func() bool {
		return strings.Contains(scrape(t, st), `countersign_last_reload_success{source="shadow"} 0`)
	})
	if status, err = st.Status(t.Context()); err != nil || !strings.Contains(status.Shadow.Policies[0].LastError, "next.cedar:1:") {
		t.Errorf("status: %+v, %v", status.Shadow, err)
	}
	if r := read(token); r.Decision != "allow" || r.ShadowDecision != "deny" {
		t.Errorf("with broken policies: %+v", r)
	}
	// Others take their place while running. They let the crm pass on more than it may.
	if err := st.WriteShadowPolicy("next.cedar", `@id("all") permit (principal, action, resource);`); err != nil {
		t.Fatal(err)
	}
	until("they are asked", func() bool { return read(token).ShadowDecision == "allow" })
	if r := read(token); !slices.Contains(r.ShadowScope, "mcp:ledger:*") {
		t.Errorf("they would pass on %q", r.ShadowScope)
	}
	told := scrape(t, st)
	for _, want := range []string{
		`countersign_shadow_decisions_total{live="allow",server="crm",shadow="deny"}`,
		`countersign_shadow_decisions_total{live="deny",server="crm",shadow="deny"} 1`,
		`countersign_shadow_differences_total{kind="scope",server="crm"}`,
		`countersign_last_reload_success{source="shadow"} 1`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}
