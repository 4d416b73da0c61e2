package format

import (
	"strings"
	"unicode"

	"countersign.dev/cedar/syntax"
)

// builder turns the tree into a doc. It goes through the tokens in the order of the source, every one once, and so
// meets every comment.
type builder struct {
	tokens []syntax.Token
	at     int
	indent int
}

// next is the token that comes next.
func (b *builder) next() syntax.Token { return b.tokens[b.at] }

// take goes on to the token behind.
func (b *builder) take() syntax.Token {
	t := b.tokens[b.at]
	b.at++
	return t
}

// comment is a comment as it is printed.
func comment(text string) string { return strings.TrimRightFunc(text, unicode.IsSpace) }

// leading takes the comments before the next token, each on a line.
func (b *builder) leading() *doc {
	all := b.tokens[b.at].Leading
	b.tokens[b.at].Leading = nil
	return onLines(all)
}

// onLines puts comments on lines of their own.
func onLines(all []syntax.Comment) *doc {
	if len(all) == 0 {
		return nil
	}
	d := hardline()
	for _, c := range all {
		d = cat(d, text(comment(c.Text)), hardline())
	}
	return d
}

// trailing is a comment behind a token, which ends the line, or what is to follow where there is none.
func trailing(c string, otherwise *doc) *doc {
	if c == "" {
		return otherwise
	}
	return cat(space(), text(comment(c)), hardline())
}

// token takes the next token with its comments; otherwise is what follows if no comment ends the line.
func (b *builder) token(otherwise *doc) *doc {
	before := b.leading()
	t := b.take()
	return cat(before, text(written(t)), trailing(t.Trailing, otherwise))
}

// word takes the next token with its comments.
func (b *builder) word() *doc { return b.token(nil) }

// words takes tokens up to an offset in the source.
func (b *builder) words(end int) *doc {
	var d *doc
	for b.next().Span.Start.Offset < end {
		d = cat(d, b.word())
	}
	return d
}

// written is a token as it is printed: numbers have no zeros in front.
func written(t syntax.Token) string {
	if t.Kind == syntax.Number {
		if digits := strings.TrimLeft(t.Text, "0"); digits != "" {
			return digits
		}
		return "0"
	}
	return t.Text
}

// policy is a statement.
func (b *builder) policy(p *syntax.Policy) *doc {
	var d *doc
	for _, a := range p.Annotations {
		d = cat(d, b.annotation(a))
	}
	d = cat(d, b.leading())
	effect := b.word()
	d = cat(d, grouped(cat(effect, line(), b.word())))
	d = cat(d, b.scope(p))
	if len(p.Conditions) == 0 {
		return cat(d, b.word(), b.word())
	}
	d = cat(d, b.token(hardline()))
	for i, c := range p.Conditions {
		if i > 0 {
			d = cat(d, hardline())
		}
		d = cat(d, b.condition(c))
	}
	return cat(d, b.word())
}

// annotation is one on a line of its own.
func (b *builder) annotation(a *syntax.Annotation) *doc {
	d := b.word()
	if a.Value == nil {
		return cat(d, b.token(hardline()))
	}
	return cat(d, b.word(), b.word(), b.word(), b.token(hardline()))
}

// scope is what is between the parentheses behind the effect: on one line if it says nothing, else on three.
func (b *builder) scope(p *syntax.Policy) *doc {
	bare := true
	for _, c := range p.Scope {
		bare = bare && c.Operator == ""
	}
	separator := hardline
	if bare {
		separator = space
	}
	var d *doc
	for i, c := range p.Scope {
		if i > 0 {
			d = cat(d, b.token(separator()))
		}
		d = cat(d, b.constraint(c))
	}
	if bare {
		return grouped(nested(b.indent, d))
	}
	return cat(nested(b.indent, cat(hardline(), d)), hardline())
}

// constraint is one part of a scope.
func (b *builder) constraint(c *syntax.Constraint) *doc {
	before := b.leading()
	d := b.word()
	if c.Type != nil {
		is := grouped(cat(line(), b.word()))
		d = cat(d, grouped(nested(b.indent, cat(is, line(), grouped(b.words(c.Type.Span.End.Offset))))))
	}
	if len(c.Entities) == 0 && !c.List {
		return cat(before, d)
	}
	d = grouped(cat(d, line(), b.word()))
	var right *doc
	if c.List {
		elements := make([]syntax.Expr, len(c.Entities))
		for i, e := range c.Entities {
			elements[i] = e
		}
		right = grouped(b.set(elements))
	} else {
		right = b.expression(c.Entities[0])
	}
	return cat(before, grouped(cat(d, nested(b.indent, cat(line(), right)))))
}

// condition is a when or unless clause.
func (b *builder) condition(c *syntax.Condition) *doc {
	before := b.leading()
	d := b.token(line())
	beforeBrace := b.leading()
	brace := b.take()
	body := cat(trailing(brace.Trailing, line()), b.leading(), grouped(b.expression(c.Body)))
	inside := grouped(cat(nested(b.indent, body), line(), b.word()))
	return cat(before, grouped(cat(d, beforeBrace, text("{"), inside)))
}
