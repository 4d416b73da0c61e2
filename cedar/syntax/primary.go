package syntax

import (
	"fmt"
	"strconv"
)

// number takes digits; sign is "-" if a minus is right before them.
func (p *parser) number(sign string) Expr {
	token := p.take()
	if _, err := strconv.ParseInt(sign+token.Text, 10, 64); err != nil {
		p.wrong(token.Span, fmt.Sprintf("%s%s does not fit into 64 bits", sign, token.Text), "")
	}
	return &Literal{at: at{token.Span}, Token: token}
}

// primary takes what has no operator outside of brackets.
func (p *parser) primary() Expr {
	start := p.start()
	switch token := p.peek(); {
	case token.Kind == Number:
		return p.number("")
	case token.Kind == String:
		_, meant := p.text("a string")
		return &Literal{at{token.Span}, token, meant}
	case token.Text == "true" || token.Text == "false":
		p.take()
		return &Literal{at: at{token.Span}, Token: token}
	case token.Kind == Identifier:
		return p.named()
	case token.Kind == SlotName:
		p.take()
		return &Slot{at{token.Span}, token}
	case p.accept("("):
		e := &Paren{Inner: p.expression()}
		p.expect(")", "behind the expression")
		e.span = p.from(start)
		return e
	case p.accept("["):
		e := &Set{Elements: p.list("]", "element")}
		e.span = p.from(start)
		return e
	case p.accept("{"):
		return p.record(start)
	case token.Text == "if":
		p.unexpected("an expression", "put if … then … else … between parentheses here")
	default:
		p.unexpected("an expression", "")
	}
	return nil
}

// named takes what begins with a name: a variable, an entity or a function.
func (p *parser) named() Expr {
	start := p.start()
	token := p.take()
	name := &Name{token.Span, []Token{token}}
	for p.accept("::") {
		if p.peek().Kind == String {
			return p.entityID(start, name)
		}
		name.Parts = append(name.Parts, p.identifier("a name or the id of an entity, a string"))
		name.Span = p.from(start)
	}
	if p.is("(") {
		return p.call(start, nil, name)
	}
	if len(name.Parts) > 1 {
		p.unexpected("the id of an entity, a string", "")
		return nil
	}
	switch token.Text {
	case "principal", "action", "resource", "context":
		return &Variable{at{token.Span}, token}
	}
	if !p.failed {
		p.wrong(token.Span, fmt.Sprintf("unknown name %q", token.Text),
			"the variables are principal, action, resource and context")
		p.failed = true
	}
	return nil
}

// record takes the fields of { … } and its end.
func (p *parser) record(start Position) Expr {
	e := &Record{}
	seen := make(map[string]bool)
	for !p.failed && !p.is("}") {
		var name Attribute
		if p.peek().Kind == String {
			token, meant := p.text("the name of a field")
			name = Attribute{token.Span, meant, true}
		} else {
			token := p.identifier("the name of a field")
			name = Attribute{token.Span, token.Text, false}
		}
		if seen[name.Name] {
			p.wrong(name.Span, fmt.Sprintf("field %q is there twice", name.Name), "")
		}
		seen[name.Name] = true
		p.expect(":", "behind the name of the field")
		e.Fields = append(e.Fields, Field{name, p.expression()})
		if !p.is("}") {
			p.expect(",", `or "}" behind the field`)
		}
	}
	p.expect("}", "behind the last field")
	e.span = p.from(start)
	return e
}
