package lint

import (
	"fmt"

	"countersign.dev/cedar/syntax"
)

// guards finds attributes and tags that are looked at where no has and no hasTag before makes sure that they are there.
// Every part of a condition is looked at once, in the order in which it is evaluated.
type guards struct {
	shapes *shapes
	// sure counts, by the numbers of attributes and tags, what makes sure that they are there.
	sure map[int]int
	// report is told of what may not be there.
	report func(at syntax.Expr, message, help string)
}

// learned is what an outcome makes sure of; all of it if there is no such outcome.
type learned struct {
	all   bool
	facts []int
}

// outcome is what is known once an expression turned out true, or false.
type outcome struct{ ifTrue, ifFalse learned }

func (o outcome) not() outcome { return outcome{o.ifFalse, o.ifTrue} }

// of returns what is sure once the expression turned out that way.
func (o outcome) of(value bool) learned {
	if value {
		return o.ifTrue
	}
	return o.ifFalse
}

// with evaluates something where more is sure.
func (g *guards) with(l learned, evaluate func() outcome) outcome {
	for _, fact := range l.facts {
		g.sure[fact]++
	}
	o := evaluate()
	for _, fact := range l.facts {
		g.sure[fact]--
	}
	return o
}

// both is what two things make sure of that both are the case.
func both(a, b learned) learned {
	return learned{a.all || b.all, append(a.facts[:len(a.facts):len(a.facts)], b.facts...)}
}

// either is what is sure if it is not known which of two is the case.
func either(a, b learned) learned {
	switch {
	case a.all:
		return b
	case b.all:
		return a
	}
	seen := make(map[int]bool, len(a.facts))
	for _, fact := range a.facts {
		seen[fact] = true
	}
	var common []int
	for _, fact := range b.facts {
		if seen[fact] {
			common = append(common, fact)
		}
	}
	return learned{facts: common}
}

// policy looks at the clauses of a policy. Each is evaluated where those before let the policy apply.
func (g *guards) policy(p *syntax.Policy) {
	for _, c := range p.Conditions {
		for _, fact := range g.look(c.Body).of(c.Kind.Text == "when").facts {
			g.sure[fact]++
		}
	}
}

func (g *guards) look(e syntax.Expr) outcome {
	switch e := e.(type) {
	case *syntax.Paren:
		return g.look(e.Inner)
	case *syntax.Literal:
		return outcome{learned{all: e.Token.Text == "false"}, learned{all: e.Token.Text == "true"}}
	case *syntax.Unary:
		o := g.look(e.Arg)
		if len(e.Operators)%2 == 1 {
			return o.not()
		}
		return o
	case *syntax.If:
		test := g.look(e.Test)
		then := g.with(test.ifTrue, func() outcome { return g.look(e.Then) })
		other := g.with(test.ifFalse, func() outcome { return g.look(e.Else) })
		return outcome{
			either(both(test.ifTrue, then.ifTrue), both(test.ifFalse, other.ifTrue)),
			either(both(test.ifTrue, then.ifFalse), both(test.ifFalse, other.ifFalse)),
		}
	case *syntax.Binary:
		if op := e.Operator.Text; op == "&&" || op == "||" {
			return g.chain(operands(e, op), op == "&&")
		}
	case *syntax.Has:
		g.look(e.Arg)
		return outcome{ifTrue: learned{facts: g.path(e)}}
	case *syntax.Access:
		g.attribute(e)
		return outcome{}
	case *syntax.Call:
		return g.call(e)
	}
	for _, child := range e.Children() {
		g.look(child)
	}
	return outcome{}
}

// chain looks at operands of which each is only evaluated when all before are true, or for ||, false.
func (g *guards) chain(operands []syntax.Expr, and bool) outcome {
	var on []int // what is sure where the chain goes on
	end := learned{all: true}
	impossible := false
	for _, operand := range operands {
		o := g.look(operand)
		end = either(end, o.of(!and)) // without what those before made sure of, for which all behind them would pay
		next := o.of(and)
		impossible = impossible || next.all
		for _, fact := range next.facts {
			g.sure[fact]++
		}
		on = append(on, next.facts...)
	}
	for _, fact := range on {
		g.sure[fact]--
	}
	through := learned{impossible, on}
	if and {
		return outcome{through, end}
	}
	return outcome{end, through}
}

// path returns the numbers of the attributes that has tests.
func (g *guards) path(e *syntax.Has) []int {
	var facts []int
	arg := g.shapes.of(e.Arg)
	for _, name := range e.Path {
		facts = append(facts, g.shapes.number('a', name.Name, arg))
		arg = g.shapes.number('.', name.Name, arg)
	}
	return facts
}

// attribute looks at an access, and reports the first attribute of a path that may not be there.
func (g *guards) attribute(e *syntax.Access) (reported bool) {
	switch arg := inner(e.Arg).(type) {
	case *syntax.Access:
		if g.attribute(arg) {
			return true
		}
	default:
		g.look(arg)
	}
	path := pathOf(e)
	if !mayLack(path) || g.sure[g.shapes.number('a', e.Name.Name, g.shapes.of(e.Arg))] > 0 {
		return false
	}
	g.report(e, fmt.Sprintf("%s fails when it is not there", path), fmt.Sprintf("write %s has %s && … before it", pathOf(e.Arg), e.Name.Name))
	return true
}

// call looks at the functions that test or read tags, and at the parts of all others.
func (g *guards) call(e *syntax.Call) outcome {
	for _, child := range e.Children() {
		g.look(child)
	}
	if e.Receiver == nil || len(e.Args) != 1 {
		return outcome{}
	}
	tag := g.shapes.number('T', "", g.shapes.of(e.Receiver), g.shapes.of(e.Args[0]))
	switch e.Function.String() {
	case "hasTag":
		return outcome{ifTrue: learned{facts: []int{tag}}}
	case "getTag":
		if g.sure[tag] == 0 {
			g.report(e, "getTag fails when the tag is not there", "write hasTag(…) && … before it")
		}
	}
	return outcome{}
}
