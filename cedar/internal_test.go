package cedar

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

func acmeConfig() Config {
	return Config{
		Policies: "testdata/acme/policies", Entities: "testdata/acme/entities.json",
		Tools: map[string]string{
			"crm": "testdata/acme/tools/crm.json", "ledger": "testdata/acme/tools/ledger.json", "wiki": "",
		},
	}
}

// acmeSources returns acme's files with other policies.
func acmeSources(t testing.TB, policies string) *sources {
	t.Helper()
	src, err := read(context.Background(), acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	src.policies = []file{{"p.cedar", []byte(policies)}}
	return src
}

// with is a snapshot of the same files with other policies.
func (src *sources) with(t rapid.TB, policies string) *Snapshot {
	t.Helper()
	other := *src
	other.policies = []file{{"p.cedar", []byte(policies)}}
	s, err := newSnapshot(&other, acmeConfig())
	if err != nil {
		t.Fatalf("%s\n%v", policies, err)
	}
	return s
}

var (
	somePaths     = []string{"/planner", "/interns/eve", "/crm", "/ns/web/sa/gateway"}
	someTools     = []string{"search", "refund", "balance", "transfer", "unknown"}
	someURIs      = []string{"file:///srv/docs/a", "file:///srv/docs/secret/a", "file:///srv/../etc", "memo:x", "https://acme.example/a?b"}
	someArguments = []mcp.Member{
		{Name: "query", Value: mcp.String("x")}, {Name: "query", Value: mcp.Int(1)}, {Name: "limit", Value: mcp.Int(5)},
		{Name: "tags", Value: mcp.Array{mcp.String("a")}}, {Name: "amount", Value: mcp.Int(10001)},
		{Name: "amount", Value: mcp.Float(1.5)}, {Name: "currency", Value: mcp.String("EUR")},
		{Name: "to", Value: mcp.String("x")}, {Name: "region", Value: mcp.Null{}}, {Name: "urgent", Value: mcp.Bool(true)},
		{Name: "customer", Value: mcp.NewObject(mcp.Member{Name: "id", Value: mcp.Int(1)})},
	}
)

// drawQuery makes any request that mcp.Read can let through.
func drawQuery(t *rapid.T) authz.Query {
	call := &mcp.Call{Kind: mcp.KindRequest, Version: rapid.SampledFrom([]string{"", "2026-07-28"}).Draw(t, "version")}
	var target mcp.Target
	if kind := rapid.SampledFrom(append(slices.Sorted(maps.Keys(kinds)), mcp.KindRequest, mcp.KindRequest, mcp.KindRequest)).Draw(t, "kind"); kind != mcp.KindRequest {
		call.Kind = kind
	} else {
		call.Method = rapid.SampledFrom(append(slices.Sorted(maps.Keys(actions)), "tools/call", "tools/call", "resources/read")).Draw(t, "method")
		target.Kind = rapid.SampledFrom(slices.Sorted(maps.Keys(actions[call.Method]))).Draw(t, "target")
		switch target.Kind {
		case mcp.TargetTool:
			target.Name = rapid.SampledFrom(someTools).Draw(t, "tool")
		case mcp.TargetResource:
			target.Name = rapid.SampledFrom(someURIs).Draw(t, "uri")
		case mcp.TargetPrompt, mcp.TargetTask:
			target.Name = "x"
		}
	}
	if rapid.Bool().Draw(t, "has arguments") {
		call.Arguments = mcp.NewObject(rapid.SliceOfN(rapid.SampledFrom(someArguments), 0, 6).Draw(t, "arguments")...)
	}
	domain := spiffeid.RequireTrustDomainFromString("acme.example")
	q := authz.Query{
		Now: time.Unix(1_800_000_000, 0), Call: call, Target: target,
		Peer:   peer.Peer{ID: spiffeid.RequireFromPath(domain, rapid.SampledFrom(somePaths).Draw(t, "peer"))},
		Server: rapid.SampledFrom([]string{"crm", "ledger", "wiki", "elsewhere"}).Draw(t, "server"),
		HTTP:   authz.HTTPFacts{ID: "1", Host: "query", Path: "/mcp"},
	}
	call.SessionID = rapid.SampledFrom([]string{"", "s", "other"}).Draw(t, "session")
	if rapid.Bool().Draw(t, "from this machine") {
		q.HTTP.SourceIP = netip.MustParseAddr("127.0.0.1")
	}
	if rapid.Bool().Draw(t, "delegated") {
		q.Delegation = &delegation.Claims{
			Subject: rapid.SampledFrom([]string{"alice", "bob", "carol"}).Draw(t, "user"), Scope: delegation.Scope{"mcp:crm:*"},
			Depth: rapid.IntRange(0, 4).Draw(t, "depth"), Task: delegation.Task{Purpose: "refund"},
		}
		q.RootIssuer = rapid.SampledFrom([]string{"https://tts.acme.example", "https://tts.other.example"}).Draw(t, "issuer")
		q.SubjectPrefix = rapid.SampledFrom([]string{"", "", "partner:"}).Draw(t, "prefix")
		if rapid.Bool().Draw(t, "actors") {
			q.Delegation.Actor = &delegation.Actor{Subject: q.Peer.ID.String(), Actor: &delegation.Actor{Subject: "spiffe://acme.example/planner"}}
		}
	}
	return q
}

// drawPolicies makes a few valid policies, some of which fail for some requests.
func drawPolicies(t *rapid.T) string {
	var text strings.Builder
	for i := range rapid.IntRange(1, 12).Draw(t, "policies") {
		effect := rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect")
		principal := rapid.SampledFrom([]string{
			"principal", "principal", `principal == Workload::"spiffe://acme.example/planner"`, `principal in WorkloadGroup::"interns"`,
			`principal in SpiffePath::"spiffe://acme.example/ns"`, `principal in TrustDomain::"acme.example"`,
		}).Draw(t, "principal")
		scope := rapid.SampledFrom([]struct {
			action    string
			resources []string
			facts     []string
		}{
			{"action", []string{"resource", `resource in Server::"crm"`, `resource in ServerGroup::"money"`, `resource is Tool`}, nil},
			{`action in Action::"any"`, []string{"resource", `resource in Server::"crm"`, `resource in UriPath::"file:///srv/docs"`}, []string{`context.method == "ping"`}},
			{`action in Action::"read"`, []string{"resource", `resource in UriPath::"file:///srv/docs/secret"`}, []string{`context.now > datetime("2020-01-01")`}},
			{`action in Action::"call_tool"`, []string{"resource", `resource in ToolGroup::"ledger-reads"`, `resource == Tool::"crm/search"`}, []string{
				`context.arguments.complete`, `resource.hints.read_only`, `context.arguments.keys.contains("amount")`,
				`context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") > 10000`,
				`context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") + 9223372036854775000 > 0`,
				`context.arguments.list.hasTag("tags") && context.arguments.list.getTag("tags").contains("a")`,
				`context.arguments.str.hasTag(context.request.host) && context.arguments.str.getTag(context.request.host) == "x"`,
				`context.arguments.bool.hasTag("urgent")`, `context.arguments.str == StrArgs::"arguments"`,
				`StrArgs::"arguments".hasTag("query")`, `context.arguments == context.arguments`,
				`action == Action::"call_tool:ledger/transfer"`,
			}},
			{`action == Action::"call_tool:ledger/transfer"`, []string{"resource"}, []string{`context.input.amount > 10000`, `context.input.to == "x"`}},
			{`action == Action::"call_tool:crm/refund"`, []string{"resource"}, []string{`context.input.amount.lessThan(decimal("2.0"))`, `context.input has customer && context.input.customer.id == 1`, `context.input == context.input`}},
			{`action in [Action::"lifecycle", Action::"list"]`, []string{"resource", `resource in Server::"ledger"`}, nil},
			{`action == Action::"delegate"`, []string{"resource", `resource in Server::"crm"`, `resource in ToolGroup::"ledger-reads"`}, []string{`resource.hints.read_only`, `!resource.known`}},
			{`action == Action::"read_resource"`, []string{"resource"}, []string{`resource in UriPath::"file:///srv/docs"`, `resource.scheme == "file"`}},
		}).Draw(t, "scope")
		fmt.Fprintf(&text, "@id(\"p%d\") %s (%s, %s, %s)", i, effect, principal, scope.action, rapid.SampledFrom(scope.resources).Draw(t, "resource"))
		facts := append([]string{
			"true", `principal.path like "/p*"`, `principal has k8s && principal.k8s.namespace == "web"`, `principal.trust_domain == "acme.example"`,
			`principal.spiffe_id == "spiffe://acme.example/crm"`, `principal.hasTag("team") && principal.getTag("team") == "sales"`,
			`Workload::"spiffe://acme.example/planner" in WorkloadGroup::"agents"`, `Tool::"crm/search" in Server::"crm"`,
			`resource in UriPath::"file:///srv"`,
		}, scope.facts...)
		if scope.action != "action" { // delegate and all others have it, typed or not
			facts = append(facts, `context has delegation && context.delegation.depth > 1`,
				`context has delegation && context.delegation.subject in UserGroup::"staff"`,
				`context has delegation && context.delegation.immediate_actor in WorkloadGroup::"agents"`,
				`context has delegation && context.delegation.immediate_actor.path like "/p*"`,
				`context has delegation && context.delegation.actors.containsAny([principal, Workload::"spiffe://acme.example/crm"])`,
				`context has delegation && context.delegation has task`, `context has delegation && context.delegation has purpose && context.delegation.purpose == "refund"`,
				`context has delegation && context.delegation.subject.issuer == "https://tts.acme.example"`,
				`context has delegation && context.delegation.subject == User::"partner:alice"`,
				`context has delegation && context.delegation.subject == User::"alice" && User::"alice" in UserGroup::"staff"`,
				`context has delegation && context.delegation.scopes.contains("mcp:crm:*") && context.delegation.audience.isEmpty()`,
				`context has delegation && context.delegation.issued_at < context.delegation.expires_at`,
				`context has delegation && context.delegation.sender_constrained`,
				`context has delegation && context.delegation == context.delegation`,
				`context has session && context.session.id == "s"`, `context has session`,
				`context.request has source_ip && context.request.source_ip.isLoopback()`,
				`context.request has protocol_version && context.request.protocol_version == "2026-07-28"`,
				`[context.request].contains(context.request)`, `context.request.http_path == "/mcp" && context.request.id == "1"`,
				`context.method like "tools/*"`, `context == context`)
		}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			fmt.Fprintf(&text, " %s { %s }", rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "word"), rapid.SampledFrom(facts).Draw(t, "fact"))
		}
		text.WriteString(";\n")
	}
	return text.String()
}

// An answer is what plain Cedar says to the same request, or a denial because of a policy that could not be evaluated.
// And what policies were validated against is what they get: the request and every entity conform to the schema.
func TestAuthorizeAgreesWithCedar(t *testing.T) {
	template := acmeSources(t, "")
	rapid.Check(t, func(t *rapid.T) {
		text := drawPolicies(t)
		s := template.with(t, text)
		words, err := newVocabulary(s.pins)
		if err != nil {
			t.Fatal(err)
		}
		plain := newLinear(s)
		for range 10 {
			q := drawQuery(t)
			before := len(s.registry.static)
			asked, ok, err := plain.ask(q)
			if err != nil || !ok {
				t.Fatalf("no question for %+v: %v", q.Call, err)
			}
			if err := words.validator.Request(asked.request); err != nil {
				t.Fatalf("request: %v", err)
			}
			for id, e := range asked.own {
				if err := words.validator.Entity(e); err != nil {
					t.Fatalf("entity %s: %v", id, err)
				}
			}
			if diff := sameFacts(s, q, asked); diff != "" {
				t.Fatal(diff)
			}
			want, got := plain.decide(asked), s.Authorize(context.Background(), q)
			s.onError = SkipPermits
			skipping := s.Authorize(context.Background(), q)
			s.onError, s.monitor.share = Deny, 1
			if verified := s.Authorize(context.Background(), q); !cmp.Equal(got, verified) {
				t.Fatalf("plain Cedar disagrees: %+v", verified)
			}
			s.monitor.share = 0
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authz.Verdict{}, "Candidates")); diff != "" {
				t.Fatalf("%s\n(-plain Cedar +ours):\n%s", text, diff)
			}
			if diff := cmp.Diff(skipPermits(s, want), skipping, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authz.Verdict{}, "Candidates")); diff != "" {
				t.Fatalf("%s\n(-plain Cedar without failing permits +ours):\n%s", text, diff)
			}
			if got.Candidates > len(s.policies) {
				t.Fatalf("%d candidates of %d policies", got.Candidates, len(s.policies))
			}
			if len(s.registry.static) != before {
				t.Fatal("a request changed the snapshot")
			}
		}
	})
}

// What may be passed on is what plain Cedar allows, one tool at a time.
func TestMayDelegateAgreesWithCedar(t *testing.T) {
	template := acmeSources(t, "")
	rapid.Check(t, func(t *rapid.T) {
		text := drawPolicies(t)
		s := template.with(t, text)
		s.monitor.share = float64(rapid.IntRange(0, 1).Draw(t, "verified"))
		plain := newLinear(s)
		for range 5 {
			q := drawQuery(t)
			backend := spiffeid.RequireFromPath(q.Peer.ID.TrustDomain(), rapid.SampledFrom(somePaths).Draw(t, "backend"))
			server, tool := rapid.SampledFrom([]string{"crm", "ledger", "wiki", "elsewhere"}).Draw(t, "of"), rapid.SampledFrom(someTools).Draw(t, "tool")
			item := "mcp:" + server + ":" + tool
			want, err := plain.mayDelegate(q, backend, server, tool)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := s.MayDelegate(context.Background(), q, backend, delegation.Scope{item})
			if (err != nil) != (len(want.Errors) > 0) {
				t.Fatalf("%v, want %q", err, want.Errors)
			}
			if allowed := len(kept) == 1 && kept[0] == item; err == nil && allowed != want.Allowed {
				t.Fatalf("%s\n%s: kept %q, want %v", text, item, kept, want.Allowed)
			}
		}
	})
}

// What a backend may pass on is never more than what it was given.
func TestMayDelegateNarrows(t *testing.T) {
	s, err := newSnapshot(acmeSources(t, `@id("a") permit (principal, action == Action::"delegate", resource in Server::"crm");
		@id("b") permit (principal, action == Action::"delegate", resource in ToolGroup::"ledger-reads");`), acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	items := []string{"mcp:crm:*", "mcp:crm:search", "mcp:crm:new", "mcp:ledger:*", "mcp:ledger:transfer", "mcp:wiki:*", "mcp:wiki:x"}
	backend := spiffeid.RequireFromString("spiffe://acme.example/crm")
	rapid.Check(t, func(t *rapid.T) {
		scope := delegation.Scope(rapid.SliceOf(rapid.SampledFrom(items)).Draw(t, "scope"))
		kept, err := s.MayDelegate(context.Background(), drawQuery(t), backend, scope)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range kept {
			server := strings.Split(item, ":")[1]
			if !slices.Contains(scope, item) && !slices.Contains(scope, "mcp:"+server+":*") {
				t.Errorf("%q was not in %q", item, scope)
			}
		}
		again, err := s.MayDelegate(context.Background(), drawQuery(t), backend, kept)
		if diff := cmp.Diff(kept, again); err != nil || diff != "" {
			t.Errorf("asking again changes the answer: %v\n%s", err, diff)
		}
	})
}

func TestURIPrefixes(t *testing.T) {
	for name, tc := range map[string]struct {
		uri   string
		want  []string
		exact bool
	}{
		"file":                       {"file:///srv/docs/a.md", []string{"file://", "file:///srv", "file:///srv/docs", "file:///srv/docs/a.md"}, true},
		"a folder":                   {"file:///srv/docs/", []string{"file://", "file:///srv", "file:///srv/docs"}, true},
		"the root":                   {"file:///", []string{"file://"}, true},
		"query and fragment":         {"https://acme.example/a?b=/c#d", []string{"https://acme.example", "https://acme.example/a"}, true},
		"port":                       {"https://acme.example:8443/a", []string{"https://acme.example:8443", "https://acme.example:8443/a"}, true},
		"IPv6":                       {"https://[::1]/a", []string{"https://[::1]", "https://[::1]/a"}, true},
		"own scheme":                 {"crm://accounts/7", []string{"crm://accounts", "crm://accounts/7"}, true},
		"template":                   {"crm://accounts/{id}", []string{"crm://accounts", "crm://accounts/{id}"}, true},
		"encoded space":              {"file:///srv/a%20b", []string{"file://", "file:///srv", "file:///srv/a%20b"}, true},
		"opaque":                     {"memo:insights", nil, true},
		"opaque with slashes":        {"urn:acme:a/b", nil, true},
		"dot segments":               {"file:///srv/../etc", nil, false},
		"dot segment":                {"file:///srv/./etc", nil, false},
		"dots at the end":            {"file:///srv/..", nil, false},
		"encoded dots":               {"file:///srv/%2e%2E/etc", nil, false},
		"encoded slash":              {"file:///srv%2Fetc", nil, false},
		"encoded percent":            {"file:///srv/%252e", nil, false},
		"encoded letter":             {"file:///%65tc", nil, false},
		"encoded NUL":                {"file:///srv/a%00.md", nil, false},
		"hexadecimal in small":       {"file:///a%c3%a4", nil, false},
		"not an encoding":            {"file:///a%zz", nil, false},
		"cut encoding":               {"file:///a%2", nil, false},
		"backslash":                  {`file:///srv\etc`, nil, false},
		"empty segment":              {"file:///srv//etc", nil, false},
		"two slashes at the end":     {"file:///srv//", nil, false},
		"space":                      {"file:///srv/ a", nil, false},
		"not ASCII":                  {"file:///srv/ä", nil, false},
		"scheme in capitals":         {"FILE:///srv", nil, false},
		"host in capitals":           {"https://ACME.example/", nil, false},
		"user":                       {"https://acme.example@evil.example/", nil, false},
		"default port":               {"https://acme.example:443/a", nil, false},
		"dots for a host":            {"repo://../etc", nil, false},
		"dot behind the host":        {"https://acme.example./a", nil, false},
		"zero before the port":       {"https://acme.example:0443/a", nil, false},
		"port of no host":            {"file://:1/etc", nil, false},
		"empty port":                 {"https://acme.example:/a", nil, false},
		"file without authority":     {"file:/etc/passwd", nil, false},
		"relative file":              {"file:etc/passwd", nil, false},
		"https without slashes":      {"https:acme.example/a", nil, false},
		"own scheme and rooted path": {"crm:/a/b", nil, false},
		"no scheme":                  {"/etc/passwd", nil, false},
		"blank before the scheme":    {" file:///etc", nil, false},
		"dots in the query":          {"file:///srv/docs/?/../../etc", nil, false},
		"encoded dots in the query":  {"file:///srv/docs/?/.%2e/etc", nil, false},
		"too many segments":          {"file://" + strings.Repeat("/a", maxSegments), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, exact := uriPrefixes(tc.uri)
			if exact != tc.exact {
				t.Errorf("exact is %v", exact)
			}
			if !exact {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A decimal is the number that was sent, sign and all.
func TestDecimalValue(t *testing.T) {
	for _, tc := range []struct {
		sent mcp.Value
		want string
	}{
		{mcp.Float(-0.5), "-0.5"}, {mcp.Float(0.0001), "0.0001"}, {mcp.Float(-12.05), "-12.05"}, {mcp.Int(-3), "-3.0"},
		{mcp.Float(99999999999.1234), "99999999999.1234"}, {mcp.Float(-1.2345), "-1.2345"}, {mcp.Float(7), "7.0"},
	} {
		got, ok := decimal(tc.sent)
		want, err := types.ParseDecimal(tc.want)
		if err != nil {
			t.Fatal(err)
		}
		if !ok || !got.Equal(want) {
			t.Errorf("%v becomes %v", tc.sent, got)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, `@id("p%d") permit (principal, action in Action::"call_tool", resource == Tool::"crm/t%d") when { context.arguments.complete };`+"\n", i, i)
	}
	src := acmeSources(b, text.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newSnapshot(src, acmeConfig()); err != nil {
			b.Fatal(err)
		}
	}
}
