package lint

import (
	"fmt"
	"slices"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// groups are the actions that other actions are in, from the schema of the server. Requests are never about those of
// the first five themselves.
var groups = []string{"any", "read", "write", "lifecycle", "list", "call_tool"}

func scopeRules() []Rule {
	return []Rule{
		{
			ID: "unscoped-policy", Severity: diagnostic.Warning,
			Summary: "A policy has neither a principal nor an action nor a resource in its scope.",
			Why: "It is evaluated for every request: the index cannot skip it. And a permit that relies on its conditions alone " +
				"permits everything else the day one of them is dropped.",
			Bad: `@id("crm-reads")
permit (principal, action, resource) when { resource in Server::"crm" };
`,
			Good: `@id("crm-reads")
permit (principal, action, resource in Server::"crm");
`,
			policy: func(p *pass) {
				scope := p.policy.Scope
				if open(scope[0]) && scope[1].Operator == "" && open(scope[2]) {
					p.whole("the scope leaves principal, action and resource open", "put the rarest of them that the policy is about into the scope")
				}
			},
		},
		{
			ID: "permit-without-condition", Severity: diagnostic.Warning,
			Summary: "A permit without conditions leaves who may do it, or what it is about, open.",
			Why: "Every workload that the mesh lets in may do that, or the workload may do it on every server. " +
				"To connect and list what there is on every server is fine for a workload that is named.",
			Bad: `@id("search")
permit (principal, action in Action::"call_tool", resource == Tool::"crm/search");
`,
			Good: `@id("planner-searches")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource == Tool::"crm/search");
`,
			policy: func(p *pass) {
				if p.policy.Effect.Text != "permit" || len(p.policy.Conditions) > 0 {
					return
				}
				switch {
				case open(p.policy.Scope[0]):
					p.whole("any workload may do this", "name a workload, a group or a path in the scope, or add a when clause")
				case open(p.policy.Scope[2]) && !connects(p.policy.Scope[1]):
					p.whole("this is permitted on every server", "name a server or a tool in the scope, or add a when clause")
				}
			},
		},
		{
			ID: "action-eq-parent", Severity: diagnostic.Warning,
			Summary: "An action is compared with ==, != or contains to one that others are in.",
			Why: `A call of a pinned tool is Action::"call_tool:crm/search", which is in Action::"call_tool" and not equal to it. ` +
				"A forbid with == does not see it, and a permit with != lets it through. In a permit the fix allows more, and is only " +
				"made when asked for.",
			Bad: `@id("no-calls")
forbid (principal == Workload::"spiffe://acme.example/intern", action == Action::"call_tool", resource);
`,
			Good: `@id("no-calls")
forbid (principal == Workload::"spiffe://acme.example/intern", action in Action::"call_tool", resource);
`,
			Fixable: true,
			policy:  actionEqParent,
		},
		{
			ID: "empty-action-set", Severity: diagnostic.Error,
			Summary: "The list of actions is empty.",
			Why:     "No action is in an empty list: the policy never applies, and a forbid of that kind protects nothing.",
			Bad: `@id("nothing")
forbid (principal, action in [], resource in Server::"ledger");
`,
			Good: `@id("no-writes")
forbid (principal, action in [Action::"write"], resource in Server::"ledger");
`,
			policy: func(p *pass) {
				if c := p.policy.Scope[1]; c.List && len(c.Entities) == 0 {
					p.at(c.Span, "no action is in an empty list", `write action in Action::"any" for all of them`)
				}
			},
		},
	}
}

// connects reports whether all actions of a scope only open a conversation or list what there is.
func connects(c *syntax.Constraint) bool {
	return c.Operator != "" && !slices.ContainsFunc(c.Entities, func(e *syntax.EntityRef) bool {
		switch e.Unquoted {
		case "lifecycle", "list", "initialize", "discover", "ping":
			return false
		}
		return !strings.HasPrefix(e.Unquoted, "list_")
	})
}

// group reports whether an entity is an action that others are in.
func group(e *syntax.EntityRef) bool {
	return e.Type.String() == "Action" && slices.Contains(groups, e.Unquoted)
}

func actionEqParent(p *pass) {
	message := func(means string, e *syntax.EntityRef) string {
		return fmt.Sprintf("%s %s alone, and not the actions in it", means, p.file.Text(e.Span()))
	}
	const help = "write in instead of =="
	if c := p.policy.Scope[1]; c.Operator == "==" && group(c.Entities[0]) {
		f := p.at(c.Span, message("== means", c.Entities[0]), help)
		f.Fix = p.in(c.Variable.Span.End.Offset)
		f.Fix.Widens = p.policy.Effect.Text == "permit"
	}
	expressions(p.policy, func(e syntax.Expr) {
		left, right, operator := compared(e)
		if operator == "" {
			return
		}
		for _, ref := range named(right) {
			switch {
			case !group(ref):
			case operator == "==":
				f := p.at(e.Span(), message("== means", ref), help)
				if b, ok := e.(*syntax.Binary); ok && left == b.Left {
					f.Fix = p.in(b.Left.Span().End.Offset)
					f.Fix.Widens = true // behind unless, or negated, even that of a forbid may
				}
			case operator == "!=":
				p.at(e.Span(), message("!= leaves out", ref), fmt.Sprintf("write !(action in %s)", p.file.Text(ref.Span())))
			default:
				p.at(e.Span(), message(operator+" means", ref), "write action in […]")
			}
		}
	})
}

// compared returns the action and what an expression says that it is, or is not. The operator is empty for an expression
// that does neither.
func compared(e syntax.Expr) (action, to syntax.Expr, operator string) {
	switch e := e.(type) {
	case *syntax.Binary:
		left, right := e.Left, e.Right
		if variable(right, "action") {
			left, right = right, left
		}
		_, one := inner(right).(*syntax.EntityRef)
		if op := e.Operator.Text; one && variable(left, "action") && (op == "==" || op == "!=") {
			return left, right, op
		}
	case *syntax.Call:
		name := e.Function.String()
		if e.Receiver == nil || len(e.Args) != 1 {
			return nil, nil, ""
		}
		switch arg := inner(e.Args[0]).(type) {
		case *syntax.Variable:
			if name == "contains" && variable(arg, "action") {
				return arg, e.Receiver, name
			}
		case *syntax.Set:
			if (name == "containsAny" || name == "containsAll") && len(arg.Elements) == 1 && variable(arg.Elements[0], "action") {
				return arg.Elements[0], e.Receiver, name
			}
		}
	}
	return nil, nil, ""
}

// in replaces the token behind an offset, which is ==.
func (p *pass) in(offset int) *Fix {
	token, text := p.file.tokenFrom(offset).Span, "in"
	if source := p.file.Source; source[token.End.Offset] != ' ' { // a name may begin there, and one may end before
		text += " "
	}
	if token.Start.Offset == offset {
		text = " " + text
	}
	return replace(token, text, readActionIn)
}

// tokenFrom returns the first token that begins at or behind an offset.
func (f *file) tokenFrom(offset int) syntax.Token {
	at, _ := slices.BinarySearchFunc(f.Tokens, offset, func(t syntax.Token, offset int) int { return t.Span.Start.Offset - offset })
	return f.Tokens[at]
}
