package cedar

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// forget takes out of a query what is unknown of it.
func forget(q authz.Query, u Unknown) authz.Query {
	call := *q.Call
	q.Call = &call
	if u.Arguments {
		call.Arguments = mcp.Object{}
	}
	if u.Session {
		call.SessionID = ""
	}
	if u.Version {
		call.Version = ""
	}
	if u.RequestID {
		q.HTTP.ID = ""
	}
	if u.Host {
		q.HTTP.Host = ""
	}
	if u.Path {
		q.HTTP.Path = ""
	}
	if u.SourceIP {
		q.HTTP.SourceIP = netip.Addr{}
	}
	if d := q.Delegation; u.Token && d != nil {
		q.RootIssuer, q.SubjectPrefix = "https://issuer.example", ""
		q.Delegation = &delegation.Claims{
			Subject: d.Subject, Actor: d.Actor, Task: d.Task, IssuedAt: q.Now, Expiry: q.Now.Add(time.Minute),
		}
	}
	return q
}

// An answer that does not hinge on what is unknown is that to the full request.
func TestAnswersThatDoNotHingeOnTheUnknown(t *testing.T) {
	template := acmeSources(t, "")
	hinges, does := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.Permutation(strings.SplitAfter(strings.TrimSpace(drawPolicies(t)), "\n")).Draw(t, "order")
		few = few[:min(len(few), 2)] // of many, one reads everything
		text := strings.Join(few, "\n")
		s := template.with(t, text)
		s.onError = rapid.SampledFrom([]OnError{Deny, SkipPermits}).Draw(t, "on error")
		for range 8 {
			unknown := rapid.SampledFrom([]Unknown{
				{Arguments: true}, {Session: true}, {Token: true}, {Version: true, Host: true, Path: true, SourceIP: true},
				{RequestID: true}, {Arguments: true, Token: true}, {Path: true},
			}).Draw(t, "unknown")
			full := drawQuery(t)
			part := forget(full, unknown)
			if s.Hinges(part, unknown) {
				hinges++
				continue
			}
			does++
			want, got := s.Authorize(context.Background(), full), s.Authorize(context.Background(), part)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s\nwithout %+v of %+v (-full +part):\n%s", text, unknown, full.Target, diff)
			}
			if s.Hinges(full, unknown) {
				t.Fatalf("%+v: it hinges on what is known", unknown)
			}
		}
	})
	if hinges == 0 || does == 0 {
		t.Errorf("%d hinge and %d do not: nothing was tried", hinges, does)
	}
}

// asking is a request of the planner, about a tool if it has a name.
func asking(server, method, tool string) authz.Query {
	q := authz.Query{
		Now: time.Unix(1_800_000_000, 0), Server: server, Call: &mcp.Call{Kind: mcp.KindRequest, Method: method},
		Peer: peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
	}
	if tool != "" {
		q.Target = mcp.Target{Kind: mcp.TargetTool, Name: tool}
	}
	return q
}

// What answers hinge on, with the policies of acme.example.
func TestHinges(t *testing.T) {
	policies := func(text string) *Snapshot {
		s, err := newSnapshot(acmeSources(t, text), acmeConfig())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	arguments, token := Unknown{Arguments: true}, Unknown{Token: true}
	search, other := asking("crm", "tools/call", "search"), asking("wiki", "tools/call", "find")
	for name, tc := range map[string]struct {
		policy string
		query  authz.Query
		on     Unknown
		want   bool
	}{
		"nothing is unknown":            {`permit(principal, action, resource);`, search, Unknown{}, false},
		"a policy that reads nothing":   {`permit(principal, action, resource);`, search, arguments, false},
		"a permit for the typed action": {`permit(principal, action == Action::"call_tool:crm/search", resource);`, search, arguments, true},
		"the typed action, elsewhere":   {`permit(principal, action == Action::"call_tool:crm/search", resource);`, other, arguments, false},
		"a forbid for the typed action": {`forbid(principal, action == Action::"call_tool:crm/search", resource);`, search, arguments, true},
		"the plain action of a pinned tool": {
			`permit(principal, action == Action::"call_tool", resource);`, search, arguments, true},
		"the plain action of another tool": {
			`permit(principal, action == Action::"call_tool", resource);`, other, arguments, false},
		"a condition about the action": {
			`permit(principal, action in Action::"call_tool", resource) when { action == Action::"call_tool" };`, search, arguments, true},
		"a condition that names the typed action": {
			`permit(principal, action in Action::"call_tool", resource) when { Action::"call_tool:crm/search" in Action::"write" };`,
			search, arguments, true},
		"whether they are complete": {
			`permit(principal, action in Action::"call_tool", resource) when { context.arguments.complete };`, other, arguments, true},
		"an argument behind the back of the context": {
			`permit(principal, action in Action::"call_tool", resource) when { StrArgs::"arguments".hasTag("query") };`, other, arguments, true},
		"arguments of a list of tools": {
			`permit(principal, action in Action::"call_tool", resource) when { context.arguments.complete };`,
			asking("wiki", "tools/list", ""), arguments, false},
		"a group of users": {
			`permit(principal, action in Action::"call_tool", resource) when { context has delegation && context.delegation.subject in UserGroup::"staff" };`,
			search, token, true},
		"whether there is a delegation": {
			`permit(principal, action in Action::"call_tool", resource) when { context has delegation };`, search, token, false},
		"a user that is written out": {
			`permit(principal, action in Action::"call_tool", resource) when { User::"alice" in UserGroup::"staff" };`, search, token, true},
		"an unknown method": {`permit(principal, action, resource);`, asking("crm", "no/such", ""), arguments, false},
	} {
		if got := policies(`@id("p") `+tc.policy).Hinges(tc.query, tc.on); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// What may be passed on depends on what policies about that read, and about which tools they are.
func TestHingesDelegating(t *testing.T) {
	template := acmeSources(t, "")
	crm := spiffeid.RequireFromString("spiffe://acme.example/crm")
	q := authz.Query{
		Peer: peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")}, Server: "crm",
		Call:       &mcp.Call{Kind: mcp.KindRequest, Method: "tools/list"},
		Delegation: &delegation.Claims{Subject: "alice", Actor: &delegation.Actor{Subject: "spiffe://acme.example/planner"}},
	}
	stranger := q
	stranger.Delegation = &delegation.Claims{Subject: "alice", Actor: &delegation.Actor{Subject: "planner"}}
	const about = `permit(principal, action == Action::"delegate", `
	for name, tc := range map[string]struct {
		policy string
		query  authz.Query
		scope  string
		on     Unknown
		want   bool
	}{
		"nothing is unknown":       {about + `resource) when { context has session };`, q, "mcp:crm:*", Unknown{}, false},
		"the session":              {about + `resource) when { context has session };`, q, "mcp:crm:*", Unknown{Session: true}, true},
		"the host":                 {about + `resource) when { context has session };`, q, "mcp:crm:*", Unknown{Host: true}, false},
		"arguments, which are not": {about + `resource) when { context has session };`, q, "mcp:crm:*", Unknown{Arguments: true}, false},
		"of another tool": {
			about + `resource == Tool::"crm/search") when { context has session };`, q, "mcp:crm:refund", Unknown{Session: true}, false},
		"of one among all": {
			about + `resource == Tool::"crm/search") when { context has session };`, q, "mcp:crm:*", Unknown{Session: true}, true},
		"of another backend": {
			`permit(principal == Workload::"spiffe://acme.example/ledger", action == Action::"delegate", resource) when { context has session };`,
			q, "mcp:crm:*", Unknown{Session: true}, false},
		"of calls": {
			`permit(principal, action in Action::"call_tool", resource) when { context has session };`, q, "mcp:crm:*", Unknown{Session: true}, false},
		"a user that is written out":   {about + `resource) when { User::"alice" in UserGroup::"staff" };`, q, "mcp:crm:*", Unknown{Token: true}, true},
		"an actor that is no workload": {about + `resource) when { context has session };`, stranger, "mcp:crm:*", Unknown{Session: true}, false},
	} {
		s := template.with(t, `@id("p") `+tc.policy)
		if got := s.HingesDelegating(tc.query, crm, delegation.Scope{tc.scope}, tc.on); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
