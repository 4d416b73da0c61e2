package lint

import (
	"fmt"
	"slices"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func trustRules() []Rule {
	return []Rule{
		{
			ID: "delegation-unchecked", Severity: diagnostic.Warning,
			Summary: "A permit for something that can change data does not ask for a delegation in every case.",
			Why: "It also permits the workload to act on nobody's behalf: a call without a token is a call without a delegation. " +
				"Each alternative of an || has to ask. @single_use asks for one too, and tools that only read " +
				"(resource.hints.read_only) are left out. So is what may be done on nobody's behalf only: another policy forbids " +
				"all of it when { context has delegation }.",
			Bad: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer");
`,
			Good: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer")
when { context has delegation && context.delegation.subject in UserGroup::"finance" };
`,
			policy: func(p *pass) {
				if !mayWrite(p.policy) || demandsDelegation(p.policy) || p.actsAlone(p.policy) {
					return
				}
				message := "the permit does not ask on whose behalf"
				if looksAt(p.policy, "context.delegation") {
					message = "the permit also applies when there is no delegation"
				}
				p.whole(message, "add context has delegation && …, or look at resource.hints.read_only")
			},
		},
		{
			ID: "depth-unchecked", Severity: diagnostic.Note, Off: true,
			Summary: "A permit for something that can change data does not look at how the delegation got here.",
			Why: "Token chains have a limit of their own. A policy can be stricter: context.delegation.depth counts the hops, " +
				"actors and immediate_actor name them. Off unless a level is configured.",
			Bad: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer")
when { context has delegation && context.delegation.subject in UserGroup::"finance" };
`,
			Good: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer")
when { context has delegation && context.delegation.subject in UserGroup::"finance" && context.delegation.depth <= 2 };
`,
			policy: func(p *pass) {
				if mayWrite(p.policy) && looksAt(p.policy, "context.delegation") &&
					!demandsPath(p.policy, "context.delegation.depth", "context.delegation.actors", "context.delegation.immediate_actor") {
					p.whole("the permit does not ask how many hops the delegation has", "add context.delegation.depth <= …")
				}
			},
		},
		{
			ID: "audience-unchecked", Severity: diagnostic.Note, Off: true,
			Summary: "A permit for something that can change data does not look at who the delegation is meant for.",
			Why: "The audience of a token is the trust domain in which its chain began. The server refuses audiences that the " +
				"configuration does not name; where it names those of other trust domains, every permit is for their users too, " +
				"unless it says which of them: context.delegation.audience. Off unless a level is configured.",
			Bad: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer")
when { context has delegation && context.delegation.subject in UserGroup::"finance" };
`,
			Good: `@id("planner-transfers")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"ledger/transfer")
when { context has delegation && context.delegation.subject in UserGroup::"finance" && context.delegation.audience.contains("acme.example") };
`,
			policy: func(p *pass) {
				if mayWrite(p.policy) && looksAt(p.policy, "context.delegation") && !demandsPath(p.policy, "context.delegation.audience") {
					p.whole("the permit does not ask who the delegation is meant for", `add context.delegation.audience.contains("…")`)
				}
			},
		},
		{
			ID: "trusts-request-data", Severity: diagnostic.Warning,
			Summary: "Nothing but data that the caller writes decides whether a permit applies.",
			Why: "Host, path, source address and protocol version (context.request), and the arguments, are what the caller sent. " +
				"Whoever knows the policy sends what it asks for.",
			Bad: `@id("internal")
permit (principal, action in Action::"read", resource) when { context.request.host == "internal.acme.example" };
`,
			Good: `@id("internal")
permit (principal in TrustDomain::"acme.example", action in Action::"read", resource)
when { context.request.host == "internal.acme.example" };
`,
			policy: trustsRequestData,
		},
		{
			ID: "principal-user-confusion", Severity: diagnostic.Error,
			Summary: "The principal is taken for a user, or the user for a workload.",
			Why: "The principal is the workload that calls. The user on whose behalf it does is context.delegation.subject. " +
				"A policy that mixes them up never applies.",
			Bad: `@id("alice-searches")
permit (principal == User::"alice", action in Action::"call_tool", resource == Tool::"crm/search");
`,
			Good: `@id("alice-searches")
permit (principal in WorkloadGroup::"agents", action in Action::"call_tool", resource == Tool::"crm/search")
when { context has delegation && context.delegation.subject == User::"alice" };
`,
			policy: confusesPrincipal,
		},
	}
}

// writes are the actions, and groups of them, that can change data.
var writes = []string{"any", "write", "call_tool", "update_task", "cancel_task"}

// mayWrite reports whether a policy permits something that can change data, not counting what has to ask for a
// delegation anyway or is about tools that only read.
func mayWrite(p *syntax.Policy) bool {
	if p.Effect.Text != "permit" {
		return false
	}
	if _, once := p.Annotation("single_use"); once {
		return false
	}
	action := p.Scope[1]
	if action.Operator != "" && !slices.ContainsFunc(action.Entities, canWrite) {
		return false
	}
	return !slices.ContainsFunc(required(p), func(e syntax.Expr) bool { return pathOf(e) == readOnly })
}

// canWrite reports whether an action, or one in it, can change data.
func canWrite(e *syntax.EntityRef) bool {
	return e.Type.String() == "Action" && (slices.Contains(writes, e.Unquoted) || strings.HasPrefix(e.Unquoted, callOf))
}

// looksAt reports whether the conditions look at one of the paths, or below it.
func looksAt(p *syntax.Policy, roots ...string) bool {
	return slices.ContainsFunc(reads(p), func(r read) bool {
		return slices.ContainsFunc(roots, func(root string) bool { return under(r.path, root) })
	})
}

// written are the paths of what the caller writes.
var written = []string{"context.request", "context.arguments", "context.input"}

func trustsRequestData(p *pass) {
	if p.policy.Effect.Text != "permit" || !open(p.policy.Scope[0]) {
		return
	}
	all := reads(p.policy)
	if len(all) == 0 {
		return
	}
	for _, r := range all {
		if !slices.ContainsFunc(written, func(root string) bool { return under(r.path, root) }) {
			return
		}
	}
	p.at(all[0].at.Span(), fmt.Sprintf("only %s decides, which the caller writes", all[0].path), "ask for the workload, its group or the delegation too")
}

var (
	userTypes     = []string{"User", "UserGroup"}
	workloadTypes = []string{"Workload", "WorkloadGroup", "SpiffePath", "TrustDomain"}
)

const subjectPath = "context.delegation.subject"

func confusesPrincipal(p *pass) {
	principal := func(at syntax.Span, kind string) {
		p.at(at, fmt.Sprintf("the principal is a workload, never a %s", kind), "the user is "+subjectPath)
	}
	c := p.policy.Scope[0]
	if c.Type != nil && slices.Contains(userTypes, c.Type.String()) {
		principal(c.Span, c.Type.String())
	}
	for _, e := range c.Entities {
		if kind := e.Type.String(); slices.Contains(userTypes, kind) {
			principal(c.Span, kind)
		}
	}
	compare := func(at syntax.Span, left syntax.Expr, kind string) {
		switch {
		case variable(left, "principal") && slices.Contains(userTypes, kind):
			principal(at, kind)
		case pathOf(left) == subjectPath && slices.Contains(workloadTypes, kind):
			p.at(at, fmt.Sprintf("the subject of a delegation is a user, never a %s", kind), "the workload is principal")
		}
	}
	expressions(p.policy, func(e syntax.Expr) {
		switch e := e.(type) {
		case *syntax.Binary:
			if op := e.Operator.Text; op != "==" && op != "!=" && op != "in" {
				return
			}
			for _, ref := range named(e.Right) {
				compare(e.Span(), e.Left, ref.Type.String())
			}
			for _, ref := range named(e.Left) {
				compare(e.Span(), e.Right, ref.Type.String())
			}
		case *syntax.Is:
			compare(e.Span(), e.Arg, e.Type.String())
		case *syntax.Access:
			if name := e.Name.Name; variable(e.Arg, "principal") && (name == "subject" || name == "issuer") {
				principal(e.Span(), "User")
			}
		}
	})
}
