package cedar_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign.dev/cedar"
)

// One policy, one question of which a part is open, and what is left of the policy.
func TestMay(t *testing.T) {
	const (
		planner = `Workload::"spiffe://acme.example/planner"`
		call    = `permit (principal, action in Action::"call_tool", resource)`
	)
	permit := func(condition string) string { return `@id("p") ` + call + " when { " + condition + " };" }
	for name, tc := range map[string]struct {
		policies string
		query    cedar.PartialQuery
		answer   cedar.Answer
		when     string
	}{
		"everybody": {`@id("p") ` + call + `;`, cedar.PartialQuery{}, cedar.Yes, ""},
		"nobody":    {`@id("p") permit (principal, action == Action::"ping", resource);`, cedar.PartialQuery{}, cedar.No, ""},
		"some users": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"staff"`), cedar.PartialQuery{},
			cedar.Depends, `context has delegation && context.delegation.subject in UserGroup::"staff"`,
		},
		"a group that nobody is in": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"none"`), cedar.PartialQuery{}, cedar.No, "",
		},
		"one of them": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"staff"`),
			cedar.PartialQuery{User: `User::"alice"`}, cedar.Yes, "",
		},
		"somebody else": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"staff"`),
			cedar.PartialQuery{User: `User::"zed"`}, cedar.No, "",
		},
		"a group in the group": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"staff"`),
			cedar.PartialQuery{User: `UserGroup::"finance"`}, cedar.Yes, "",
		},
		"a part of a group": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"finance"`),
			cedar.PartialQuery{User: `UserGroup::"staff"`}, cedar.Depends, `context.delegation.subject in UserGroup::"finance"`,
		},
		"without a user": {
			permit(`context has delegation && context.delegation.subject in UserGroup::"staff"`),
			cedar.PartialQuery{NoUser: true}, cedar.No, "",
		},
		"an argument": {
			permit(`context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") < 5`), cedar.PartialQuery{},
			cedar.Depends, `context.arguments.num.hasTag("n") && context.arguments.num.getTag("n") < 5`,
		},
		"what is known is left out": {
			permit(`principal.path == "/planner" && resource.name == "any" && (resource.known || context has delegation)`), cedar.PartialQuery{},
			cedar.Depends, `context has delegation`,
		},
		"a list, in the order of the author": {
			permit(`["USD", "EUR", "CHF", resource.name].contains(context.request.host)`), cedar.PartialQuery{},
			cedar.Depends, `["USD", "EUR", "CHF", "any"].contains(context.request.host)`,
		},
		"a list that somebody else's is compared with": {
			permit(`context has delegation && (if resource.known then ["x"] else ["b", "c", "a"]).containsAll(context.delegation.scopes)`),
			cedar.PartialQuery{User: `User::"alice"`}, cedar.Depends, `["b", "c", "a"].containsAll(context.delegation.scopes)`,
		},
		"a workload among others": {
			`@id("p") permit (principal == ` + planner + `, action in Action::"call_tool", resource);`,
			cedar.PartialQuery{Principal: `TrustDomain::"acme.example"`}, cedar.Depends, `principal == ` + planner,
		},
		"a tool among others": {
			`@id("p") permit (principal, action in Action::"call_tool", resource == Tool::"wiki/read");`,
			cedar.PartialQuery{Tool: "*"}, cedar.Depends, `resource == Tool::"wiki/read"`,
		},
		"any tool of a server": {
			`@id("p") permit (principal, action in Action::"call_tool", resource in Server::"wiki") when { !resource.known };`,
			cedar.PartialQuery{Tool: "*"}, cedar.Yes, "",
		},
		"a forbid that may apply": {
			`@id("p") ` + call + `; @id("f") forbid (principal, action in Action::"call_tool", resource) when { context.request.host == "x" };`,
			cedar.PartialQuery{}, cedar.Depends, `!(context.request.host == "x")`,
		},
		"a forbid that does": {
			`@id("p") ` + call + `; @id("f") forbid (principal, action in Action::"call_tool", resource) unless { resource.known };`,
			cedar.PartialQuery{}, cedar.No, "",
		},
		"one of two permits": {
			permit(`context.request.host == "x"`) + `@id("q") ` + call + ` when { context.request.host == "y" };`, cedar.PartialQuery{},
			cedar.Depends, `context.request.host == "x" || context.request.host == "y"`,
		},
		"a policy that may overflow": {
			permit(`true`) + `@id("q") ` + call + ` when { context has delegation && context.delegation.depth * 2 > 0 };`,
			cedar.PartialQuery{}, cedar.Depends, "true",
		},
		"a policy that fails": {
			permit(`true`) + `@id("q") ` + call + ` when { User::"zed".subject == "zed" };`, cedar.PartialQuery{NoUser: true}, cedar.No, "",
		},
		"if": {
			permit(`if context has delegation then principal.path == "/planner" else resource.known`), cedar.PartialQuery{},
			cedar.Depends, `if context has delegation then true else false`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := tc.query
			if q.Principal == "" {
				q.Principal = planner
			}
			if q.Tool == "" {
				q.Tool = "any"
			}
			q.Server = "wiki"
			got, err := load(t, tc.policies).May(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Answer != tc.answer || got.When != tc.when {
				t.Errorf("%s when %s, want %s when %s", got.Answer, got.When, tc.answer, tc.when)
			}
		})
	}
}

// Arguments that fit the pinned schema and others are two questions, and a forbid for the typed action denies the others.
func TestMayWithArgumentsThatDoNotFit(t *testing.T) {
	s := load(t, `
		@id("p") permit (principal, action in Action::"call_tool", resource);
		@id("cap") forbid (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 10000 };`)
	got, err := s.May(t.Context(), cedar.PartialQuery{Principal: `WorkloadGroup::"agents"`, Server: "ledger", Tool: "transfer"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cedar.Possible{
		Answer: cedar.Depends, When: "!(context.input.amount > 10000)", Fit: cedar.Depends, Unfit: cedar.No,
		Permits: []string{"p"}, Forbids: []string{"cap"},
	}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMayRefusesWhatIsNoQuestion(t *testing.T) {
	s := load(t, `@id("p") permit (principal, action, resource);`)
	const planner = `Workload::"spiffe://acme.example/planner"`
	for name, tc := range map[string]struct {
		query cedar.PartialQuery
		want  string
	}{
		"no principal":        {cedar.PartialQuery{Server: "crm", Tool: "search"}, "principal : syntax error"},
		"no tool":             {cedar.PartialQuery{Principal: planner, Server: "crm"}, "name a server and a tool"},
		"a user and none":     {cedar.PartialQuery{Principal: planner, User: `User::"a"`, NoUser: true, Server: "crm", Tool: "x"}, "either a user or no user"},
		"a user that is none": {cedar.PartialQuery{Principal: planner, User: `Tool::"a/b"`, Server: "crm", Tool: "x"}, "want a User or UserGroup"},
		"no user":             {cedar.PartialQuery{Principal: planner, User: `"alice"`, Server: "crm", Tool: "x"}, "not an entity such as"},
		"no SPIFFE ID":        {cedar.PartialQuery{Principal: `SpiffePath::"/ns"`, Server: "crm", Tool: "x"}, "can never be"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.May(t.Context(), tc.query); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.May(ctx, cedar.PartialQuery{Principal: planner, Server: "crm", Tool: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after the caller went away", err)
	}
}

// Who and what there is to ask about is what policies and entities name.
func TestWhatPoliciesName(t *testing.T) {
	s := load(t, `@id("p") permit (principal in TrustDomain::"other.example", action in Action::"call_tool", resource == Tool::"wiki/read")
		when { principal in WorkloadGroup::"oncall" || context has delegation && context.delegation.subject == User::"zed" };
		@id("q") permit (principal, action, resource == Tool::"elsewhere/x");`)
	if diff := cmp.Diff([]string{
		`SpiffePath::"spiffe://acme.example/interns"`, `TrustDomain::"other.example"`, `Workload::"spiffe://acme.example/planner"`,
		`WorkloadGroup::"agents"`, `WorkloadGroup::"interns"`, `WorkloadGroup::"oncall"`,
	}, s.Principals()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`User::"alice"`, `User::"bob"`, `User::"zed"`, `UserGroup::"finance"`, `UserGroup::"staff"`}, s.Users()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"crm/refund", "crm/search", "ledger/balance", "ledger/statement", "ledger/transfer", "wiki/*", "wiki/read"}, s.CallableTools()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`User::"alice"`, `User::"bob"`}, s.Members(`UserGroup::"staff"`)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
