package lint

import (
	"fmt"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func errorRules() []Rule {
	return []Rule{
		{
			ID: "forbid-may-error", Severity: diagnostic.Warning,
			Summary: "A forbid looks at something that may not be there, or computes something that can fail for some arguments.",
			Why: "To plain Cedar a forbid that fails is one that does not apply. The server denies every request for which a policy " +
				"fails, so that callers are refused without the reason that the forbid would give. Of attributes and tags that " +
				"has and hasTag do not test first, validation finds all too; of computing, nothing.",
			Bad: `@id("cap")
forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer")
unless { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") * 100 <= 1000000 };
`,
			Good: `@id("cap")
forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer")
unless { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") <= 10000 };
`,
			policy: func(p *pass) {
				if p.policy.Effect.Text == "forbid" {
					expressions(p.policy, p.mayFail)
					g := guards{p.shapes, make(map[int]int), func(at syntax.Expr, message, help string) { p.at(at.Span(), message, help) }}
					g.policy(p.policy)
				}
			},
		},
		{
			ID: "level", Severity: diagnostic.Warning, Options: []string{"max"},
			Summary: "A condition looks at the attributes of an entity that the request does not bring, or at more than one entity in a row.",
			Why: "Only the principal, the resource and the entities of the context have attributes; to look at those of any other entity " +
				"fails (RFC 76 of Cedar calls the number of steps the level of a policy). The option max, 1 unless set, is how many are fine.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { Workload::"spiffe://acme.example/planner".path == "/planner" };
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { principal.path == "/planner" };
`,
			policy: func(p *pass) {
				expressions(p.policy, func(e syntax.Expr) {
					if arg := dereferenced(e); arg != nil {
						p.step(e, arg)
					}
				})
			},
		},
	}
}

// mayFail finds an operation that can fail.
func (p *pass) mayFail(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Binary:
		_, left := number(e.Left)
		_, right := number(e.Right)
		switch operator := e.Operator.Text; operator {
		case "+", "-", "*":
			if !left || !right {
				p.at(e.Span(), fmt.Sprintf("%s fails when the result does not fit into 64 bits", operator),
					"compare the operands with numbers that need no computing")
			}
		}
	case *syntax.Call:
		name := e.Function.String()
		switch {
		case e.Receiver == nil && len(e.Args) == 1 && !text(e.Args[0]):
			p.at(e.Span(), fmt.Sprintf("%s fails for a text that is none", name), "use an argument that has the type by its schema")
		case name == "offset" && len(e.Args) == 1 && !constantCall(e.Args[0]):
			p.at(e.Span(), "offset fails when the result does not fit into 64 bits", "write the duration out")
		}
	}
}

// text reports whether an expression is a string that is written out.
func text(e syntax.Expr) bool {
	literal, ok := inner(e).(*syntax.Literal)
	return ok && literal.Token.Kind == syntax.String
}

// constantCall reports whether an expression is a function of a string that is written out.
func constantCall(e syntax.Expr) bool {
	call, ok := inner(e).(*syntax.Call)
	return ok && call.Receiver == nil && len(call.Args) == 1 && text(call.Args[0])
}

// dereferenced returns what an expression looks into, if it may be an entity.
func dereferenced(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Access:
		return inner(e.Arg)
	case *syntax.Has:
		return inner(e.Arg)
	case *syntax.Call:
		if name := e.Function.String(); e.Receiver != nil && (name == "getTag" || name == "hasTag") {
			return inner(e.Receiver)
		}
	}
	return nil
}

// fromContext are the entities that the context brings.
var fromContext = map[string]bool{
	"context.delegation.subject": true, "context.delegation.immediate_actor": true,
	"context.arguments.str": true, "context.arguments.num": true, "context.arguments.bool": true, "context.arguments.list": true,
}

// steps is how many entities are looked into to get at the value of an expression; it stops to count at maxPath parts.
func steps(e syntax.Expr) int {
	count := 0
	for range maxPath {
		arg := dereferenced(inner(e))
		if arg == nil {
			break
		}
		if about := pathOf(arg); about == "principal" || about == "resource" || fromContext[about] {
			count++
		}
		e = arg
	}
	return count
}

// step judges one step from an entity.
func (p *pass) step(e, arg syntax.Expr) {
	if ref, ok := arg.(*syntax.EntityRef); ok {
		p.at(e.Span(), fmt.Sprintf("%s is not part of the request, and what is not has no attributes", p.file.Text(ref.Span())),
			"look at principal, resource or context")
		return
	}
	if about := pathOf(arg); about != "principal" && about != "resource" && !fromContext[about] {
		return
	}
	if n := steps(e); n > p.setup.maxLevel {
		p.at(e.Span(), fmt.Sprintf("this is %d steps from the request, and %d are fine", n, p.setup.maxLevel), "")
	}
}
