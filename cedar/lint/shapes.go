package lint

import (
	"encoding/binary"
	"strconv"

	"countersign.dev/cedar/syntax"
)

// shapes numbers expressions so that two have the same number exactly when they are the same but for white space,
// comments, parentheses around them, how their strings are written, and the order of the sides of == and !=.
type shapes struct {
	numbers map[string]int
	known   map[syntax.Expr]int
}

func newShapes() *shapes {
	return &shapes{make(map[string]int), make(map[syntax.Expr]int)}
}

// word numbers something that is not an expression.
func (s *shapes) word(text string) int { return s.number('w', text) }

// number numbers a kind of node with a name and parts. Parts have a fixed width, and the name comes last: no two nodes
// are spelt the same.
func (s *shapes) number(kind byte, name string, parts ...int) int {
	key := binary.AppendUvarint([]byte{kind}, uint64(len(parts)))
	for _, part := range parts {
		key = binary.BigEndian.AppendUint64(key, uint64(part)) //nolint:gosec // numbers are not negative
	}
	key = append(key, name...)
	if n, seen := s.numbers[string(key)]; seen {
		return n
	}
	n := len(s.numbers) + 1
	s.numbers[string(key)] = n
	return n
}

// of numbers an expression. Every part is looked at once.
func (s *shapes) of(e syntax.Expr) int {
	if n, seen := s.known[e]; seen {
		return n
	}
	n := s.expression(e)
	s.known[e] = n
	return n
}

func (s *shapes) expression(e syntax.Expr) int {
	switch e := e.(type) {
	case *syntax.Paren:
		return s.of(e.Inner)
	case *syntax.Variable:
		return s.number('v', e.Token.Text)
	case *syntax.Literal:
		if e.Token.Kind == syntax.String {
			return s.number('s', e.Unquoted)
		}
		return s.number('l', e.Token.Text)
	case *syntax.EntityRef:
		return s.entity(e)
	case *syntax.Access:
		return s.number('.', e.Name.Name, s.of(e.Arg))
	case *syntax.Has:
		parts := []int{s.of(e.Arg)}
		for _, name := range e.Path {
			parts = append(parts, s.word(name.Name))
		}
		return s.number('h', "", parts...)
	case *syntax.Like:
		return s.number('~', e.Pattern.Text, s.of(e.Arg))
	case *syntax.Is:
		parts := []int{s.of(e.Arg)}
		if e.In != nil {
			parts = append(parts, s.of(e.In))
		}
		return s.number('t', e.Type.String(), parts...)
	case *syntax.Binary:
		left, right := s.of(e.Left), s.of(e.Right)
		if op := e.Operator.Text; (op == "==" || op == "!=") && left > right {
			left, right = right, left
		}
		return s.number('b', e.Operator.Text, left, right)
	case *syntax.Unary:
		n := s.of(e.Arg)
		for i := len(e.Operators) - 1; i >= 0; i-- {
			n = s.number('u', e.Operators[i].Text, n)
		}
		return n
	case *syntax.Call:
		parts := []int{0}
		if e.Receiver != nil {
			parts[0] = s.of(e.Receiver)
		}
		return s.number('c', e.Function.String(), append(parts, s.all(e.Args)...)...)
	case *syntax.Set:
		return s.number('[', "", s.all(e.Elements)...)
	case *syntax.Record:
		parts := make([]int, 0, 2*len(e.Fields))
		for _, field := range e.Fields {
			parts = append(parts, s.word(field.Name.Name), s.of(field.Value))
		}
		return s.number('{', "", parts...)
	case *syntax.If:
		return s.number('?', "", s.of(e.Test), s.of(e.Then), s.of(e.Else))
	default: // no other expression can be in a policy
		return s.number('x', strconv.Itoa(e.Span().Start.Offset))
	}
}

func (s *shapes) all(es []syntax.Expr) []int {
	numbers := make([]int, len(es))
	for i, e := range es {
		numbers[i] = s.of(e)
	}
	return numbers
}

func (s *shapes) entity(e *syntax.EntityRef) int {
	return s.number('e', e.Unquoted, s.word(e.Type.String()))
}

// constraint numbers one part of a scope.
func (s *shapes) constraint(c *syntax.Constraint) int {
	var parts []int
	if c.Type != nil {
		parts = append(parts, s.word(c.Type.String()))
	}
	for _, e := range c.Entities {
		parts = append(parts, s.entity(e))
	}
	operator := c.Operator
	if c.List && len(c.Entities) != 1 { // a list of one means the same without its brackets
		operator += " []"
	}
	return s.number('C', operator, parts...)
}

// scope numbers the scope of a policy with its effect.
func (s *shapes) scope(p *syntax.Policy) int {
	return s.number('S', p.Effect.Text, s.constraint(p.Scope[0]), s.constraint(p.Scope[1]), s.constraint(p.Scope[2]))
}
