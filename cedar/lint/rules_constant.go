package lint

import (
	"fmt"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func constantRules() []Rule {
	return []Rule{
		{
			ID: "impossible-policy", Severity: diagnostic.Error,
			Summary: "A policy can never apply: a condition is always false, or contradicts another or the scope.",
			Why:     "A permit of that kind is dead text. A forbid of that kind protects nothing, although it reads as if it did.",
			Bad: `@id("no-transfers")
forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer") when { resource == Tool::"ledger/refund" };
`,
			Good: `@id("no-transfers")
forbid (principal, action in Action::"call_tool", resource in Server::"ledger")
when { resource == Tool::"ledger/transfer" || resource == Tool::"ledger/refund" };
`,
			policy: func(p *pass) {
				p.constants(func(at syntax.Span, message, help string) { p.at(at, message, help) }, nil)
			},
		},
		{
			ID: "always-true-condition", Severity: diagnostic.Warning,
			Summary: "A condition, or a part of one, is the same for every request.",
			Why:     "It decides nothing. Either it is left over, or something else was meant.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { context has session || true };
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { context has session };
`,
			policy: func(p *pass) {
				p.constants(nil, func(at syntax.Span, message, help string) { p.at(at, message, help) })
			},
		},
	}
}

type reporter func(at syntax.Span, message, help string)

// constants looks for what is the same for every request. Either function may be nil.
func (p *pass) constants(impossible, idle reporter) {
	tell := func(r reporter, at syntax.Span, message, help string) {
		if r != nil {
			r(at, message, help)
		}
	}
	together := newKnowledge(p.shapes) // what all clauses and the scope ask for
	together.addScope(p.policy)
	contradicted, dead := syntax.Expr(nil), false
	for _, c := range p.policy.Conditions {
		f := folder{shapes: p.shapes}
		t := f.of(c.Body)
		unless := c.Kind.Text == "unless"
		switch {
		case t == always && unless:
			dead = true
			tell(impossible, c.Span, "the policy never applies: what stands behind unless is always true", "")
		case t == never && !unless:
			dead = true
			tell(impossible, c.Span, "the policy never applies: what stands behind when is always false", "")
		case t != unknown:
			tell(idle, c.Span, fmt.Sprintf("what stands behind %s is always %t", c.Kind.Text, t == always), "remove the clause, or write what was meant")
		}
		for _, part := range f.parts {
			tell(idle, part.at.Span(), fmt.Sprintf("this is always %t", part.truth == always), "remove it, or write what was meant")
		}
		connective := "&&"
		if unless {
			connective = "||"
		}
		for _, operand := range operands(c.Body, connective) {
			if together.add(operand, unless) && contradicted == nil {
				contradicted = operand
			}
		}
	}
	if contradicted != nil && !dead {
		tell(impossible, contradicted.Span(), "the policy never applies: this contradicts its scope or another condition", "")
	}
}
