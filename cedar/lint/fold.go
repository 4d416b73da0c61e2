package lint

import (
	"strconv"

	"countersign.dev/cedar/syntax"
)

// truth is what is known about a condition without a request.
type truth int

const (
	unknown truth = iota
	always
	never
)

func (t truth) not() truth {
	switch t {
	case always:
		return never
	case never:
		return always
	}
	return unknown
}

func truthOf(b bool) truth {
	if b {
		return always
	}
	return never
}

// constant is a part of a condition that is always the same.
type constant struct {
	at    syntax.Expr
	truth truth
}

// folder finds what is always the same. Every node is looked at once, and so is every operand of a chain of && or ||.
type folder struct {
	shapes *shapes
	// parts are the constants within what is not constant itself.
	parts []constant
}

// of says what a condition always is. That it could fail to evaluate is not considered.
func (f *folder) of(e syntax.Expr) truth {
	mark := len(f.parts)
	t := f.expression(inner(e))
	if t != unknown {
		f.parts = f.parts[:mark] // what it consists of does not matter
	}
	return t
}

func (f *folder) expression(e syntax.Expr) truth {
	switch e := e.(type) {
	case *syntax.Literal:
		if e.Token.Kind == syntax.Keyword {
			return truthOf(e.Token.Text == "true")
		}
	case *syntax.Unary:
		t := f.of(e.Arg)
		for _, operator := range e.Operators {
			if operator.Text != "!" {
				return unknown
			}
			t = t.not()
		}
		return t
	case *syntax.If:
		return f.choice(e)
	case *syntax.Binary:
		switch e.Operator.Text {
		case "&&":
			return f.chain(operands(e, "&&"), false, newKnowledge(f.shapes))
		case "||":
			return f.chain(operands(e, "||"), true, newKnowledge(f.shapes))
		}
		f.of(e.Right)
		f.first(e.Left)
		return f.comparison(e)
	case *syntax.Like:
		f.of(e.Arg)
		if e.Pattern.Text == `"*"` {
			return always
		}
	case *syntax.Is:
		f.of(e.Arg)
		if ref, ok := inner(e.Arg).(*syntax.EntityRef); ok && e.In == nil {
			return truthOf(ref.Type.String() == e.Type.String())
		}
	case *syntax.Access, *syntax.Call:
		f.first(e)
	default:
		for _, child := range e.Children() {
			f.of(child)
		}
	}
	return unknown
}

// first looks at the parts of paths, calls and sums, which are nested at their left side as deep as the text is long.
func (f *folder) first(e syntax.Expr) {
	for {
		e = inner(e)
		switch x := e.(type) {
		case *syntax.Access:
			e = x.Arg
			continue
		case *syntax.Call:
			for _, arg := range x.Args {
				f.of(arg)
			}
			if e = x.Receiver; e == nil {
				return
			}
			continue
		case *syntax.Binary:
			if op := x.Operator.Text; op == "+" || op == "-" || op == "*" {
				f.of(x.Right)
				e = x.Left
				continue
			}
		}
		f.of(e)
		return
	}
}

func (f *folder) choice(e *syntax.If) truth {
	test, then, other := f.of(e.Test), f.of(e.Then), f.of(e.Else)
	switch {
	case test == always:
		return then
	case test == never:
		return other
	case then == other:
		return then
	}
	return unknown
}

// chain is what operands of && come to, with what is known besides. Those of || are the same upside down: a || b is
// false where !a && !b is true.
func (f *folder) chain(operands []syntax.Expr, upsideDown bool, known *knowledge) truth {
	neutral := 0
	for _, operand := range operands {
		t := f.of(operand)
		if t != unknown {
			f.parts = append(f.parts, constant{operand, t})
		}
		if upsideDown {
			t = t.not()
		}
		switch {
		case t == never || known.add(operand, upsideDown):
			if upsideDown {
				return always
			}
			return never
		case t == always:
			neutral++
		}
	}
	if neutral == len(operands) {
		return truthOf(!upsideDown)
	}
	return unknown
}

// comparison compares what needs no request.
func (f *folder) comparison(e *syntax.Binary) truth {
	operator := e.Operator.Text
	same := f.shapes.of(e.Left) == f.shapes.of(e.Right)
	switch operator {
	case "==", "!=":
		t := unknown
		if same {
			t = always
		} else if isLiteral(e.Left) && isLiteral(e.Right) {
			t = never
		}
		if operator == "!=" {
			return t.not()
		}
		return t
	case "in":
		if set, ok := inner(e.Right).(*syntax.Set); ok && len(set.Elements) == 0 {
			return never
		}
		if same {
			return always
		}
	case "<", "<=", ">", ">=":
		left, isLeft := number(e.Left)
		right, isRight := number(e.Right)
		switch {
		case same:
			return truthOf(operator == "<=" || operator == ">=")
		case !isLeft || !isRight:
			return unknown
		case operator == "<":
			return truthOf(left < right)
		case operator == "<=":
			return truthOf(left <= right)
		case operator == ">":
			return truthOf(left > right)
		default:
			return truthOf(left >= right)
		}
	}
	return unknown
}

// isLiteral reports whether an expression is a boolean, a number, a string or an entity, written out. Two of them that
// are written differently are different, but for a number with a minus or zeros in front, which is not among them.
func isLiteral(e syntax.Expr) bool {
	switch e := inner(e).(type) {
	case *syntax.EntityRef:
		return true
	case *syntax.Literal:
		return e.Token.Kind != syntax.Number || e.Token.Text == "0" || e.Token.Text[0] != '0'
	}
	return false
}

// number is the value of a number that is written out.
func number(e syntax.Expr) (int64, bool) {
	sign := ""
	e = inner(e)
	if u, ok := e.(*syntax.Unary); ok && len(u.Operators) == 1 && u.Operators[0].Text == "-" {
		sign, e = "-", inner(u.Arg)
	}
	l, ok := e.(*syntax.Literal)
	if !ok || l.Token.Kind != syntax.Number {
		return 0, false
	}
	n, err := strconv.ParseInt(sign+l.Token.Text, 10, 64)
	return n, err == nil
}
