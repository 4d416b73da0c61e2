package cedar

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// manyPolicies writes n policies of which the first `covering` cover manyQuery: of twenty, twelve are for a group and
// a tool, four for a workload and a tool, two for a server and an argument, one is for a trust domain and a list of
// actions, and one forbids.
func manyPolicies(n, covering int) string {
	var text strings.Builder
	for i := range n {
		tool, server, workload := "crm/search", "crm", "planner"
		if i >= covering { // twenty a tool, ten tools a server
			tool, server, workload = fmt.Sprintf("s%d/t%d", i/200, i/20), fmt.Sprintf("s%d", i/200), fmt.Sprintf("w%d", i)
		}
		fmt.Fprintf(&text, "@id(\"p%d\") ", i)
		switch i % 20 {
		case 4, 9, 14, 19:
			fmt.Fprintf(&text, `permit (principal == Workload::"spiffe://acme.example/%s", action in Action::"call_tool", resource == Tool::%q)
				when { context has delegation && context.delegation.depth < %d };`, workload, tool, i%7)
		case 6, 13:
			fmt.Fprintf(&text, `permit (principal, action in Action::"call_tool", resource in Server::%q)
				when { context.arguments.str.hasTag("query") && context.arguments.str.getTag("query") like "acme-%d-*" };`, server, i)
		case 8:
			fmt.Fprintf(&text, `permit (principal is Workload in TrustDomain::"acme.example",
				action in [Action::"call_tool", Action::"get_prompt"], resource in Server::%q) when { principal.path == "/w%d" };`, server, i)
		case 16:
			fmt.Fprintf(&text, `forbid (principal, action in Action::"call_tool", resource == Tool::%q)
				when { context.arguments.num.hasTag("limit") && context.arguments.num.getTag("limit") > %d };`, tool, 1000+i)
		default:
			fmt.Fprintf(&text, `permit (principal in WorkloadGroup::"agents", action in Action::"call_tool", resource == Tool::%q)
				when { context has delegation && context.delegation.subject in UserGroup::"finance" &&
				       context.delegation.scopes.contains("mcp:crm:s%d") && context.delegation.expires_at > context.now };`, tool, i)
		}
		text.WriteString("\n")
	}
	return text.String()
}

// manySnapshot is a snapshot of many policies.
func manySnapshot(t testing.TB, text string) *Snapshot {
	t.Helper()
	src := acmeSources(t, text)
	s, err := newSnapshot(src, acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// manyQuery is a call with a delegation of two hops and five arguments.
func manyQuery() authz.Query {
	now := time.Unix(1_800_000_000, 0)
	return authz.Query{
		Now: now, Server: "crm", RootIssuer: "https://tts.acme.example",
		Peer:   peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
		Target: mcp.Target{Kind: mcp.TargetTool, Name: "search"},
		Call: &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call", Version: "2025-11-25", SessionID: "s", Arguments: mcp.NewObject(
			mcp.Member{Name: "query", Value: mcp.String("acme")}, mcp.Member{Name: "limit", Value: mcp.Int(5)},
			mcp.Member{Name: "tags", Value: mcp.Array{mcp.String("a"), mcp.String("b")}},
			mcp.Member{Name: "region", Value: mcp.Null{}}, mcp.Member{Name: "urgent", Value: mcp.Bool(true)})},
		Delegation: &delegation.Claims{
			Subject: "alice", Scope: delegation.Scope{"mcp:crm:search", "mcp:crm:refund"}, Audience: "acme.example", Depth: 1,
			IssuedAt: now.Add(-time.Minute), Expiry: now.Add(time.Minute), Task: delegation.Task{Task: "t-1", Purpose: "refund"},
			Actor: &delegation.Actor{
				Subject: "spiffe://acme.example/planner", Actor: &delegation.Actor{Subject: "spiffe://acme.example/ns/web/sa/gateway"},
			},
		},
		HTTP: authz.HTTPFacts{ID: "1", Host: "crm.acme.example", Path: "/mcp"},
	}
}

// BenchmarkAuthorize is the whole step: entities, context, finding the policies, evaluating them.
func BenchmarkAuthorize(b *testing.B) {
	for _, size := range []struct{ policies, covering int }{
		{10, 10}, {100, 10}, {1_000, 10}, {10_000, 10}, {50_000, 10}, {20, 20}, {10_000, 20}, {50_000, 20}, {10_000, 200},
	} {
		b.Run(fmt.Sprintf("policies=%d/covering=%d", size.policies, size.covering), func(b *testing.B) {
			s, q := manySnapshot(b, manyPolicies(size.policies, size.covering)), manyQuery()
			if v := s.Authorize(b.Context(), q); !v.Allowed || v.Candidates != size.covering {
				b.Fatalf("%+v", v)
			}
			runtime.GC() // what loading left behind does not count
			b.ReportAllocs()
			for b.Loop() {
				s.Authorize(b.Context(), q)
			}
		})
	}
}

// BenchmarkPlainCedar has cedar-go evaluate all policies, with everything translated beforehand.
func BenchmarkPlainCedar(b *testing.B) {
	for _, n := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			s := manySnapshot(b, manyPolicies(n, min(n, 20)))
			asked, _, err := newLinear(s).ask(manyQuery())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				cedargo.Authorize(s.policies, asked.entities, asked.request)
			}
		})
	}
}

// BenchmarkLinear is the whole step without an index and with everything translated.
func BenchmarkLinear(b *testing.B) {
	for _, n := range []int{10, 20, 10_000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			s, q := newLinear(manySnapshot(b, manyPolicies(n, min(n, 20)))), manyQuery()
			b.ReportAllocs()
			for b.Loop() {
				s.Authorize(q)
			}
		})
	}
}

// BenchmarkPrepare makes the index and everything else that deciding takes from the policies.
func BenchmarkPrepare(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			s := manySnapshot(b, manyPolicies(n, 20))
			b.ReportAllocs()
			for b.Loop() {
				s.prepare(s.policies)
			}
		})
	}
}
