package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	once "countersign.dev/authz/replay"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
	"countersign.dev/cedar/replay"
)

const issuer, own = "https://tts.acme.example", "spiffe://acme.example/countersign"

// house decides requests with policies of the test, and hands out what it recorded. It forgets sessions and uses.
type house struct {
	authorizer *authz.Authorizer
	key        jose.JSONWebKey
	policy     *asked
}

// asked notes what policy is asked.
type asked struct {
	*cedar.Snapshot
	permissive bool // allow everything, so that all questions are asked
	questions  []authz.Query
	passing    *passing // the last question what a backend may pass on
}

// passing is a question what a backend may pass on.
type passing struct {
	query   authz.Query
	backend spiffeid.ID
	scope   delegation.Scope
}

func (a *asked) MayDelegate(ctx context.Context, q authz.Query, backend spiffeid.ID, scope delegation.Scope) (delegation.Scope, error) {
	a.passing = &passing{q, backend, scope}
	return a.Snapshot.MayDelegate(ctx, q, backend, scope)
}

func (a *asked) ParamHeaders(string) mcp.ParamHeaders { return nil }
func (a *asked) Authorize(ctx context.Context, q authz.Query) authz.Verdict {
	a.questions = append(a.questions, q)
	if a.permissive {
		return authz.Verdict{Allowed: true}
	}
	return a.Snapshot.Authorize(ctx, q)
}

// current is where policy comes from.
type current struct{ policy *asked }

func (c current) Snapshot() (authz.Policy, bool) { return c.policy, true }

// keys are the root issuer's and our own, which sign with the same one.
type keys struct{ key jose.JSONWebKey }

func (k keys) Issuer(iss string) (trust.Issuer, bool) {
	role := map[string]trust.Role{issuer: trust.Root, own: trust.Hop}[iss]
	return trust.Issuer{
		ID: iss, Role: role, Algorithms: []jose.SignatureAlgorithm{jose.ES256}, MaxTTL: 15 * time.Minute, MaxDepth: 4,
		ActorTrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
	}, iss == issuer || iss == own
}
func (keys) Generation() uint64         { return 1 }
func (k keys) Current() jose.JSONWebKey { return k.key }
func (k keys) Key(_ context.Context, _, kid string) (jose.JSONWebKey, error) {
	if kid != k.key.KeyID {
		return jose.JSONWebKey{}, errors.New("unknown key")
	}
	return k.key.Public(), nil
}

// careless remembers nothing and takes nothing back.
type careless struct{}

func (careless) Revoked(context.Context, revoke.Marks, time.Time) (revoke.Entry, bool, error) {
	return revoke.Entry{}, false, nil
}
func (careless) Claim(context.Context, session.Name, session.Owner, time.Time) error { return nil }
func (careless) Check(context.Context, session.Name, session.Owner, time.Time) error { return nil }
func (careless) End(context.Context, session.Name, session.Owner, time.Time) error   { return nil }
func (careless) Spend(context.Context, once.Use, time.Time) error                    { return nil }
func (careless) Record(context.Context, audit.Record) error                          { return nil }

func newHouse(t *testing.T) *house {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{key: key, policy: &asked{}}
	var servers []authz.Server
	for _, name := range []string{"crm", "ledger", "wiki"} {
		backend := spiffeid.RequireFromString("spiffe://acme.example/" + name)
		servers = append(servers, authz.Server{Name: name, Backend: backend, MaxBody: 1 << 20, RecordArguments: name != "ledger"})
	}
	known, err := authz.NewServers(servers)
	if err != nil {
		t.Fatal(err)
	}
	peers, err := peer.NewReader(peer.Config{TrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: keys{key}, MaxDepth: 4})
	if err != nil {
		t.Fatal(err)
	}
	h.authorizer, err = authz.New(authz.Config{
		Peers: peers, Servers: known, Policies: current{h.policy}, Tokens: verifier, Revocations: careless{}, Sessions: careless{},
		Uses: careless{}, Signer: delegation.NewSigner(own, "acme.example", keys{key}), Recorder: careless{},
		HopTTL: time.Minute, Clock: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// draw makes a request that gets as far as policy.
func (h *house) draw(t *rapid.T) *authz.Request {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	by := "spiffe://acme.example/" + pick("peer", "planner", "interns/eve", "crm")
	server := pick("server", "crm", "crm", "ledger", "wiki")
	version := pick("version", mcp.Version20260728, mcp.Version20260728, mcp.Version20251125)
	fields := header.NewFields(false)
	fields.Add("content-type", "application/json")
	fields.Add("mcp-protocol-version", version)
	method := pick("method", "tools/call", "tools/call", "tools/call", "tools/list", "prompts/get", "resources/read", "completion/complete",
		"subscriptions/listen")
	name := ""
	params := map[string]any{}
	arguments := map[string]any{}
	for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"query", "amount", "currency", "either", "limit", "to"}), 0, 6, rapid.ID[string]).Draw(t, "arguments") {
		arguments[a] = rapid.SampledFrom([]any{"x", "EUR", 1, 5, json.Number("1.0"), json.Number("1.5"), json.Number("9007199254740993"), json.Number("1e2"), true, nil, []any{"a"}}).Draw(t, a)
	}
	switch method {
	case "tools/call":
		name = pick("tool", "search", "refund", "balance", "transfer", "unknown")
		params["name"] = name
		if len(arguments) > 0 {
			params["arguments"] = arguments
		}
	case "prompts/get":
		name = "greet"
		params["name"], params["arguments"] = name, map[string]any{"query": "x"}
	case "resources/read":
		name = pick("uri", "file:///srv/docs/a", "file:///srv/../etc", "memo:x")
		params["uri"] = name
	case "completion/complete":
		params["ref"] = rapid.SampledFrom([]any{
			map[string]any{"type": "ref/prompt", "name": "greet"}, map[string]any{"type": "ref/prompt", "name": "file:///srv/docs/a"},
			map[string]any{"type": "ref/resource", "uri": "file:///srv/docs/a"},
		}).Draw(t, "ref")
		params["argument"] = map[string]any{"name": "a", "value": "b"}
	case "subscriptions/listen":
		version = mcp.Version20260728
		fields = header.NewFields(false)
		fields.Add("content-type", "application/json")
		fields.Add("mcp-protocol-version", version)
		params["notifications"] = map[string]any{"resourceSubscriptions": rapid.SliceOfNDistinct(
			rapid.SampledFrom([]string{"file:///srv/docs/a", "file:///srv/docs/b", "memo:x"}), 0, 3, rapid.ID[string]).Draw(t, "subscriptions")}
	}
	if version == mcp.Version20260728 {
		params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
		fields.Add("mcp-method", method)
		if name != "" {
			fields.Add("mcp-name", name)
		}
	} else if rapid.Bool().Draw(t, "in a session") {
		fields.Add("mcp-session-id", "s")
	}
	if user := pick("user", "", "alice", "bob"); user != "" {
		fields.Add("txn-token", h.token(t, by, user))
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	fields.Add("content-length", strconv.Itoa(len(body)))
	return &authz.Request{
		ID: "17", Server: server, Peer: peer.Evidence{Principal: by}, Destination: "spiffe://acme.example/gateway",
		Host: pick("host", "crm.acme.example", "x", "h\xff"), Path: pick("path", "/mcp", "/mcp?key=1", "/"+strings.Repeat("a", 3000)),
		SourceIP: netip.MustParseAddr(pick("address", "127.0.0.1", "::ffff:10.0.0.1")),
		MCP:      mcp.Request{Method: "POST", Header: fields, Body: body, HasBody: true, Size: int64(len(body))},
	}
}

func (h *house) token(t *rapid.T, by, user string) string {
	token, err := delegation.Mint(delegation.Claims{
		Issuer: issuer, Audience: "acme.example", ID: "root-1", Txn: "txn-1", Subject: user, SubjectProfile: "user",
		RequestingWorkload: by, IssuedAt: noon, Expiry: noon.Add(10 * time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: by, SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:*", "mcp:ledger:*"}, Task: delegation.Task{Task: "case-1", Purpose: "refund", Expiry: noon.Add(time.Hour)},
		MaxDepth: 3,
	}, h.key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// decide decides a request, and returns every question that there was for policy, once all before it were allowed.
func (h *house) decide(t *rapid.T, s *cedar.Snapshot, req *authz.Request) (line string, questions []authz.Query, p *passing) {
	*h.policy = asked{Snapshot: s, permissive: true}
	h.authorizer.Decide(context.Background(), req)
	questions, p = h.policy.questions, h.policy.passing
	*h.policy = asked{Snapshot: s}
	record := h.authorizer.Decide(context.Background(), req).Record
	text, err := record.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n", questions, p
}

var facts = []string{
	"true", "context.arguments.complete", `context.arguments.keys.contains("amount")`, `context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") > 2`,
	`context.arguments.str.hasTag("query")`, `context.arguments.num.hasTag("limit") && context.arguments.num.getTag("limit") + 9223372036854775805 > 0`,
	`context.arguments.num.hasTag("to") && context.arguments.num.getTag("to") == 9007199254740993`,
	`action == Action::"call_tool:crm/search"`, `resource.hints.read_only`, `context has session`, `context.method like "tools/*"`,
	`context has delegation && context.delegation.subject in UserGroup::"finance"`, `context has delegation && context.delegation.depth == 0`,
	`context has delegation && context.delegation.issuer == "` + issuer + `"`, `context has delegation && context.delegation.scopes.contains("mcp:crm:*")`,
	`context has delegation && context.delegation.audience.contains("acme.example")`, `context has delegation && context.delegation has purpose`,
	`context has delegation && context.delegation.expires_at > context.now`, `context has delegation && context.delegation.issued_at == context.now`,
	`context has delegation && context.delegation.immediate_actor == principal`, `context.request.host == "x"`, `context.request.http_path == "/mcp"`,
	`context.request has source_ip && context.request.source_ip.isLoopback()`, `context.request.id == "17"`,
	`context.request has protocol_version && context.request.protocol_version == "2026-07-28"`, `context == context`,
}

// delegationFacts are those that are there when it is asked what may be passed on.
var delegationFacts = []string{
	"true", "context has session", `context has delegation && context.delegation.depth == 0`,
	`context has delegation && context.delegation.depth + 9223372036854775807 > 0`, `resource.hints.read_only`,
	`context has delegation && context.delegation.subject in UserGroup::"finance"`, `context.request.host == "x"`,
	`context.request.http_path == "/mcp"`, `principal == Workload::"spiffe://acme.example/crm"`,
	`context.request has protocol_version && context.request.protocol_version == "2026-07-28"`, `context.method == "tools/call"`,
}

// drawSet loads random policies, leaving out what is not valid: not every fact is known of every request.
func drawSet(t *testing.T, rt *rapid.T) *cedar.Snapshot {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	var text strings.Builder
	for i := range rapid.IntRange(1, 6).Draw(rt, "policies") {
		effect := pick("effect", "permit", "permit", "@single_use permit", "forbid")
		if rapid.IntRange(0, 3).Draw(rt, "about delegating") == 0 {
			if effect == "@single_use permit" {
				effect = "permit"
			}
			fmt.Fprintf(&text, "@id(\"p%d\") %s(principal, action == Action::\"delegate\", %s) %s { %s };\n", i, effect,
				pick("delegated", "resource", "resource", `resource == Tool::"crm/search"`, `resource in Server::"crm"`),
				pick("word", "when", "unless"), pick("delegated fact", delegationFacts...))
			continue
		}
		action := pick("action", `action in Action::"call_tool"`, `action in Action::"call_tool"`, `action == Action::"call_tool"`,
			`action == Action::"call_tool:crm/search"`, `action == Action::"call_tool:crm/refund"`, "action")
		resource := pick("resource", "resource", "resource", `resource in Server::"crm"`)
		condition := ""
		if action != "action" {
			condition = fmt.Sprintf(" %s { %s }", pick("word", "when", "unless"), pick("fact", facts...))
		} else {
			resource = pick("resource", "resource", "resource is Resource", `resource in UriPath::"file:///srv/docs"`)
		}
		fmt.Fprintf(&text, "@id(\"p%d\") %s(principal, %s, %s)%s;\n", i, effect, action, resource, condition)
	}
	return policies(t, text.String())
}

// answer is what a set says to all questions of a live request.
type answer struct {
	allowed     bool
	ids, failed []string
	single      bool
	scope       []string
	scopeFailed string
}

// expected is how the questions of the live request are answered, with what may be passed on unless that is nil.
func expected(s *cedar.Snapshot, questions []authz.Query, p *passing) (a answer) {
	for _, q := range questions {
		v := s.Authorize(context.Background(), q)
		a.allowed, a.ids, a.failed = v.Allowed, v.PolicyIDs, v.Errors
		if a.single = a.single || v.SingleUse && q.Call.Method == "tools/call"; !v.Allowed {
			a.single = false
			return a
		}
	}
	if p != nil {
		scope, err := s.MayDelegate(context.Background(), p.query, p.backend, p.scope)
		if err != nil {
			a.allowed, a.single, a.scopeFailed = false, false, err.Error()
		}
		a.scope = slices.Sorted(slices.Values(scope))
	}
	return a
}

func (a *answer) equal(b *answer) bool {
	return a.allowed == b.allowed && slices.Equal(a.ids, b.ids) && slices.Equal(a.failed, b.failed) && a.single == b.single &&
		a.scopeFailed == b.scopeFailed && slices.Equal(a.scope, b.scope)
}

// Whatever was asked and recorded: the same policies answer it the same, other policies answer the record as they would
// have answered the request, or it is undecided; and where nothing was lost it is not.
func TestARecordIsAnsweredAsItsRequestWas(t *testing.T) {
	h := newHouse(t)
	compared, undecided, flips, scopes, lost := 0, 0, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		before, after := drawSet(t, rt), drawSet(t, rt)
		req := h.draw(rt)
		line, questions, passing := h.decide(rt, before, req)
		same := replayed(t, before, before, line, replay.Options{})
		if same.Changes() > 0 || same.Drift.Lines > 0 {
			rt.Fatalf("the same policies: %+v\n%s", same, line)
		}
		got := replayed(t, before, after, line, replay.Options{Explain: true})
		if len(questions) == 0 {
			if got.NotAsked[replay.Refused] != 1 {
				rt.Fatalf("policy was asked nothing: %+v\n%s", got, line)
			}
			return
		}
		version, _, _ := req.MCP.Header.One("mcp-protocol-version")
		whole := version == mcp.Version20260728 && req.Path == "/mcp" && req.Host != "h\xff" && req.Server != "ledger" &&
			questions[0].Call.Method != "completion/complete" && questions[0].Call.Method != "prompts/get"
		switch {
		case got.Undecided == 1 && !whole:
			undecided++
			return
		case got.Compared != 1:
			rt.Fatalf("not compared: %+v\n%s", got, line)
		}
		compared++
		if got.ScopesUndecided > 0 {
			if lost++; whole || passing == nil {
				rt.Fatalf("what may be passed on is undecided: %+v\n%s", got, line)
			}
			passing = nil
		}
		old, now := expected(before, questions, passing), expected(after, questions, passing)
		if asked := passing != nil && old.allowed && now.allowed; asked != (got.ScopesCompared == 1) {
			rt.Fatalf("%t, and %d scopes were compared\n%s", asked, got.ScopesCompared, line)
		}
		want := map[bool]int{}
		if want[!old.equal(&now)]++; got.Changes() != want[true] {
			rt.Fatalf("%+v → %+v, and the plan has %+v\n%s", old, now, got, line)
		}
		if got.Changes() == 0 {
			return
		}
		flips++
		g := got.Groups[0]
		if g.Kind == replay.ScopeWidened || g.Kind == replay.ScopeNarrowed {
			scopes++
			if !slices.Equal(g.Old.PassesOn, old.scope) || !slices.Equal(g.New.PassesOn, now.scope) || len(g.Explanation) == 0 {
				rt.Fatalf("%q → %q, and the plan has %+v", old.scope, now.scope, g)
			}
		}
		for _, side := range []struct {
			got  replay.Answer
			want answer
		}{{g.Old, old}, {g.New, now}} {
			if side.got.Decision == "allow" != side.want.allowed || side.got.SingleUse != side.want.single ||
				side.got.PassOnError != side.want.scopeFailed ||
				!slices.Equal(side.got.PolicyIDs, side.want.ids) || !slices.Equal(side.got.Errors, side.want.failed) {
				rt.Fatalf("%s", cmp.Diff(side.want.ids, side.got.PolicyIDs))
			}
		}
	})
	t.Logf("%d compared, %d undecided, %d flips, %d of them of scopes, and %d scopes undecided", compared, undecided, flips, scopes, lost)
	if compared == 0 || undecided == 0 || flips == 0 {
		t.Error("nothing was tried")
	}
}
