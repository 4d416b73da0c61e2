package cedar

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// What is asked in part, and the callers and users that it may be about.
var (
	somePrincipals = map[string][]string{
		`Workload::"spiffe://acme.example/planner"`:       {"/planner"},
		`Workload::"spiffe://acme.example/interns/eve"`:   {"/interns/eve"},
		`SpiffePath::"spiffe://acme.example/interns"`:     {"/interns", "/interns/eve"},
		`SpiffePath::"spiffe://acme.example/ns/web"`:      {"/ns/web/sa/gateway", "/ns/web"},
		`TrustDomain::"acme.example"`:                     {"/planner", "/interns/eve", "/crm", "/ns/web/sa/gateway"},
		`WorkloadGroup::"agents"`:                         {"/planner"},
		`WorkloadGroup::"interns"`:                        {"/interns", "/interns/eve"},
		`Workload::"spiffe://acme.example/ns/web/sa/web"`: {"/ns/web/sa/web"},
		OtherWorkload: {"spiffe://stranger.example/interns/eve", "spiffe://stranger.example/ns/web/sa/web", "spiffe://x.other.example/x"},
	}
	someUsers = map[string][]string{
		"": {"alice", "bob", "carol", "partner:alice", "-"}, "-": {"-"},
		`User::"alice"`: {"alice"}, `User::"carol"`: {"carol"}, `User::"partner:alice"`: {"partner:alice"},
		`UserGroup::"staff"`: {"alice", "bob"}, `UserGroup::"finance"`: {"alice"},
	}
)

// Conditions of all kinds, each of which can stand anywhere.
var callFacts = []string{
	"true", "false", `principal is Workload`, `resource is Tool in Server::"crm"`, `resource is Prompt`, `principal == resource`,
	`principal in [WorkloadGroup::"interns", WorkloadGroup::"nobody"]`, `principal in WorkloadGroup::"agents"`,
	`principal != Workload::"spiffe://acme.example/planner"`, `principal.path like "/i*"`, `principal.trust_domain == "acme.example"`,
	`principal has k8s && principal.k8s.namespace == "web"`, `principal.hasTag("team") && principal.getTag("team") like "s*"`,
	`Workload::"spiffe://acme.example/crm".path == "/crm"`, `Workload::"spiffe://acme.example/crm" has k8s`,
	`Workload::"spiffe://acme.example/planner" in WorkloadGroup::"agents"`, `User::"bob" in UserGroup::"staff"`, `User::"bob".subject == "bob"`,
	`resource.hints.read_only`, `resource.known`, `resource.name like "s*"`, `resource == Tool::"crm/search"`, `resource in ToolGroup::"ledger-reads"`,
	`resource in ServerGroup::"money"`, `Tool::"ledger/balance" in ToolGroup::"ledger-reads"`, `Tool::"crm/nothing".known`, `Server::"ledger".hasTag("zone")`,
	`action == Action::"call_tool"`, `action in Action::"call_tool:crm/search"`, `action in [Action::"read", Action::"write"]`,
	`context has delegation`, `context has arguments`, `context has session`, `context has input`, `context.method == "tools/call"`,
	`context has delegation && context.delegation.depth > 1`, `context has delegation && context.delegation has task`,
	`context has delegation && context.delegation.depth * 4611686018427387904 > 0`, `context has delegation && context.delegation.depth - 1 < 2`,
	`context has delegation && -context.delegation.depth < 0`, `context has delegation && context.delegation has depth`,
	`context has delegation && context.delegation.subject in UserGroup::"staff"`, `context has delegation && context.delegation.subject == User::"alice"`,
	`context has delegation && context.delegation.subject is User in UserGroup::"finance"`, `context has delegation && context.delegation.subject is User`,
	`context has delegation && context.delegation.subject in [UserGroup::"none", UserGroup::"finance"]`,
	`context has delegation && context.delegation.subject.issuer == "https://tts.acme.example"`, `context has delegation && context.delegation.subject.subject == "alice"`,
	`context has delegation && context.delegation.subject.hasTag("office") && context.delegation.subject.getTag("office").contains("Graz")`,
	`context has delegation && context.delegation.immediate_actor == principal`, `context has delegation && context.delegation.actors.contains(principal)`,
	`context has delegation && [principal, context.delegation.immediate_actor].containsAll([principal])`,
	`context has delegation && {a: context.delegation.depth, b: 1} == {a: 0, b: 1}`,
	`context.now.offset(duration("1d")) > context.now`, `context.now.toTime() < duration("30h")`, `context.now < datetime("2020-01-01")`,
	`context.request has source_ip && context.request.source_ip.isInRange(ip("10.0.0.0/8"))`, `context.request has host`, `context.request.host == "query"`,
	`context.arguments.complete`, `context.arguments.keys.contains("amount")`, `context.arguments.keys.isEmpty()`, `context.arguments has keys`,
	`context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") <= 10000`, `StrArgs::"arguments".hasTag("query")`,
	`context.arguments.str.hasTag("to") && context.arguments.str.getTag("to") == "x"`, `decimal("1.5").lessThan(decimal("2.0"))`, `1 + 1 == 2`,
	`context.arguments == context.arguments`, `context == context`,
}

func drawCondition(t *rapid.T, depth int) string {
	part := func() string { return drawCondition(t, depth-1) }
	how := 0
	if depth > 0 {
		how = rapid.IntRange(0, 5).Draw(t, "how")
	}
	switch how {
	case 1:
		return "(" + part() + " && " + part() + ")"
	case 2:
		return "(" + part() + " || " + part() + ")"
	case 3:
		return "!(" + part() + ")"
	case 4:
		return "(if " + part() + " then " + part() + " else " + part() + ")"
	}
	return "(" + rapid.SampledFrom(callFacts).Draw(t, "fact") + ")"
}

// drawCallPolicies makes policies about calls of tools with all kinds of conditions.
func drawCallPolicies(t *rapid.T) string {
	var text strings.Builder
	for i := range rapid.IntRange(1, 5).Draw(t, "policies") {
		fmt.Fprintf(&text, "@id(\"c%d\") %s (%s, %s, %s)", i, rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect"),
			rapid.SampledFrom([]string{
				"principal", "principal", "principal is Workload", `principal == Workload::"spiffe://acme.example/interns/eve"`,
				`principal in SpiffePath::"spiffe://acme.example/interns/eve"`, `principal is Workload in WorkloadGroup::"agents"`,
				`principal in TrustDomain::"other.example"`, `principal in WorkloadGroup::"interns"`,
			}).Draw(t, "principal"),
			rapid.SampledFrom([]string{
				`action in Action::"call_tool"`, `action in Action::"call_tool"`, `action == Action::"call_tool"`,
				`action in [Action::"call_tool:crm/search", Action::"call_tool:crm/refund"]`,
			}).Draw(t, "action"),
			rapid.SampledFrom([]string{
				"resource", "resource", "resource is Tool", `resource == Tool::"wiki/unknown"`, `resource in Server::"crm"`,
				`resource is Tool in ServerGroup::"money"`, `resource in ToolGroup::"ledger-reads"`,
			}).Draw(t, "resource"))
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			fmt.Fprintf(&text, " %s { %s }", rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "word"), drawCondition(t, 3))
		}
		text.WriteString(";\n")
	}
	return text.String()
}

func names[V any](m map[string]V) []string { return sorted(keys(m)) }

// complete makes a request of what is asked in part.
func complete(t *rapid.T, q PartialQuery, principals, users []string) authz.Query {
	full := drawQuery(t)
	as := rapid.SampledFrom(principals).Draw(t, "as")
	if strings.HasPrefix(as, "/") {
		as = "spiffe://acme.example" + as
	}
	full.Peer = peer.Peer{ID: spiffeid.RequireFromString(as)}
	full.Server, full.Target = q.Server, mcp.Target{Kind: mcp.TargetTool, Name: q.Tool}
	if q.Tool == "*" {
		full.Target.Name = rapid.SampledFrom([]string{"unknown", "other"}).Draw(t, "which")
	}
	full.Call.Kind, full.Call.Method, full.Call.Targets = mcp.KindRequest, "tools/call", []mcp.Target{full.Target}
	if rapid.Bool().Draw(t, "arguments that fit") {
		full.Call.Arguments = mcp.NewObject(
			mcp.Member{Name: "query", Value: mcp.String("x")}, mcp.Member{Name: "amount", Value: mcp.Int(rapid.Int64Range(1, 20000).Draw(t, "amount"))},
			mcp.Member{Name: "currency", Value: mcp.String("EUR")}, mcp.Member{Name: "to", Value: mcp.String("x")},
		)
	}
	user := rapid.SampledFrom(users).Draw(t, "on behalf of")
	if user == "-" {
		full.Delegation, full.RootIssuer, full.SubjectPrefix = nil, "", ""
		return full
	}
	if full.Delegation == nil {
		full.Delegation, full.RootIssuer = &delegation.Claims{Actor: &delegation.Actor{Subject: full.Peer.ID.String()}}, "https://tts.acme.example"
	}
	full.SubjectPrefix = ""
	if rest, ok := strings.CutPrefix(user, "partner:"); ok {
		full.SubjectPrefix, user = "partner:", rest
	}
	full.Delegation.Subject = user
	if actor := full.Delegation.Actor; actor != nil {
		actor.Subject = full.Peer.ID.String()
	}
	return full
}

// "Yes" is true of every request that a question leaves open, "no" of none; and where it depends, the condition says of
// each request whether it is allowed.
func TestMayIsTrueOfEveryRequest(t *testing.T) {
	template := acmeSources(t, "")
	rapid.Check(t, func(t *rapid.T) {
		src := *template
		text := drawPolicies(t)
		if rapid.Bool().Draw(t, "about calls") {
			text = drawCallPolicies(t)
		}
		src.policies = []file{{"p.cedar", []byte(text)}}
		s, err := newSnapshot(&src, acmeConfig())
		if err != nil {
			t.Skip(err) // such as an expression that validation finds to be false always
		}
		s.onError = rapid.SampledFrom([]OnError{Deny, SkipPermits}).Draw(t, "on error")
		for range 3 {
			q := PartialQuery{
				Principal: rapid.SampledFrom(names(somePrincipals)).Draw(t, "principal"),
				User:      rapid.SampledFrom(names(someUsers)).Draw(t, "user"),
				Server:    rapid.SampledFrom([]string{"crm", "ledger", "wiki", "elsewhere"}).Draw(t, "server"),
				Tool:      rapid.SampledFrom(append([]string{"*"}, someTools...)).Draw(t, "tool"),
			}
			users := someUsers[q.User]
			if q.User == "-" {
				q.User, q.NoUser = "", true
			}
			got, err := s.May(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for range 8 {
				full := complete(t, q, somePrincipals[q.Principal], users)
				trace, err := s.Trace(context.Background(), full)
				if err != nil {
					t.Fatal(err)
				}
				answer, when := got.Fit, got.When
				if trace.Unfit != "" {
					answer, when = got.Unfit, got.UnfitWhen
				}
				v := trace.Verdict
				for _, a := range []Answer{answer, got.Answer} {
					if a == Yes && !v.Allowed || a == No && v.Allowed {
						t.Fatalf("%s\n%+v\n%+v\n%s %s %s user %s: %+v", text, q, got, trace.Principal, trace.Action, trace.Resource, full.SubjectPrefix, v)
					}
				}
				if answer != Depends || len(v.Errors)+len(v.Skipped) > 0 {
					continue
				}
				if value, err := trace.Evaluate(when); err != nil || value.True != v.Allowed {
					t.Fatalf("%s\n%+v\n%s\nis %+v, %v; but the verdict is %+v", text, q, when, value, err, v)
				}
			}
		}
	})
}
