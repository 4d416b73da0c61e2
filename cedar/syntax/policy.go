package syntax

import (
	"fmt"

	"countersign.dev/cedar/diagnostic"
)

// policy takes one statement with its semicolon.
func (p *parser) policy() *Policy {
	start := p.start()
	policy := &Policy{Annotations: p.annotations()}
	if !p.is("permit") && !p.is("forbid") {
		p.unexpected("permit or forbid", "")
		return nil
	}
	policy.Effect = p.take()
	p.effect = true
	p.expect("(", "behind "+policy.Effect.Text)
	for i, variable := range []string{"principal", "action", "resource"} {
		if i > 0 {
			p.expect(",", "before "+variable)
		}
		policy.Scope[i] = p.constraint(variable)
	}
	p.accept(",")
	p.expect(")", "behind the scope")
	for p.is("when") || p.is("unless") {
		policy.Conditions = append(policy.Conditions, p.condition())
	}
	if !p.accept(";") {
		p.missingSemicolon()
	}
	policy.Span = p.from(start)
	return policy
}

// missingSemicolon reports at the end of the policy what was expected there; another place would be misleading, because
// what follows may well be right.
func (p *parser) missingSemicolon() {
	if p.failed || p.peek().Kind == Invalid || p.peek().Kind == SlotName {
		p.failed = true
		return
	}
	if p.peek().Kind != EOF && p.peek().Text != "@" && p.peek().Text != "permit" && p.peek().Text != "forbid" {
		p.unexpected(`when, unless or ";"`, "")
		return
	}
	end := p.tokens[p.next-1].Span.End
	p.wrong(Span{end, end}, "the semicolon at the end of the policy is missing", "")
	p.failed = true
}

// annotations takes those before an effect.
func (p *parser) annotations() []*Annotation {
	var all []*Annotation
	seen := make(map[string]bool)
	for p.is("@") {
		start := p.start()
		p.take()
		if kind := p.peek().Kind; kind != Identifier && kind != Keyword {
			p.unexpected("the name of an annotation", "")
			return nil
		}
		a := &Annotation{Name: p.take()}
		if p.accept("(") {
			value, meant := p.text("the value of the annotation, a string")
			a.Value, a.Unquoted = &value, meant
			p.expect(")", "behind the value of the annotation")
		}
		a.Span = p.from(start)
		if seen[a.Name.Text] {
			p.wrong(a.Span, fmt.Sprintf("annotation @%s is there twice", a.Name.Text), "")
		}
		seen[a.Name.Text] = true
		if a.Name.Text == "id" && p.id == "" {
			p.id = a.Unquoted
		}
		all = append(all, a)
	}
	return all
}

// constraint takes one of the three parts of a scope.
func (p *parser) constraint(variable string) *Constraint {
	start := p.start()
	if !p.is(variable) {
		p.unexpected(variable+" in the scope", "the scope is (principal, action, resource), and conditions go behind when")
		return nil
	}
	c := &Constraint{Variable: p.take()}
	switch isAction := variable == "action"; {
	case p.accept("=="):
		c.Operator = "=="
		c.Entities = []*EntityRef{p.entity()}
	case p.accept("in"):
		c.Operator = "in"
		if isAction && p.is("[") {
			c.List, c.Entities = true, p.entities()
		} else {
			c.Entities = []*EntityRef{p.entity()}
		}
	case !isAction && p.accept("is"):
		c.Operator = "is"
		c.Type = p.typeName()
		if p.accept("in") {
			c.Operator = "is in"
			c.Entities = []*EntityRef{p.entity()}
		}
	}
	c.Span = p.from(start)
	if variable == "action" && !p.failed {
		for _, e := range c.Entities {
			if parts := e.Type.Parts; parts[len(parts)-1].Text != "Action" {
				p.report(RuleActionType, diagnostic.Error, e.span, fmt.Sprintf("%s is not an action", e.Type), `write Action::"…"`)
			}
		}
	}
	return c
}

// entities takes [ … ] of a scope.
func (p *parser) entities() []*EntityRef {
	var all []*EntityRef
	for p.take(); !p.failed && !p.is("]"); {
		all = append(all, p.entity())
		if !p.is("]") {
			p.expect(",", "between the actions")
		}
	}
	p.expect("]", "behind the actions")
	return all
}

// condition takes a when or unless clause.
func (p *parser) condition() *Condition {
	start := p.start()
	c := &Condition{Kind: p.take()}
	p.expect("{", "behind "+c.Kind.Text)
	c.Body = p.expression()
	p.expect("}", "behind the condition")
	c.Span = p.from(start)
	return c
}
