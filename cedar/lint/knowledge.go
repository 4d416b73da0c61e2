package lint

import "countersign.dev/cedar/syntax"

// knowledge is what must hold for a conjunction to be true, as far as it can contradict itself.
type knowledge struct {
	shapes *shapes
	holds  map[int]bool   // of expressions, by their numbers: whether they must be true or false
	equals map[int]int    // the literal that an expression must be
	kinds  map[int]string // the type that it must have
}

func newKnowledge(s *shapes) *knowledge {
	return &knowledge{s, make(map[int]bool), make(map[int]int), make(map[int]string)}
}

// add notes that an expression must be true, or false when negated, and reports whether that contradicts something noted
// before.
func (k *knowledge) add(e syntax.Expr, negated bool) (contradiction bool) {
	e = inner(e)
	for u, ok := e.(*syntax.Unary); ok && u.Operators[0].Text == "!"; u, ok = e.(*syntax.Unary) {
		negated = negated != (len(u.Operators)%2 == 1)
		e = inner(u.Arg)
	}
	n := k.shapes.of(e)
	switch x := e.(type) {
	case *syntax.Binary:
		equal := x.Operator.Text == "==" && !negated || x.Operator.Text == "!=" && negated
		switch x.Operator.Text {
		case "!=": // the same as the negated ==
			n, negated = k.shapes.equality(x.Left, x.Right), !negated
		case "==":
			n = k.shapes.equality(x.Left, x.Right)
		}
		if equal && k.equate(x.Left, x.Right) {
			return true
		}
	case *syntax.Is:
		if !negated && k.is(k.shapes.of(x.Arg), x.Type.String()) {
			return true
		}
	}
	if before, seen := k.holds[n]; seen && before == negated {
		return true
	}
	k.holds[n] = !negated
	return false
}

func (s *shapes) equality(left, right syntax.Expr) int {
	l, r := s.of(left), s.of(right)
	return s.number('=', "", min(l, r), max(l, r))
}

// equate notes that two sides are equal, of which one is a literal.
func (k *knowledge) equate(left, right syntax.Expr) (contradiction bool) {
	if isLiteral(left) {
		left, right = right, left
	}
	if !isLiteral(right) || isLiteral(left) {
		return false
	}
	n, literal := k.shapes.of(left), k.shapes.of(right)
	if before, seen := k.equals[n]; seen && before != literal {
		return true
	}
	k.equals[n] = literal
	if ref, ok := inner(right).(*syntax.EntityRef); ok {
		return k.is(n, ref.Type.String())
	}
	return false
}

// is notes the type of an expression.
func (k *knowledge) is(n int, kind string) (contradiction bool) {
	before, seen := k.kinds[n]
	k.kinds[n] = kind
	return seen && before != kind
}

// addScope notes what a scope asks for.
func (k *knowledge) addScope(p *syntax.Policy) {
	for _, c := range p.Scope {
		n := k.shapes.number('v', c.Variable.Text)
		if c.Type != nil {
			k.is(n, c.Type.String())
		}
		if c.Operator == "==" {
			k.equals[n] = k.shapes.of(c.Entities[0])
			k.is(n, c.Entities[0].Type.String())
		}
	}
}
