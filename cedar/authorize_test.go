package cedar_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/cedar"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func workload(path string) spiffeid.ID {
	return spiffeid.RequireFromPath(spiffeid.RequireTrustDomainFromString("acme.example"), path)
}

// from is a request of a workload without a delegation.
func from(path, server string, call *mcp.Call) authz.Query {
	q := authz.Query{
		Now: noon, Peer: peer.Peer{ID: workload(path)}, Server: server, Call: call,
		HTTP: authz.HTTPFacts{ID: "1", Host: "crm.acme.example", Path: "/mcp", SourceIP: netip.MustParseAddr("::ffff:10.0.0.1")},
	}
	if len(call.Targets) > 0 {
		q.Target = call.Targets[0]
	}
	return q
}

// onBehalf adds a delegation of a user.
func onBehalf(q authz.Query, user string, change ...func(*delegation.Claims)) authz.Query {
	claims := &delegation.Claims{
		Issuer: "spiffe://acme.example/countersign", Audience: "acme.example", Subject: user,
		IssuedAt: noon.Add(-time.Minute), Expiry: noon.Add(time.Minute),
		Actor: &delegation.Actor{Subject: q.Peer.ID.String()},
		Scope: delegation.Scope{"mcp:crm:*"}, Task: delegation.Task{Task: "t-1", Purpose: "refund"},
		MaxDepth: 4,
	}
	for _, c := range change {
		c(claims)
	}
	q.Delegation, q.RootIssuer = claims, "https://tts.acme.example"
	return q
}

func callTool(name string, arguments ...mcp.Member) *mcp.Call {
	return &mcp.Call{
		Kind: mcp.KindRequest, Method: "tools/call", Version: "2025-11-25", SessionID: "s",
		Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: name}}, Arguments: mcp.NewObject(arguments...),
	}
}

func read(uri string) *mcp.Call {
	return &mcp.Call{
		Kind: mcp.KindRequest, Method: "resources/read", Targets: []mcp.Target{{Kind: mcp.TargetResource, Name: uri}},
	}
}

func method(name string) *mcp.Call { return &mcp.Call{Kind: mcp.KindRequest, Method: name} }

func arg(name string, v mcp.Value) mcp.Member { return mcp.Member{Name: name, Value: v} }

var (
	allowed = func(ids ...string) authz.Verdict { return authz.Verdict{Allowed: true, PolicyIDs: ids} }
	nothing = authz.Verdict{}
)

func forbidden(public string, ids ...string) authz.Verdict {
	return authz.Verdict{Forbidden: true, Public: public, PolicyIDs: ids}
}

// sameVerdict compares answers, not what they cost.
var sameVerdict = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authz.Verdict{}, "Candidates")}

// The policies of testdata/acme, as the people of acme meet them.
func TestAuthorizeAcme(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	refund := func(members ...mcp.Member) *mcp.Call { return callTool("refund", members...) }
	amount, euros := arg("amount", mcp.Float(99.5)), arg("currency", mcp.String("EUR"))
	transfer := func(amount mcp.Value) *mcp.Call {
		return callTool("transfer", arg("amount", amount), arg("to", mcp.String("x")))
	}
	const tooMuch = "Transfers over 10,000 need a person."
	for name, tc := range map[string]struct {
		query authz.Query
		want  authz.Verdict
	}{
		"the planner opens a conversation": {
			from("/planner", "crm", method("initialize")), allowed("planner-uses-crm"),
		},
		"the planner lists tools": {from("/planner", "crm", method("tools/list")), allowed("planner-uses-crm")},
		"but not the ledger's":    {from("/planner", "ledger", method("tools/list")), nothing},
		"another workload of the same trust domain has no business": {
			from("/gateway", "crm", method("tools/list")), nothing,
		},
		"the planner searches for alice of finance": {
			onBehalf(from("/planner", "crm", callTool("search", arg("query", mcp.String("x")))), "alice"),
			allowed("planner-reads-crm"),
		},
		"not for bob, who is not in finance": {
			onBehalf(from("/planner", "crm", callTool("search", arg("query", mcp.String("x")))), "bob"), nothing,
		},
		"not on its own": {from("/planner", "crm", callTool("search", arg("query", mcp.String("x")))), nothing},
		"a tool that nobody pinned is not taken for harmless": {
			onBehalf(from("/planner", "crm", callTool("search2")), "alice"), nothing,
		},
		"a refund": {
			onBehalf(from("/planner", "crm", refund(amount, euros)), "bob"), allowed("planner-refunds"),
		},
		"a refund with arguments that the schema does not fully describe": {
			onBehalf(from("/planner", "crm", refund(amount, euros, arg("either", mcp.Int(1)), arg("note", mcp.Null{}))), "bob"),
			allowed("planner-refunds"),
		},
		"too large": {onBehalf(from("/planner", "crm", refund(arg("amount", mcp.Int(101)), euros)), "bob"), nothing},
		"with a fifth digit": {
			onBehalf(from("/planner", "crm", refund(arg("amount", mcp.Float(99.50001)), euros)), "bob"), nothing,
		},
		"as a string": {
			onBehalf(from("/planner", "crm", refund(arg("amount", mcp.String("99.5")), euros)), "bob"), nothing,
		},
		"for another purpose": {
			onBehalf(from("/planner", "crm", refund(amount, euros)), "bob", func(c *delegation.Claims) { c.Task.Purpose = "" }),
			nothing,
		},
		"an intern is told why not": {
			from("/interns/eve", "crm", refund(amount, euros)), forbidden("Interns may look, not touch.", "no-interns-write"),
		},
		"a workload that only sounds like an intern": {from("/internship/eve", "crm", refund(amount, euros)), nothing},
		"a small transfer":                           {from("/crm", "ledger", transfer(mcp.Int(10000))), allowed("crm-uses-ledger")},
		"a large one":                                {from("/crm", "ledger", transfer(mcp.Int(10001))), forbidden(tooMuch, "transfer-cap")},
		"a large one with a fraction":                {from("/crm", "ledger", transfer(mcp.Float(10001.5))), forbidden(tooMuch, "transfer-cap")},
		"a large one as a string":                    {from("/crm", "ledger", transfer(mcp.String("10001"))), forbidden(tooMuch, "transfer-cap")},
		"a large one in a list":                      {from("/crm", "ledger", transfer(mcp.Array{mcp.Int(10001)})), forbidden(tooMuch, "transfer-cap")},
		"one without an amount":                      {from("/crm", "ledger", callTool("transfer")), forbidden(tooMuch, "transfer-cap")},
		"an intern with a large one gets the first reason": {
			from("/interns/eve", "ledger", transfer(mcp.Int(10001))),
			forbidden("Interns may look, not touch.", "no-interns-write", "transfer-cap"),
		},
		"a chain that is too long": {
			onBehalf(from("/crm", "ledger", transfer(mcp.Int(1))), "alice", func(c *delegation.Claims) { c.Depth = 4 }),
			forbidden("", "chain-depth"),
		},
		"a document":                      {from("/planner", "crm", read("file:///srv/docs/a/b.md")), allowed("planner-reads-docs")},
		"a document of the planner's own": {from("/planner/sub", "crm", read("file:///srv/docs/a.md")), allowed("planner-reads-docs")},
		"another folder":                  {from("/planner", "crm", read("file:///srv/docsecret/a.md")), nothing},
		"the closed folder": {
			from("/planner", "crm", read("file:///srv/docs/secret/a.md")), forbidden("That folder is closed.", "no-secrets"),
		},
		"the closed folder in disguise": {
			from("/planner", "crm", read("file:///srv/docs/x/../secret/a.md")), authz.Verdict{Errors: []string{"no-secrets"}},
		},
		"a subscription to it": {
			from("/planner", "crm", &mcp.Call{Kind: mcp.KindRequest, Method: "subscriptions/listen", Targets: []mcp.Target{
				{Kind: mcp.TargetResource, Name: "file:///srv/docs/secret/a.md"}}}),
			forbidden("That folder is closed.", "no-secrets"),
		},
		"a method without an action": {from("/planner", "crm", method("sampling/createMessage")), nothing},
		"a tool call about nothing":  {from("/planner", "crm", method("tools/call")), nothing},
		"a batch as such":            {from("/planner", "crm", &mcp.Call{Kind: mcp.KindBatch}), nothing},
		"an unreadable call":         {from("/planner", "crm", &mcp.Call{}), nothing},
		"a server that is not configured": {
			from("/planner", "elsewhere", method("tools/list")), nothing,
		},
		"an actor that is no workload": {
			onBehalf(from("/planner", "crm", method("tools/list")), "alice", func(c *delegation.Claims) {
				c.Actor.Actor = &delegation.Actor{Subject: "somebody"}
			}),
			authz.Verdict{Errors: []string{"*"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := snapshot.Authorize(t.Context(), tc.query)
			if diff := cmp.Diff(tc.want, got, sameVerdict...); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One condition each: the facts that policies are promised.
func TestFacts(t *testing.T) {
	chain := func(c *delegation.Claims) {
		c.Actor = &delegation.Actor{
			Subject: "spiffe://acme.example/planner",
			Actor:   &delegation.Actor{Subject: "spiffe://acme.example/ns/web/sa/gateway"},
		}
		c.Depth = 1
	}
	search := callTool("search", arg("query", mcp.String("x")), arg("limit", mcp.Float(5)),
		arg("tags", mcp.Array{mcp.String("a"), mcp.String("b"), mcp.String("a")}), arg("region", mcp.Null{}))
	delegated := onBehalf(from("/planner", "crm", search), "alice", chain)
	partners := onBehalf(from("/planner", "crm", search), "alice", chain)
	partners.RootIssuer, partners.SubjectPrefix = "https://tts.partner.example", "partner:"
	for name, tc := range map[string]struct {
		query     authz.Query
		action    string
		condition string
	}{
		"now":           {delegated, "", `context.now == datetime("2026-11-25T12:00:00Z")`},
		"method":        {delegated, "", `context.method == "tools/call"`},
		"source":        {delegated, "", `context.request has source_ip && context.request.source_ip == ip("10.0.0.1")`},
		"host and path": {delegated, "", `context.request.host == "crm.acme.example" && context.request.http_path == "/mcp"`},
		"request id":    {delegated, "", `context.request.id == "1"`},
		"version":       {delegated, "", `context.request has protocol_version && context.request.protocol_version == "2025-11-25"`},
		"no version":    {from("/planner", "crm", method("ping")), "", `!(context.request has protocol_version)`},
		"session":       {delegated, "", `context has session && context.session.id == "s"`},
		"no session":    {from("/planner", "crm", method("ping")), "", `!(context has session)`},

		"principal":         {delegated, "", `principal == Workload::"spiffe://acme.example/planner" && principal.spiffe_id == "spiffe://acme.example/planner"`},
		"its path":          {delegated, "", `principal.trust_domain == "acme.example" && principal.path == "/planner"`},
		"its trust domain":  {delegated, "", `principal in TrustDomain::"acme.example"`},
		"its group":         {delegated, "", `principal in WorkloadGroup::"agents" && principal.hasTag("team") && principal.getTag("team") == "sales"`},
		"not in Kubernetes": {delegated, "", `!(principal has k8s)`},
		"in Kubernetes": {
			from("/ns/web/sa/gateway", "crm", method("ping")), "",
			`principal has k8s && principal.k8s.namespace == "web" && principal.k8s.service_account == "gateway"`,
		},
		"paths above": {
			from("/ns/web/sa/gateway", "crm", method("ping")), "",
			`principal in SpiffePath::"spiffe://acme.example/ns" && principal in SpiffePath::"spiffe://acme.example/ns/web" &&
			 principal in SpiffePath::"spiffe://acme.example/ns/web/sa/gateway" && !(principal in SpiffePath::"spiffe://acme.example/ns/we")`,
		},

		"delegation":    {delegated, "", `context has delegation && context.delegation.issuer == "https://tts.acme.example" && context.delegation.audience == ["acme.example"]`},
		"no delegation": {from("/planner", "crm", method("ping")), "", `!(context has delegation)`},
		"user":          {delegated, "", `context has delegation && context.delegation.subject == User::"alice" && context.delegation.subject.issuer == "https://tts.acme.example" && context.delegation.subject.subject == "alice"`},
		"another issuer's user": {
			partners, "", `context has delegation && context.delegation.subject == User::"partner:alice" &&
			context.delegation.subject != User::"alice" && !(context.delegation.subject in UserGroup::"staff") &&
			context.delegation.subject.issuer == "https://tts.partner.example" && context.delegation.subject.subject == "alice"`,
		},
		"user's groups": {delegated, "", `context has delegation && context.delegation.subject in UserGroup::"staff"`},
		"user's tags":   {delegated, "", `context has delegation && context.delegation.subject.hasTag("office") && context.delegation.subject.getTag("office").contains("Graz")`},
		"scopes":        {delegated, "", `context has delegation && context.delegation.scopes.contains("mcp:crm:*")`},
		"times":         {delegated, "", `context has delegation && context.delegation.issued_at < context.now && context.delegation.expires_at > context.now`},
		"task":          {delegated, "", `context has delegation && context.delegation has task && context.delegation.task == "t-1"`},
		"no task": {
			onBehalf(from("/planner", "crm", search), "alice", func(c *delegation.Claims) { c.Task = delegation.Task{} }), "",
			`context has delegation && !(context.delegation has task) && !(context.delegation has purpose)`,
		},
		"actors": {delegated, "", `context has delegation && context.delegation.depth == 1 && context.delegation.immediate_actor == principal &&
			context.delegation.actors.containsAll([principal, Workload::"spiffe://acme.example/ns/web/sa/gateway"])`},
		"an actor's groups": {delegated, "", `context has delegation && context.delegation.immediate_actor in WorkloadGroup::"agents"`},
		"a root presented by its subject": {
			onBehalf(from("/planner", "crm", search), "spiffe://acme.example/planner", func(c *delegation.Claims) { c.Actor = nil }), "",
			`context has delegation && context.delegation.immediate_actor == principal && context.delegation.actors == [principal]`,
		},
		"a delegation that grants nothing is one": {
			onBehalf(from("/planner", "crm", search), "alice", func(c *delegation.Claims) { c.Scope = nil }), "",
			`context has delegation && context.delegation.scopes.isEmpty()`,
		},
		"not bound to a certificate": {delegated, "", `context has delegation && !context.delegation.sender_constrained`},
		"bound to a certificate": {
			onBehalf(from("/planner", "crm", search), "alice", func(c *delegation.Claims) { c.CertificateHash = "x" }), "",
			`context has delegation && context.delegation.sender_constrained`,
		},

		"tool":         {delegated, "", `resource == Tool::"crm/search" && resource in Server::"crm"`},
		"tool's name":  {delegated, "call_tool", `resource.name == "search" && resource.known`},
		"tool's hints": {delegated, "call_tool", `resource.hints.read_only && resource.hints.destructive && !resource.hints.idempotent && !resource.hints.open_world`},
		"unknown tool": {
			from("/planner", "crm", callTool("new")), "call_tool",
			`!resource.known && resource.hints.destructive && resource.hints.open_world && !resource.hints.read_only`,
		},
		"tool's groups": {from("/crm", "ledger", callTool("balance")), "call_tool", `resource in ToolGroup::"ledger-reads"`},
		"server's groups and tags": {
			from("/crm", "ledger", method("ping")), "ping",
			`resource in ServerGroup::"money" && resource.hasTag("zone") && resource.getTag("zone") == "inner" && resource.name == "ledger"`,
		},
		"a tool is in its server's groups": {from("/crm", "ledger", callTool("balance")), "", `resource in ServerGroup::"money"`},
		"resource": {
			from("/planner", "crm", read("memo://notes/1")), "read_resource",
			`resource == Resource::"memo://notes/1" && resource.uri == "memo://notes/1" && resource.scheme == "memo" && resource in Server::"crm"`,
		},
		"prompt": {
			from("/planner", "crm", &mcp.Call{Kind: mcp.KindRequest, Method: "prompts/get", Targets: []mcp.Target{{Kind: mcp.TargetPrompt, Name: "hi"}}}),
			"get_prompt", `resource == Prompt::"crm/hi" && resource.name == "hi" && resource in Server::"crm" && context.arguments.complete`,
		},
		"task resource": {
			from("/planner", "crm", &mcp.Call{Kind: mcp.KindRequest, Method: "tasks/get", Targets: []mcp.Target{{Kind: mcp.TargetTask, Name: "7"}}}),
			"get_task", `resource == Task::"crm/7" && resource in Server::"crm"`,
		},

		"typed input": {delegated, "call_tool:crm/search", `context.input.query == "x" && context.input has limit && context.input.limit == 5 &&
			context.input has tags && context.input.tags == ["a", "b"] && !(context.input has region)`},
		"typed input and untyped arguments": {delegated, "call_tool:crm/search", `context.arguments.str.hasTag("query") && context.arguments.list.hasTag("tags")`},
		"nested input": {
			from("/planner", "crm", callTool("refund", arg("amount", mcp.Float(1.25)), arg("currency", mcp.String("EUR")),
				arg("customer", mcp.NewObject(arg("id", mcp.Int(7)), arg("name", mcp.Null{}))))),
			"call_tool:crm/refund",
			`context.input has customer && context.input.customer.id == 7 && !(context.input.customer has name) && context.input.amount == decimal("1.25")`,
		},
		"untyped arguments": {
			from("/planner", "wiki", callTool("any", arg("s", mcp.String("x")), arg("n", mcp.Int(-1)), arg("b", mcp.Bool(true)),
				arg("l", mcp.Array{mcp.String("a")}), arg("whole", mcp.Float(2)))),
			"call_tool", `context.arguments.complete && context.arguments.keys == ["s", "n", "b", "l", "whole"] &&
			context.arguments.str.hasTag("s") && context.arguments.str.getTag("s") == "x" &&
			context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") == -1 &&
			context.arguments.num.hasTag("whole") && context.arguments.num.getTag("whole") == 2 &&
			context.arguments.bool.hasTag("b") && context.arguments.bool.getTag("b") &&
			context.arguments.list.hasTag("l") && context.arguments.list.getTag("l").contains("a")`,
		},
		"no arguments are complete": {from("/planner", "wiki", &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call",
			Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: "any"}}}), "call_tool", `context.arguments.complete && context.arguments.keys.isEmpty()`},
		"arguments that do not fit the schema are not complete": {
			from("/planner", "crm", callTool("search", arg("query", mcp.Int(1)))), "call_tool",
			`!context.arguments.complete && context.arguments.num.hasTag("query")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			scope := `permit (principal, action, resource)`
			if tc.action != "" {
				scope = `permit (principal, action in Action::"` + tc.action + `", resource)`
			}
			if strings.Contains(tc.condition, "context.") && tc.action == "" {
				scope = `permit (principal, action in Action::"any", resource)`
			}
			snapshot := load(t, `@id("fact") `+scope+` when { `+tc.condition+` };`)
			if diff := cmp.Diff(allowed("fact"), snapshot.Authorize(t.Context(), tc.query), sameVerdict...); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.condition, diff)
			}
		})
	}
}

// Every argument that is not shown must make the view incomplete, one by one.
func TestArgumentsIncomplete(t *testing.T) {
	snapshot := load(t, `@id("complete") permit (principal, action in Action::"call_tool", resource) when { context.arguments.complete };`)
	long := make(mcp.Array, 1025)
	for i := range long {
		long[i] = mcp.String("x")
	}
	many := make([]mcp.Member, 1025)
	for i := range many {
		many[i] = arg(strings.Repeat("k", i+1), mcp.Bool(true))
	}
	for name, members := range map[string][]mcp.Member{
		"null":               {arg("a", mcp.Null{})},
		"fraction":           {arg("a", mcp.Float(0.5))},
		"huge whole float":   {arg("a", mcp.Float(1e300))},
		"object":             {arg("a", mcp.NewObject())},
		"list of numbers":    {arg("a", mcp.Array{mcp.Int(1)})},
		"list of lists":      {arg("a", mcp.Array{mcp.Array{}})},
		"mixed list":         {arg("a", mcp.Array{mcp.String("x"), mcp.Int(1)})},
		"long list":          {arg("a", long)},
		"many names":         many,
		"long text":          {arg("a", mcp.String(strings.Repeat("x", 256<<10)))},
		"long text in parts": {arg("a", mcp.String(strings.Repeat("x", 200<<10))), arg("b", mcp.Array{mcp.String(strings.Repeat("x", 100<<10))})},
		"long name":          {arg(strings.Repeat("x", 257<<10), mcp.Bool(true))},
	} {
		t.Run(name, func(t *testing.T) {
			if v := snapshot.Authorize(t.Context(), from("/planner", "wiki", callTool("any", members...))); v.Allowed {
				t.Error("taken for complete")
			}
		})
	}
}

// Policies that lose their grip on a request must deny, not look away.
func TestDoubts(t *testing.T) {
	const permit = `@id("p") permit (principal, action in Action::"any", resource);`
	unfit := from("/crm", "ledger", callTool("transfer", arg("amount", mcp.String("10001")), arg("to", mcp.String("x"))))
	fit := from("/crm", "ledger", callTool("transfer", arg("amount", mcp.Int(10001)), arg("to", mcp.String("x"))))
	disguised := from("/planner", "crm", read("file:///srv/%2e%2e/etc/passwd"))
	plain := from("/planner", "crm", read("file:///srv/readme"))
	doubt := func(ids ...string) authz.Verdict { return authz.Verdict{PolicyIDs: []string{"p"}, Errors: ids} }
	for name, tc := range map[string]struct {
		policies string
		query    authz.Query
		want     authz.Verdict
	}{
		"a typed forbid and arguments that do not fit": {
			permit + `@id("f") forbid (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 10000 };`,
			unfit, doubt("f"),
		},
		"a typed forbid and arguments that fit": {
			permit + `@id("f") forbid (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 10000 };`,
			fit, forbidden("", "f"),
		},
		"a typed forbid in a list of actions": {
			permit + `@id("f") forbid (principal, action in [Action::"ping", Action::"call_tool:ledger/transfer"], resource);`,
			unfit, doubt("f"),
		},
		"a typed forbid in a condition": {
			permit + `@id("f") forbid (principal, action, resource) when { action == Action::"call_tool:ledger/transfer" };`,
			unfit, doubt("f"),
		},
		"a typed forbid for another workload": {
			permit + `@id("f") forbid (principal == Workload::"spiffe://acme.example/planner", action == Action::"call_tool:ledger/transfer", resource);`,
			unfit, allowed("p"),
		},
		"a typed forbid for another tool": {
			permit + `@id("f") forbid (principal, action == Action::"call_tool:ledger/balance", resource);`,
			unfit, allowed("p"),
		},
		"a typed exception to a permit": {
			`@id("p") permit (principal, action in Action::"call_tool", resource)
			 unless { action == Action::"call_tool:ledger/transfer" };`,
			unfit, doubt("p"),
		},
		"a typed permit just does not apply": {
			`@id("p") permit (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 1 };`,
			unfit, nothing,
		},
		"a closed folder and a disguised URI": {
			permit + `@id("f") forbid (principal, action, resource in UriPath::"file:///etc");`, disguised, doubt("f"),
		},
		"a closed folder and a plain URI": {
			permit + `@id("f") forbid (principal, action, resource in UriPath::"file:///etc");`, plain, allowed("p"),
		},
		"a closed folder in a condition": {
			permit + `@id("f") forbid (principal, action == Action::"read_resource", resource) when { resource in UriPath::"file:///etc" };`,
			disguised, doubt("f"),
		},
		"a closed folder of a type of resource": {
			permit + `@id("f") forbid (principal, action, resource is Resource in UriPath::"file:///etc");`, disguised, doubt("f"),
		},
		"a closed folder for another workload": {
			permit + `@id("f") forbid (principal == Workload::"spiffe://acme.example/crm", action, resource in UriPath::"file:///etc");`,
			disguised, allowed("p"),
		},
		"an exception to a permit": {
			`@id("p") permit (principal, action == Action::"read_resource", resource) unless { resource in UriPath::"file:///etc" };`,
			disguised, doubt("p"),
		},
		"a permit for a folder just does not apply": {
			`@id("p") permit (principal, action == Action::"read_resource", resource in UriPath::"file:///srv");`, disguised, nothing,
		},
		"a policy that overflows": {
			permit + `@id("f") forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer") when
			 { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") + 9223372036854775807 > 0 };`,
			fit, doubt("f"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := load(t, tc.policies).Authorize(t.Context(), tc.query)
			if diff := cmp.Diff(tc.want, got, sameVerdict...); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMayDelegate(t *testing.T) {
	const (
		reads = `@id("reads") permit (principal == Workload::"spiffe://acme.example/crm", action == Action::"delegate", resource in ToolGroup::"ledger-reads")
			when { context has delegation && context.delegation.subject in UserGroup::"finance" };`
		all     = `@id("all") permit (principal, action == Action::"delegate", resource in Server::"ledger");`
		pinned  = `@id("pinned") permit (principal, action == Action::"delegate", resource) when { resource.known };`
		wiki    = `@id("wiki") permit (principal, action == Action::"delegate", resource in Server::"wiki");`
		but     = `@id("cap") forbid (principal, action == Action::"delegate", resource == Tool::"ledger/transfer");`
		call    = `@id("call") permit (principal, action in Action::"any", resource);`
		failing = `@id("failing") permit (principal, action == Action::"delegate", resource) when { context has delegation && context.delegation.depth + 9223372036854775807 > 0 };`
	)
	for name, tc := range map[string]struct {
		policies string
		scope    string
		want     string // "" for nothing
		err      string
	}{
		"no policy, no delegation":                       {call, "mcp:ledger:balance mcp:ledger:*", "", ""},
		"what is permitted":                              {reads, "mcp:ledger:balance mcp:ledger:transfer", "mcp:ledger:balance", ""},
		"a wildcard shrinks to what is permitted":        {reads, "mcp:ledger:*", "mcp:ledger:balance mcp:ledger:statement", ""},
		"a wildcard stays whole":                         {all, "mcp:ledger:*", "mcp:ledger:*", ""},
		"a wildcard with one exception":                  {all + but, "mcp:ledger:*", "mcp:ledger:balance mcp:ledger:statement", ""},
		"a wildcard covers tools that are not there yet": {pinned, "mcp:ledger:*", "mcp:ledger:balance mcp:ledger:statement mcp:ledger:transfer", ""},
		"a wildcard of a server without pins":            {wiki, "mcp:wiki:* mcp:ledger:balance", "mcp:wiki:*", ""},
		"a refused one":                                  {all, "mcp:wiki:*", "", ""},
		"a server that is not ours":                      {pinned + wiki, "mcp:elsewhere:x mcp:elsewhere:*", "", ""},
		"nothing is named twice":                         {reads, "mcp:ledger:balance mcp:ledger:* mcp:ledger:balance", "mcp:ledger:balance mcp:ledger:statement", ""},
		"a tool with a colon":                            {wiki, "mcp:wiki:a:b", "mcp:wiki:a:b", ""},
		"a policy that fails":                            {all + failing, "mcp:ledger:balance", "", `policies ["failing"] could not be evaluated for delegating ledger/balance`},
		"an item of another kind":                        {all, "openid", "", `scope item "openid" is not mcp:<server>:<tool>`},
		"an item without a tool":                         {all, "mcp:ledger:", "", `scope item "mcp:ledger:" is not mcp:<server>:<tool>`},
	} {
		t.Run(name, func(t *testing.T) {
			q := onBehalf(from("/planner", "crm", callTool("search")), "alice", func(c *delegation.Claims) { c.Depth = 1 })
			got, err := load(t, tc.policies).MayDelegate(t.Context(), q, workload("/crm"), strings.Fields(tc.scope))
			if message := text(err); message != tc.err {
				t.Errorf("error %q, want %q", message, tc.err)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("an actor that is no workload", func(t *testing.T) {
		q := onBehalf(from("/planner", "crm", callTool("search")), "alice", func(c *delegation.Claims) { c.Actor.Subject = "x" })
		if _, err := load(t, all).MayDelegate(t.Context(), q, workload("/crm"), delegation.Scope{"mcp:ledger:balance"}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a caller that went away", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q := onBehalf(from("/planner", "crm", callTool("search")), "alice")
		if _, err := load(t, all).MayDelegate(ctx, q, workload("/crm"), delegation.Scope{"mcp:ledger:balance"}); err == nil {
			t.Error("no error")
		}
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
