package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/cedar"
)

var sizes = []int{1, 10, 100, 1_000, 10_000}

// groups is how many there are; each has every fiftieth rule.
const groups = 50

// asked is the rule that the request matches: one in the middle.
func asked(n int) int { return n / 2 }

func query(n int) authz.Query {
	tool, now := fmt.Sprintf("t%d", asked(n)), time.Unix(1_800_000_000, 0)
	return authz.Query{
		Now: now, Server: "crm", RootIssuer: "https://tts.acme.example",
		Peer:   peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
		Target: mcp.Target{Kind: mcp.TargetTool, Name: tool},
		Call: &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call", Arguments: mcp.NewObject(
			mcp.Member{Name: "query", Value: mcp.String("acme")}, mcp.Member{Name: "limit", Value: mcp.Int(5)})},
		Delegation: &delegation.Claims{
			Subject: "alice", Scope: delegation.Scope{"mcp:crm:" + tool}, Audience: "acme.example",
			IssuedAt: now.Add(-time.Minute), Expiry: now.Add(time.Minute),
			Actor: &delegation.Actor{Subject: "spiffe://acme.example/planner"},
		},
	}
}

// BenchmarkCountersign is the whole step of a request: entities, context, finding and evaluating policies.
func BenchmarkCountersign(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			policy, q := countersign(b, n), query(n)
			if v := policy.Authorize(b.Context(), q); !v.Allowed {
				b.Fatalf("%+v", v)
			}
			b.ReportAllocs()
			for b.Loop() {
				policy.Authorize(b.Context(), q)
			}
		})
	}
}

func countersign(b *testing.B, n int) *cedar.Snapshot {
	b.Helper()
	dir := b.TempDir()
	for first := 0; first < n; first += 1_000 {
		var text strings.Builder
		for i := first; i < min(n, first+1_000); i++ {
			fmt.Fprintf(&text, `@id("p%d") permit (principal in WorkloadGroup::"g%d", action in Action::"call_tool", resource == Tool::"crm/t%d")
				when { context has delegation && context.delegation.scopes.contains("mcp:crm:t%d") &&
				       context.delegation.expires_at > context.now };`+"\n", i, i%groups, i, i)
		}
		write(b, filepath.Join(dir, "policies", fmt.Sprintf("%d.cedar", first)), text.String())
	}
	parents := make([]map[string]string, groups)
	for i := range parents {
		parents[i] = map[string]string{"type": "WorkloadGroup", "id": fmt.Sprintf("g%d", i)}
	}
	entities, err := json.Marshal([]map[string]any{{
		"uid":   map[string]string{"type": "Workload", "id": "spiffe://acme.example/planner"},
		"attrs": map[string]any{}, "parents": parents,
	}})
	if err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(dir, "entities.json"), string(entities))
	policy, err := cedar.Load(b.Context(), cedar.Config{
		Policies: filepath.Join(dir, "policies"), Entities: filepath.Join(dir, "entities.json"), Tools: map[string]string{"crm": ""},
	})
	if err != nil {
		b.Fatal(err)
	}
	return policy
}

func write(b *testing.B, path, content string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
}

// input is what OPA and CEL are given: no more than the rules read.
func input(q *authz.Query, memberOf []string) map[string]any {
	return map[string]any{
		"groups": memberOf, "action": "call_tool", "resource": q.Server + "/" + q.Target.Name,
		"delegation": map[string]any{"scopes": []string(q.Delegation.Scope), "expires_at": q.Delegation.Expiry.Unix()},
		"now":        q.Now.Unix(),
	}
}

func memberOf() []string {
	all := make([]string, groups)
	for i := range all {
		all[i] = fmt.Sprintf("g%d", i)
	}
	return all
}

func BenchmarkOPA(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("package authz\n\ndefault allow := false\n")
			for i := range n {
				fmt.Fprintf(&text, "allow if {\n\tinput.resource == \"crm/t%d\"\n\tinput.action == \"call_tool\"\n\t\"g%d\" in input.groups\n"+
					"\t\"mcp:crm:t%d\" in input.delegation.scopes\n\tinput.delegation.expires_at > input.now\n}\n", i, i%groups, i)
			}
			prepared, err := rego.New(rego.Query("data.authz.allow"), rego.Module("authz.rego", text.String())).PrepareForEval(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			q, member := query(n), memberOf()
			decide := func(ctx context.Context) bool {
				results, err := prepared.Eval(ctx, rego.EvalInput(input(&q, member)))
				return err == nil && results.Allowed()
			}
			if !decide(b.Context()) {
				b.Fatal("denied")
			}
			b.ReportAllocs()
			for b.Loop() {
				decide(b.Context())
			}
		})
	}
}

func BenchmarkCEL(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			env, err := cel.NewEnv(cel.Variable("groups", cel.ListType(cel.StringType)), cel.Variable("action", cel.StringType),
				cel.Variable("resource", cel.StringType), cel.Variable("delegation", cel.MapType(cel.StringType, cel.DynType)),
				cel.Variable("now", cel.IntType))
			if err != nil {
				b.Fatal(err)
			}
			programs := make([]cel.Program, n)
			for i := range programs {
				checked, issues := env.Compile(fmt.Sprintf(`resource == "crm/t%d" && action == "call_tool" && "g%d" in groups &&
					"mcp:crm:t%d" in delegation.scopes && delegation.expires_at > now`, i, i%groups, i))
				if issues.Err() != nil {
					b.Fatal(issues.Err())
				}
				if programs[i], err = env.Program(checked); err != nil {
					b.Fatal(err)
				}
			}
			q, member := query(n), memberOf()
			decide := func() bool {
				activation, allowed := input(&q, member), false
				for _, p := range programs {
					if out, _, err := p.Eval(activation); err == nil && out.Value() == true {
						allowed = true
					}
				}
				return allowed
			}
			if !decide() {
				b.Fatal("denied")
			}
			b.ReportAllocs()
			for b.Loop() {
				decide()
			}
		})
	}
}
