package scenario_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/scenario"
)

func parse(t *testing.T, text string) scenario.Request {
	t.Helper()
	r, err := scenario.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return r
}

// The request of the package documentation, and what its defaults come to.
func TestDefaultsAreThoseOfACommonRequest(t *testing.T) {
	q, err := parse(t, `
peer: spiffe://acme.example/planner
server: crm
tool: refund
arguments: {amount: 80, currency: EUR}
delegation: {subject: alice}
`).Query()
	if err != nil {
		t.Fatal(err)
	}
	want := mcp.NewObject(
		mcp.Member{Name: "amount", Value: mcp.Int(80)}, mcp.Member{Name: "currency", Value: mcp.String("EUR")})
	if !q.Call.Arguments.Equal(want) {
		t.Errorf("arguments: %s", q.Call.Arguments.AppendJSON(nil))
	}
	if q.Call.Kind != mcp.KindRequest || q.Call.Method != "tools/call" || q.Call.Version != mcp.Version20251125 {
		t.Errorf("call: %+v", q.Call)
	}
	if q.Target != (mcp.Target{Kind: mcp.TargetTool, Name: "refund"}) || q.Server != "crm" || !q.Now.Equal(scenario.Noon) {
		t.Errorf("query: %+v", q)
	}
	d := q.Delegation
	got := []any{
		d.Subject, d.Audience, d.Scope.String(), d.Actor.Chain(), d.Depth, d.Expiry.Sub(q.Now), q.Now.Sub(d.IssuedAt),
		d.CertificateHash, q.RootIssuer, q.SubjectPrefix, d.Task.Task,
	}
	if diff := cmp.Diff([]any{
		"alice", "acme.example", "mcp:crm:refund", []string{"spiffe://acme.example/planner"}, 0, 5 * time.Minute, time.Minute,
		"", scenario.DefaultIssuer, "", "",
	}, got); diff != "" {
		t.Errorf("delegation (-want +got):\n%s", diff)
	}
	if err := scenario.BeforePolicy(q); err != nil {
		t.Errorf("refused before policy: %v", err)
	}
}

func TestMethods(t *testing.T) {
	const who = "peer: spiffe://acme.example/planner\nserver: crm\n"
	for text, want := range map[string]struct {
		kind    mcp.Kind
		method  string
		target  mcp.Target
		version string
	}{
		"prompt: greet":                                    {mcp.KindRequest, "prompts/get", mcp.Target{Kind: mcp.TargetPrompt, Name: "greet"}, "2025-11-25"},
		"prompt: greet\narguments: {a: b}":                 {mcp.KindRequest, "prompts/get", mcp.Target{Kind: mcp.TargetPrompt, Name: "greet"}, "2025-11-25"},
		"resource: 'file:///a'":                            {mcp.KindRequest, "resources/read", mcp.Target{Kind: mcp.TargetResource, Name: "file:///a"}, "2025-11-25"},
		"task: t1":                                         {mcp.KindRequest, "tasks/get", mcp.Target{Kind: mcp.TargetTask, Name: "t1"}, "2025-11-25"},
		"task: t1\nmethod: tasks/update":                   {mcp.KindRequest, "tasks/update", mcp.Target{Kind: mcp.TargetTask, Name: "t1"}, "2026-07-28"},
		"method: tools/list":                               {mcp.KindRequest, "tools/list", mcp.Target{}, "2025-11-25"},
		"method: initialize":                               {mcp.KindRequest, "initialize", mcp.Target{}, "2025-11-25"},
		"method: server/discover":                          {mcp.KindRequest, "server/discover", mcp.Target{}, "2026-07-28"},
		"method: notifications/initialized":                {mcp.KindNotification, "notifications/initialized", mcp.Target{}, "2025-11-25"},
		"method: stream":                                   {mcp.KindStream, "", mcp.Target{}, "2025-11-25"},
		"method: end\nsession: s1":                         {mcp.KindEnd, "", mcp.Target{}, "2025-11-25"},
		"method: preflight":                                {mcp.KindPreflight, "", mcp.Target{}, ""},
		"method: response":                                 {mcp.KindResponse, "", mcp.Target{}, "2025-11-25"},
		"method: subscriptions/listen":                     {mcp.KindRequest, "subscriptions/listen", mcp.Target{}, "2026-07-28"},
		"tool: größe\nprotocol_version: 2026-07-28":        {mcp.KindRequest, "tools/call", mcp.Target{Kind: mcp.TargetTool, Name: "größe"}, "2026-07-28"},
		"tool: a\nprotocol_version: none":                  {mcp.KindRequest, "tools/call", mcp.Target{Kind: mcp.TargetTool, Name: "a"}, ""},
		"method: initialize\nprotocol_version: 2024-11-05": {mcp.KindRequest, "initialize", mcp.Target{}, "2024-11-05"},
		"method: subscriptions/listen\nresource: 'file:///a'": {
			mcp.KindRequest, "subscriptions/listen", mcp.Target{Kind: mcp.TargetResource, Name: "file:///a"}, "2026-07-28"},
		"method: completion/complete\nprompt: greet": {
			mcp.KindRequest, "completion/complete", mcp.Target{Kind: mcp.TargetPrompt, Name: "greet"}, "2025-11-25"},
		"method: completion/complete\nresource: 'file:///{a}'\nprotocol_version: 2026-07-28": {
			mcp.KindRequest, "completion/complete", mcp.Target{Kind: mcp.TargetResource, Name: "file:///{a}"}, "2026-07-28"},
	} {
		q, err := parse(t, who+text).Query()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if q.Call.Kind != want.kind || q.Call.Method != want.method || q.Target != want.target || q.Call.Version != want.version {
			t.Errorf("%s: got %s %q %v version %q", text, q.Call.Kind, q.Call.Method, q.Target, q.Call.Version)
		}
	}
}

// What would not get as far as policy is refused when it is written down.
func TestRequestsThatCannotBe(t *testing.T) {
	const tool = "peer: spiffe://acme.example/planner\nserver: crm\ntool: refund\n"
	for text, want := range map[string]string{
		"server: crm\ntool: refund":                                                                          "peer: is missing",
		"peer: planner\nserver: crm\ntool: refund":                                                           `peer: "planner" is not a SPIFFE ID`,
		"peer: /planner\nserver: crm\ntool: refund":                                                          `peer: "/planner" is a path`,
		"peer: spiffe://acme.example\nserver: crm\ntool: refund":                                             "names a trust domain",
		"trust_domain: A B\npeer: /planner\nserver: crm\ntool: x":                                            "trust_domain: ",
		"peer: spiffe://acme.example/planner\ntool: refund":                                                  "server: is missing",
		"peer: spiffe://acme.example/planner\nserver: a/b\ntool: t":                                          "server: ",
		"peer: spiffe://acme.example/planner\nserver: crm":                                                   "method: say what is asked for",
		tool + "prompt: greet":                                                                               `prompt: a request is about one thing, and this is about the tool "refund"`,
		tool + "method: tools/list":                                                                          "tool: tools/list is not about a tool",
		tool + "method: tools/shout":                                                                         "tool: tools/shout is not about a tool",
		"peer: spiffe://acme.example/p\nserver: crm\nmethod: shout":                                          "method: the request would be refused before policy is asked: method_unknown",
		"peer: spiffe://acme.example/p\nserver: crm\nmethod: tools/call":                                     "method: the request would be refused before policy is asked: params_invalid",
		"peer: spiffe://acme.example/p\nserver: crm\ntool: a b":                                              "tool: the request would be refused before policy is asked: params_invalid",
		tool + "arguments: {n: 99999999999999999999}":                                                        "arguments: the request would be refused before policy is asked: json_number",
		tool + "arguments: {n: -0}":                                                                          "json_number",
		tool + "arguments: {a: 1, A: 2}":                                                                     "json_case_variant",
		tool + "arguments: {n: 1e999}":                                                                       "json_number",
		"peer: spiffe://acme.example/p\nserver: crm\nmethod: tools/list\narguments: {}":                      "arguments: tools/list has no arguments",
		tool + "protocol_version: 2020-01-01":                                                                "protocol_version: ",
		tool + "session: 'a b'":                                                                              "session: ",
		tool + "http: {source_ip: home}":                                                                     "http.source_ip: ",
		tool + "delegation: {}":                                                                              "delegation.subject: is missing",
		tool + "delegation: {subject: a, scopes: [refund]}":                                                  "delegation.scopes: ",
		tool + "delegation: {subject: a, scopes: ['mcp:crm:a mcp:crm:b']}":                                   "delegation.scopes: ",
		tool + "delegation: {subject: a, actors: [/x]}":                                                      "delegation.actors[0]: ",
		tool + "delegation: {subject: a, depth: 9}":                                                          "delegation.depth: ",
		tool + "delegation: {subject: a, depth: -1}":                                                         "delegation.depth: ",
		tool + "delegation: {subject: a, expires_in: 5m, expires_at: 2026-01-01}":                            "delegation.expires_in: ",
		tool + "delegation: {subject: a, actors: [" + strings.Repeat("spiffe://acme.example/a, ", 10) + "]}": "delegation.actors: ",
		tool + "delegation: {subject: " + strings.Repeat("a", 3000) + "}":                                    "delegation.subject: has 3000 bytes",
	} {
		_, err := parse(t, text).Query()
		var p *scenario.Problem
		if !errors.As(err, &p) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestBeforePolicy(t *testing.T) {
	for name, tc := range map[string]struct{ delegation, want string }{
		"the presenter is another": {"actors: [/gateway, /planner]", "only spiffe://acme.example/gateway may present"},
		"it has expired":           {"expires_in: -1s", "expired at 2026-01-01T11:59:59Z"},
		"at its last instant":      {"expires_at: 2026-01-01T12:00:00Z", "expired"},
		"from the future":          {"issued_at: 2026-01-01T12:01:00Z", "from the future"},
		"of another tool":          {"scopes: ['mcp:crm:search']", "does not cover mcp:crm:refund"},
		"of nothing":               {"scopes: []", "does not cover"},
		"of all tools":             {"scopes: ['mcp:crm:*']", ""},
		"through two hops":         {"actors: [/planner, /gateway, /intern]", ""},
	} {
		q, err := parse(t, "trust_domain: acme.example\npeer: /planner\nserver: crm\ntool: refund\ndelegation: {subject: alice, "+
			tc.delegation+"}").Query()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		switch err := scenario.BeforePolicy(q); {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDelegating(t *testing.T) {
	r := parse(t, `
trust_domain: acme.example
peer: /planner
server: crm
delegation: {subject: alice}
delegate: {backend: /crm, scope: "mcp:ledger:balance"}
`)
	q, err := r.Query()
	if err != nil {
		t.Fatal(err)
	}
	backend, server, tool, err := r.Delegating()
	if err != nil || backend.String() != "spiffe://acme.example/crm" || server != "ledger" || tool != "balance" {
		t.Errorf("%s %s %s %v", backend, server, tool, err)
	}
	if q.Delegation.Scope.String() != "mcp:crm:* mcp:ledger:balance" || q.Call.Method != "tools/list" {
		t.Errorf("%+v", q.Delegation)
	}
	for text, want := range map[string]string{
		"delegate: {scope: 'mcp:crm:a'}":        "delegate.backend: is missing",
		"delegate: {backend: /crm}":             "delegate.scope: ",
		"delegate: {backend: /crm, scope: crm}": "delegate.scope: ",
		"server: crm":                           "delegate: ",
	} {
		if _, _, _, err := parse(t, "trust_domain: acme.example\n"+text).Delegating(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRevocation(t *testing.T) {
	q, err := parse(t, `
trust_domain: acme.example
peer: /oncall
revoke: {issuer: "spiffe://acme.example/countersign", operation: add, kind: task, value: case-1, expires_in: 1h}
`).Revocation()
	if err != nil || q.Entry.Kind != "task" || !q.Entry.Expires.Equal(scenario.Noon.Add(time.Hour)) || q.Workload.Path() != "/oncall" {
		t.Errorf("%+v %v", q, err)
	}
	if q, err := parse(t, "peer: spiffe://acme.example/a\nrevoke: {issuer: us, operation: list}").Revocation(); err != nil || q.Entry != nil {
		t.Errorf("%+v %v", q, err)
	}
	for text, want := range map[string]string{
		"server: crm":                                                                                       "revoke: nothing is asked",
		"revoke: {operation: list}":                                                                         "revoke.issuer: ",
		"revoke: {issuer: us, operation: burn}":                                                             "revoke.operation: ",
		"revoke: {issuer: us, operation: add, kind: cat, value: x}":                                         "revoke.value: ",
		"revoke: {issuer: us, operation: list}\nserver: crm":                                                "server: to revoke has no server",
		"revoke: {issuer: us, operation: list}\nhttp: {source_ip: x}":                                       "http.source_ip: ",
		"revoke: {issuer: us, operation: list}\ndelegation: {subject: a}":                                   "delegation: ",
		"revoke: {issuer: us, operation: add, kind: txn, value: a, expires_in: 1h, expires_at: 2027-01-01}": "revoke.expires_in: ",
	} {
		if _, err := parse(t, "peer: spiffe://acme.example/a\n"+text).Revocation(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := parse(t, "revoke: {issuer: us, operation: list}").Revocation(); err == nil {
		t.Error("nobody asks")
	}
	if _, err := parse(t, "revoke: {issuer: us, operation: list}").Query(); err == nil {
		t.Error("revoking is no call")
	}
}
