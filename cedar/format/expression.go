package format

import (
	"slices"

	"countersign.dev/cedar/syntax"
)

// expression is any expression.
func (b *builder) expression(e syntax.Expr) *doc {
	switch e := e.(type) {
	case *syntax.If:
		return b.conditional(e)
	case *syntax.Binary:
		return b.binary(e)
	case *syntax.Has:
		return b.relation(e.Arg, e.Span().End.Offset)
	case *syntax.Like:
		return b.relation(e.Arg, e.Span().End.Offset)
	case *syntax.Is:
		return b.is(e)
	case *syntax.Unary:
		var d *doc
		for range e.Operators {
			d = cat(d, b.word())
		}
		return cat(d, b.expression(e.Arg))
	}
	return b.member(e)
}

// conditional is if … then … else ….
func (b *builder) conditional(e *syntax.If) *doc {
	var d *doc
	for i, part := range []syntax.Expr{e.Test, e.Then, e.Else} {
		if i > 0 {
			d = cat(d, line())
		}
		d = cat(d, b.word(), nested(b.indent, cat(line(), b.expression(part))))
	}
	return grouped(d)
}

// binary is operands with operators between them. Those of && and || stand each on a line if the whole does not fit on
// one, those of + - and * in a group of their own, and comparisons do not break.
func (b *builder) binary(e *syntax.Binary) *doc {
	level := precedence[e.Operator.Text]
	if level == comparison {
		return cat(b.expression(e.Left), space(), b.word(), space(), b.expression(e.Right))
	}
	// The tree leans to the left, as deep as there are operators.
	var right []syntax.Expr
	var left syntax.Expr = e
	for {
		next, ok := left.(*syntax.Binary)
		if !ok || precedence[next.Operator.Text] != level {
			break
		}
		right = append(right, next.Right)
		left = next.Left
	}
	d := b.expression(left)
	for _, operand := range slices.Backward(right) {
		if level == arithmetic || level == product {
			d = cat(d, space(), b.word(), line(), b.expression(operand))
		} else {
			d = cat(d, space(), b.token(line()), b.expression(operand))
		}
	}
	if level == arithmetic || level == product {
		return grouped(d)
	}
	return d
}

// The levels of operators.
const (
	comparison = iota
	disjunction
	conjunction
	arithmetic
	product
)

// precedence has the levels of all operators but those of comparisons.
var precedence = map[string]int{"||": disjunction, "&&": conjunction, "+": arithmetic, "-": arithmetic, "*": product}

// relation is has or like, with what stands behind it up to an offset.
func (b *builder) relation(left syntax.Expr, end int) *doc {
	d := cat(b.expression(left), line(), b.word(), line())
	right := b.word()
	if b.next().Span.Start.Offset < end {
		right = grouped(cat(right, nested(b.indent, b.path(end))))
	}
	return grouped(cat(d, nested(b.indent, right)))
}

// path is the rest of a dotted path behind its first name.
func (b *builder) path(end int) *doc {
	d := cat(b.word(), b.word())
	for b.next().Span.Start.Offset < end {
		d = cat(d, lineEmpty(), b.word(), b.word())
	}
	return d
}

// is is a test of a type.
func (b *builder) is(e *syntax.Is) *doc {
	d := cat(b.expression(e.Arg), space(), b.word(), space(), nested(b.indent, b.words(e.Type.Span.End.Offset)))
	if e.In != nil {
		d = cat(d, line(), b.word(), space(), nested(b.indent, b.expression(e.In)))
	}
	return grouped(d)
}

// member is a primary with all that is accessed and called behind it, which may stand each on a line.
func (b *builder) member(e syntax.Expr) *doc {
	var behind []syntax.Expr
	for {
		var inner syntax.Expr
		switch e := e.(type) {
		case *syntax.Access:
			inner = e.Arg
		case *syntax.Call:
			inner = e.Receiver
		}
		if inner == nil {
			break
		}
		behind = append(behind, e)
		e = inner
	}
	d, rest := b.primary(e)
	for _, e := range slices.Backward(behind) {
		switch e := e.(type) {
		case *syntax.Access:
			rest = append(rest, b.access(e))
		case *syntax.Call:
			rest = append(rest, cat(b.word(), b.word()), b.arguments(e.Args))
		}
	}
	var all *doc
	for i, part := range rest {
		if i > 0 {
			all = cat(all, lineEmpty())
		}
		all = cat(all, part)
	}
	return grouped(cat(d, nested(b.indent, all)))
}

// access is .name or ["name"].
func (b *builder) access(e *syntax.Access) *doc {
	if e.Name.Quoted {
		return cat(b.word(), b.word(), b.word())
	}
	return cat(b.word(), b.word())
}

// arguments are those of a call with their parentheses.
func (b *builder) arguments(all []syntax.Expr) *doc {
	d := b.word()
	if inside := b.list(all); inside != nil {
		d = cat(d, nested(b.indent, cat(lineEmpty(), inside)), lineEmpty())
	}
	return cat(d, b.word())
}

// primary is what has no operator outside of brackets; rest are the arguments if it is a function.
func (b *builder) primary(e syntax.Expr) (d *doc, rest []*doc) {
	switch e := e.(type) {
	case *syntax.Call:
		name := b.words(e.Function.Span.End.Offset)
		return name, []*doc{b.arguments(e.Args)}
	case *syntax.Paren:
		return grouped(cat(b.word(), nested(1, b.expression(e.Inner)), b.word())), nil
	case *syntax.Set:
		return b.set(e.Elements), nil
	case *syntax.Record:
		return b.record(e), nil
	}
	return b.words(e.Span().End.Offset), nil
}

// set is [ … ].
func (b *builder) set(elements []syntax.Expr) *doc {
	return cat(b.word(), nested(1, b.list(elements)), b.word())
}

// list is expressions with commas between them.
func (b *builder) list(all []syntax.Expr) *doc {
	var d *doc
	for i, e := range all {
		if i > 0 {
			d = cat(d, b.word(), line())
		}
		d = cat(d, b.expression(e))
	}
	return d
}

// record is { … }.
func (b *builder) record(e *syntax.Record) *doc {
	d := b.word()
	var inside *doc
	for i, field := range e.Fields {
		if i > 0 {
			inside = cat(inside, b.word(), line())
		}
		inside = cat(inside, grouped(b.word()), b.word(), space(), b.expression(field.Value))
	}
	if inside != nil {
		d = cat(d, nested(b.indent, grouped(cat(line(), inside, line()))))
	}
	return cat(d, b.word())
}
