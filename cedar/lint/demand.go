package lint

import (
	"slices"

	"countersign.dev/cedar/syntax"
)

// demand says of an expression which of its outcomes are out of reach unless something is the case. One that fails to
// evaluate has none.
type demand struct{ ifTrue, ifFalse bool }

// demander computes demands over the structure of conditions. Every part is looked at once.
type demander struct {
	// leaf says what one expression demands by itself; what its parts demand is added.
	leaf func(e syntax.Expr) demand
}

// policy reports whether a policy can only apply if that which the leaves demand is the case.
func (d demander) policy(p *syntax.Policy) bool {
	return slices.ContainsFunc(p.Conditions, func(c *syntax.Condition) bool {
		of := d.of(c.Body)
		if c.Kind.Text == "when" {
			return of.ifTrue
		}
		return of.ifFalse
	})
}

func (d demander) of(e syntax.Expr) demand {
	switch e := e.(type) {
	case *syntax.Paren:
		return d.of(e.Inner)
	case *syntax.Literal:
		return demand{e.Token.Text == "false", e.Token.Text == "true"} // such an outcome is never reached
	case *syntax.Unary:
		of := d.of(e.Arg)
		if len(e.Operators)%2 == 1 {
			of.ifTrue, of.ifFalse = of.ifFalse, of.ifTrue
		}
		return of
	case *syntax.If:
		test, then, other := d.of(e.Test), d.of(e.Then), d.of(e.Else)
		return demand{
			(test.ifTrue || then.ifTrue) && (test.ifFalse || other.ifTrue),
			(test.ifTrue || then.ifFalse) && (test.ifFalse || other.ifFalse),
		}
	case *syntax.Binary:
		if op := e.Operator.Text; op == "&&" || op == "||" {
			return d.chain(operands(e, op), op == "&&")
		}
	}
	of := d.leaf(e)
	for _, child := range e.Children() { // all of them are evaluated
		if part := d.of(child); part.ifTrue && part.ifFalse {
			return part
		}
	}
	return of
}

// chain looks at operands of which each is only evaluated when all before are true, or for ||, false.
func (d demander) chain(operands []syntax.Expr, and bool) demand {
	through, end := false, true
	for _, operand := range operands {
		of := d.of(operand)
		if !and {
			of.ifTrue, of.ifFalse = of.ifFalse, of.ifTrue
		}
		end = end && (through || of.ifFalse)
		through = through || of.ifTrue
	}
	if and {
		return demand{through, end}
	}
	return demand{end, through}
}

// demandsPath reports whether a policy can only apply to a request that has one of the paths: it tests that, or looks at
// it.
func demandsPath(p *syntax.Policy, roots ...string) bool {
	return demander{func(e syntax.Expr) demand { return pathDemand(e, roots) }}.policy(p)
}

func pathDemand(e syntax.Expr, roots []string) demand {
	among := func(path string) bool {
		return path != "" && slices.ContainsFunc(roots, func(root string) bool { return under(path, root) })
	}
	switch e := e.(type) {
	case *syntax.Access:
		found := among(pathOf(e))
		return demand{found, found}
	case *syntax.Has:
		path := pathOf(e.Arg)
		if path == "" {
			return demand{}
		}
		for _, name := range e.Path {
			if path += "." + name.Name; among(path) {
				return demand{ifTrue: true}
			}
		}
	}
	return demand{}
}

// demandsDelegation reports whether a policy can only apply to a request that has a delegation, or that changes nothing:
// one for a tool that only reads, or of an action that does.
func demandsDelegation(p *syntax.Policy) bool {
	return demander{func(e syntax.Expr) demand {
		if pathOf(e) == readOnly || onlyReads(e) {
			return demand{ifTrue: true}
		}
		return pathDemand(e, []string{"context.delegation"})
	}}.policy(p)
}

const readOnly = "resource.hints.read_only"

// onlyReads reports whether an expression is true of actions only that cannot change data.
func onlyReads(e syntax.Expr) bool {
	b, ok := e.(*syntax.Binary)
	if !ok || b.Operator.Text != "==" && b.Operator.Text != "in" || !variable(b.Left, "action") {
		return false
	}
	if set, isSet := inner(b.Right).(*syntax.Set); isSet && len(named(set)) != len(set.Elements) {
		return false // something in it is computed
	}
	actions := named(b.Right)
	return len(actions) > 0 && !slices.ContainsFunc(actions, canWrite)
}
