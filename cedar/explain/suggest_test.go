package explain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign.dev/cedar/explain"
)

// suggested is the first suggestion, without the policy.
type suggested struct {
	Changes, Needs []string
	Checked        bool
	Still          []string
}

// One policy, one request that it does not allow, and the least that would help.
func TestSuggestions(t *testing.T) {
	const (
		call      = `@id("p") permit (principal, action in Action::"call_tool", resource)`
		delegated = `{peer: /planner, server: wiki, tool: any, delegation: {subject: alice}}`
		plain     = `{peer: /planner, server: wiki, tool: any}`
	)
	when := func(condition string) string { return call + " when { " + condition + " };" }
	do := func(changes ...string) suggested { return suggested{Changes: changes, Checked: true} }
	for name, tc := range map[string]struct {
		policies string
		request  string
		want     suggested
	}{
		"a delegation":  {when(`context has delegation`), plain, do("send a delegation of some user (Txn-Token)")},
		"no delegation": {when(`!(context has delegation)`), delegated, do("send no delegation")},
		"a user": {
			when(`context has delegation && context.delegation.subject == User::"bob"`), delegated, do(`call on behalf of User::"bob"`),
		},
		"a user of another issuer": {
			when(`context has delegation && context.delegation.subject == User::"partner:carol"`),
			`{peer: /planner, server: wiki, tool: any, delegation: {subject: alice, subject_prefix: "partner:"}}`,
			do(`call on behalf of User::"partner:carol"`),
		},
		"a scope": {
			when(`context has delegation && context.delegation.scopes.contains("mcp:wiki:x")`), delegated,
			do("add the scope mcp:wiki:x to the delegation"),
		},
		"one scope less": {
			when(`context has delegation && !context.delegation.scopes.contains("mcp:wiki:any")`), delegated,
			do("take the scope mcp:wiki:any out of the delegation"),
		},
		"a purpose": {
			when(`context has delegation && context.delegation has purpose && context.delegation.purpose == "refund"`), delegated,
			do(`delegate with purpose "refund"`),
		},
		"no task": {
			when(`context has delegation && !(context.delegation has task)`),
			`{peer: /planner, server: wiki, tool: any, delegation: {subject: alice, task: t}}`, do("delegate without a task"),
		},
		"fewer hops": {
			when(`context has delegation && context.delegation.depth < 3`),
			`{peer: /planner, server: wiki, tool: any, delegation: {subject: alice, depth: 5}}`, do("delegate over 2 hops"),
		},
		"more hops, the other way round": {
			when(`context has delegation && 3 < context.delegation.depth`), delegated, do("delegate over 4 hops"),
		},
		"an issuer": {
			when(`context has delegation && context.delegation.issuer == "https://tts.acme.example"`), delegated,
			do(`delegate with issuer "https://tts.acme.example"`),
		},
		"bound to a certificate": {
			when(`context has delegation && context.delegation.sender_constrained`), delegated,
			do("bind the delegation to the certificate of the caller"),
		},
		"an argument below a limit": {
			when(`context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") < 100`),
			`{peer: /planner, server: wiki, tool: any, arguments: {n: 1000}}`, do("send 99 for the argument n"),
		},
		"an argument that is missing": {
			when(`context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") > 100`), plain,
			do("send 101 for the argument n"),
		},
		"an argument between two limits": {
			when(`context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") > 0 && context.arguments.num.getTag("n") <= 50`), plain,
			do("send 1 for the argument n"),
		},
		"a number as text": {
			when(`context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") > 0`),
			`{peer: /planner, server: wiki, tool: any, arguments: {n: "100"}}`, do("send 100 (an integer) for the argument n"),
		},
		"a text as number": {
			when(`context.arguments.str.hasTag("n") && context.arguments.str.getTag("n") like "1*"`),
			`{peer: /planner, server: wiki, tool: any, arguments: {n: 100}}`, do(`send "100" (a string) for the argument n`),
		},
		"one of some texts": {
			when(`context.arguments.str.hasTag("c") && ["EUR", "USD"].contains(context.arguments.str.getTag("c"))`), plain,
			do(`send "EUR" for the argument c`),
		},
		"after a date":      {when(`context.now > datetime("2099-01-02")`), plain, do("call at 2099-01-02T00:00:00.001Z")},
		"before a date":     {when(`context.now < datetime("2001-01-02T03:04:05+0100")`), delegated, do("call at 2001-01-02T02:04:04.999Z")},
		"not before a date": {when(`!(context.now < datetime("2099-01-02T03:04:05.678Z"))`), plain, do("call at 2099-01-02T03:04:05.678Z")},
		"a time that is no more": {when(`context.now > datetime("2099-01-02") && context.now < datetime("2001-01-02")`), plain, suggested{
			Changes: []string{"call at 2001-01-01T23:59:59.999Z"}, Needs: []string{`context.now > datetime("2099-01-02")`},
		}},
		"a delegation, which is forbidden": {
			when(`context has delegation`) + `@id("f") forbid (principal, action in Action::"call_tool", resource) when { context has delegation };`, plain,
			suggested{
				Changes: []string{"send a delegation of some user (Txn-Token)"}, Needs: []string{"not context has delegation"},
				Still: []string{"forbidden by f"},
			},
		},
		"what another change makes superfluous": { // the forbid is about transfers, and so not about reading the balance
			`@id("p") permit (principal, action in Action::"call_tool", resource == Tool::"ledger/balance");
			 @id("f") forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer")
				unless { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") > 0 };`,
			`{peer: /crm, server: ledger, tool: transfer, arguments: {amount: "100", to: x}}`,
			do(`call the tool "balance" of the server "ledger"`),
		},
		"an argument too many": {
			when(`!context.arguments.str.hasTag("force")`), `{peer: /planner, server: wiki, tool: any, arguments: {force: "yes"}}`,
			do("leave out the argument force"),
		},
		"a Boolean argument": {
			when(`context.arguments.bool.hasTag("dry") && context.arguments.bool.getTag("dry")`),
			`{peer: /planner, server: wiki, tool: any, arguments: {dry: false}}`, do("send true for the argument dry"),
		},
		"not this Boolean": {
			when(`context.arguments.bool.hasTag("dry") && context.arguments.bool.getTag("dry") != false`),
			`{peer: /planner, server: wiki, tool: any, arguments: {dry: false}}`, do("send true for the argument dry"),
		},
		"a typed argument": {
			`@id("p") permit (principal, action == Action::"call_tool:crm/refund", resource)
				when { !context.input.amount.greaterThan(decimal("9.99")) && context.input.currency == "EUR" };`,
			"{peer: /planner, server: crm, tool: refund, arguments: {amount: 20.5, currency: EUR}}", do("send 9.99 for the argument amount"),
		},
		"a text like another": {
			when(`context has delegation && context.delegation has task && context.delegation.task like "case-*"`), delegated,
			do(`delegate with task "case-1"`),
		},
		"a text with a star": {
			when(`context.request.host like "a\*b*"`), plain, do(`make context.request.host "a*b1"`),
		},
		"a pattern with escapes": {
			when(`context.request.host like "\n*"`), plain, suggested{Needs: []string{`context.request.host like "\n*"`}},
		},
		"what must not be like another": {
			when(`!(context.request.host like "a*")`), `{peer: /planner, server: wiki, tool: any, http: {host: a}}`,
			suggested{Needs: []string{`not context.request.host like "a*"`}},
		},
		"the argument that the task names": {
			when(`context has delegation && context.delegation has task && context.arguments.str.hasTag("case") && context.arguments.str.getTag("case") == context.delegation.task`),
			`{peer: /planner, server: wiki, tool: any, arguments: {case: case-2}, delegation: {subject: alice, task: case-1}}`,
			do(`send "case-1" for the argument case`),
		},
		"the other way round": {
			when(`context has delegation && !(context.delegation.issuer != context.request.host)`),
			`{peer: /planner, server: wiki, tool: any, http: {host: h}, delegation: {subject: alice, issuer: "https://tts.acme.example"}}`,
			do(`delegate with issuer "h"`),
		},
		"two that must differ": {
			when(`context has delegation && context.delegation.issuer != context.request.host`),
			`{peer: /planner, server: wiki, tool: any, http: {host: h}, delegation: {subject: alice, issuer: h}}`,
			suggested{Needs: []string{"context.delegation.issuer != context.request.host"}},
		},
		"what another permit allows": {
			`@id("p") permit (principal, action in Action::"call_tool", resource) when { context has delegation && resource.known };
			 @id("q") permit (principal, action in Action::"call_tool", resource) when { context has delegation };`, plain,
			do("send a delegation of some user (Txn-Token)"),
		},
		"another host": {
			when(`context.request.host == "wiki.acme.example"`), plain, do(`make context.request.host "wiki.acme.example"`),
		},
		"a caller": {
			`@id("p") permit (principal == Workload::"spiffe://acme.example/crm", action, resource);`, delegated,
			do(`call as Workload::"spiffe://acme.example/crm"`),
		},
		"a caller in a condition": {
			when(`principal in WorkloadGroup::"agents"`), "{peer: /crm, server: wiki, tool: any}",
			do(`call as a member of WorkloadGroup::"agents", such as spiffe://acme.example/planner`),
		},
		"a caller below a path": {
			`@id("p") permit (principal in SpiffePath::"spiffe://acme.example/ns/web", action, resource);`, plain,
			do("call as a workload at or below spiffe://acme.example/ns/web"),
		},
		"a caller of a trust domain": {
			`@id("p") permit (principal in TrustDomain::"other.example", action, resource);`, plain,
			do("call from the trust domain, such as spiffe://other.example/planner"),
		},
		"another tool": {
			`@id("p") permit (principal, action in Action::"call_tool", resource == Tool::"wiki/read");`, plain,
			do(`call the tool "read" of the server "wiki"`),
		},
		"another server": {
			`@id("p") permit (principal, action in Action::"call_tool", resource in Server::"ledger");`, plain,
			do(`send it to the server "ledger"`),
		},
		"the easier of two ways": {
			when(`principal.path == "/x" && principal.trust_domain == "y" || context has delegation`), plain,
			do("send a delegation of some user (Txn-Token)"),
		},
		"what applies but is forbidden": {
			call + `; @id("f") forbid (principal, action in Action::"call_tool", resource) unless { context has delegation };`, plain,
			do("send a delegation of some user (Txn-Token)"),
		},
		"what cannot be helped": {
			call + `; @id("f") forbid (principal, action in Action::"call_tool", resource);`, plain, suggested{},
		},
		"what is not for the caller to change": {
			when(`resource.hints.read_only`), plain, suggested{Needs: []string{"resource.hints.read_only"}},
		},
		"what must not be": {
			when(`!(principal.path like "/p*")`), plain, suggested{Needs: []string{`not principal.path like "/p*"`}},
		},
		"half of it": {
			when(`resource.known && context has delegation`), plain,
			suggested{Changes: []string{"send a delegation of some user (Txn-Token)"}, Needs: []string{"resource.known"}},
		},
		"still forbidden": {
			when(`context has delegation`) + `@id("f") forbid (principal, action in Action::"call_tool", resource) when { !resource.known };`, plain,
			suggested{
				Changes: []string{"send a delegation of some user (Txn-Token)"}, Needs: []string{"resource.known"},
				Still: []string{"forbidden by f"},
			},
		},
		"arguments that do not fit": {
			`@id("p") permit (principal, action in Action::"call_tool", resource);
			 @id("f") forbid (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 9 };`,
			"{peer: /crm, server: ledger, tool: transfer, arguments: {amount: many, to: x}}",
			suggested{
				Needs: []string{"the arguments fit the schema of the tool, but amount is a string, the schema has an integer"},
				Still: []string{`f cannot be judged: the arguments do not fit the pinned schema, so what the policy says about Action::"call_tool:ledger/transfer" cannot be judged`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := explain.Explain(t.Context(), written(t, tc.policies), ask(t, tc.request), explain.Options{Suggestions: 1})
			if err != nil {
				t.Fatal(err)
			}
			if name == "what another permit allows" && (len(e.Suggestions) != 1 || e.Suggestions[0].Policy != "q") {
				t.Errorf("%+v", e.Suggestions)
			}
			if e.Decision != "deny" {
				t.Fatalf("the request is allowed: %s", e.Why)
			}
			var got suggested
			if len(e.Suggestions) > 0 {
				s := e.Suggestions[0]
				got = suggested{s.Changes, s.Needs, s.Checked, s.Still}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A clause behind one that decides is not looked at, and an error says what it is.
func TestConditionsAsCedarLooksAtThem(t *testing.T) {
	s := written(t, `@id("p") permit (principal, action in Action::"call_tool", resource)
		when { context has delegation } when { context.method == "tools/call" };
		@id("q") permit (principal, action in Action::"call_tool", resource)
		when { context.arguments.num.hasTag("n") && (9223372036854775807 + context.arguments.num.getTag("n") > 0 || resource.known) };`)
	e, err := explain.Explain(t.Context(), s, ask(t, "{peer: /planner, server: wiki, tool: any, arguments: {n: 1}}"), explain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	type leaf struct{ Text, Value string }
	got := map[string][]leaf{}
	for _, p := range e.Candidates {
		for _, c := range p.Conditions {
			got[p.ID] = append(got[p.ID], leaf{c.Kind, c.Outcome})
			for _, l := range c.Leaves {
				got[p.ID] = append(got[p.ID], leaf{l.Text, l.Value})
			}
		}
	}
	if diff := cmp.Diff(map[string][]leaf{
		"p": {{"when", "not met"}, {"context has delegation", "false"}, {"when", "not looked at"}, {`context.method == "tools/call"`, "not looked at"}},
		"q": {
			{"when", "error"}, {`context.arguments.num.hasTag("n")`, "true"},
			{`9223372036854775807 + context.arguments.num.getTag("n") > 0`, "error"}, {"resource.known", "not looked at"},
		},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.Why != "a policy that cannot be judged denies: q" {
		t.Errorf("why %q", e.Why)
	}
	var text bytes.Buffer
	if err := e.Text(&text, true); err != nil || !strings.Contains(text.String(), "\x1b[31mdeny\x1b[0m") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if encoded, err := json.Marshal(e); err != nil || !strings.Contains(string(encoded), `"decision":"deny"`) {
		t.Errorf("%v\n%s", err, encoded)
	}
}

// Who wants no suggestions is not told that there are none.
func TestNoSuggestionsWanted(t *testing.T) {
	s, q := acme(t), ask(t, "{peer: /nobody, server: crm, tool: search}")
	for most, said := range map[int]bool{0: false, 1: true} {
		e, err := explain.Explain(t.Context(), s, q, explain.Options{Suggestions: most})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := e.Text(&text, false); err != nil {
			t.Fatal(err)
		}
		if e.Decision != "deny" || most == 0 && len(e.Suggestions) > 0 {
			t.Errorf("with %d suggestions: %s, %v", most, e.Decision, e.Suggestions)
		}
		if got := strings.Contains(text.String(), "would allow it"); got != said {
			t.Errorf("with %d suggestions:\n%s", most, &text)
		}
	}
}

func TestExplainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := acme(t)
	cancel()
	if _, err := explain.Explain(ctx, s, ask(t, "{peer: /planner, server: crm, method: tools/list}"), explain.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after the caller went away", err)
	}
}

// Every kind of question says what it is about that is not there; and a long text does not fill the screen.
func TestUnknownAndLong(t *testing.T) {
	s := acme(t)
	for yaml, want := range map[string]string{
		"{peer: /planner, server: cmr, method: tools/list}": `no server "cmr" is configured: did you mean "crm"?`,
		"{peer: /planner, server: crm, tool: serach}":       `server "crm" has no pinned tool "serach": did you mean "search"?`,
		"{peer: /planner, server: crm, tool: search, delegation: {subject: bob}, delegate: {backend: /crm, scope: mcp:ledger:balancer}}": `server "ledger" has no pinned tool "balancer": did you mean "balance"?`,
		"{peer: /planner, revoke: {issuer: spiffe://acme.example/countersign, operation: list}}":                                         "",
	} {
		e, err := explain.Explain(t.Context(), s, ask(t, yaml), explain.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Unknown != want {
			t.Errorf("%s: %q", yaml, e.Unknown)
		}
		var text bytes.Buffer
		if err := e.Text(&text, false); err != nil || want != "" && !strings.Contains(text.String(), "\nnote: "+want+"\n") {
			t.Errorf("%v\n%s", err, &text)
		}
	}
	long := written(t, `@id("p") permit (principal, action in Action::"call_tool", resource) when { context.method like "`+strings.Repeat("x", 9000)+`" };`)
	e, err := explain.Explain(t.Context(), long, ask(t, "{peer: /planner, server: wiki, tool: any}"), explain.Options{Suggestions: 1})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := e.Text(&text, false); err != nil || text.Len() > 2000 || !strings.Contains(text.String(), "xx…") {
		t.Errorf("%v, %d bytes", err, text.Len())
	}
}

// Many policies with many clauses end the search before they end the patience of who asked.
func TestSearchEnds(t *testing.T) {
	var text strings.Builder
	for p := range 25 {
		fmt.Fprintf(&text, `@id("p%d") permit (principal, action in Action::"call_tool", resource)`, p)
		for a := range 200 {
			fmt.Fprintf(&text, ` when { context.arguments.num.hasTag("a%d") && context.arguments.num.getTag("a%[1]d") > %d }`, a%15, a+p)
		}
		text.WriteString(";")
	}
	e, err := explain.Explain(t.Context(), written(t, text.String()), ask(t, "{peer: /planner, server: wiki, tool: any}"), explain.Options{Suggestions: 20})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Suggestions); n == 0 || n > 5 {
		t.Errorf("%d suggestions: the search went through all permits, or through none", n)
	}
}
