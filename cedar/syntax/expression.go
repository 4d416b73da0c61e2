package syntax

import (
	"fmt"

	"countersign.dev/cedar/diagnostic"
)

// maxUnary is how many ! or - may stand in a row in the Rust implementation.
const maxUnary = 4

// expression takes an expression. Those below it are in the order of how weakly their operators bind.
func (p *parser) expression() Expr {
	p.enter()
	defer func() { p.depth-- }()
	start := p.start()
	if !p.accept("if") {
		return p.or()
	}
	e := &If{Test: p.expression()}
	p.expect("then", "behind the condition of if")
	e.Then = p.expression()
	p.expect("else", "behind then")
	e.Else = p.expression()
	e.span = p.from(start)
	return e
}

// binary takes operands with operators between them, which bind to the left.
func (p *parser) binary(operand func() Expr, operators ...string) Expr {
	start := p.start()
	left := operand()
	for p.isOperator(operators) {
		operator := p.take()
		right := operand()
		left = &Binary{at: at{p.from(start)}, Operator: operator, Left: left, Right: right}
	}
	return left
}

func (p *parser) isOperator(operators []string) bool {
	for _, text := range operators {
		if p.is(text) {
			return true
		}
	}
	return false
}

func (p *parser) or() Expr      { return p.binary(p.and, "||") }
func (p *parser) and() Expr     { return p.binary(p.relation, "&&") }
func (p *parser) sum() Expr     { return p.binary(p.product, "+", "-") }
func (p *parser) product() Expr { return p.binary(p.unary, "*") }

// relation takes a comparison, has, like, is or in, of which there is at most one.
func (p *parser) relation() Expr {
	start := p.start()
	left := p.sum()
	var e Expr
	switch {
	case p.accept("has"):
		path := p.path()
		e = &Has{at{p.from(start)}, left, path}
	case p.accept("like"):
		if p.peek().Kind != String {
			p.unexpected("a pattern, a string", "")
			return nil
		}
		pattern := p.take()
		p.meaning(pattern, true)
		e = &Like{at{p.from(start)}, left, pattern}
	case p.accept("is"):
		is := &Is{Arg: left, Type: p.typeName()}
		if p.accept("in") {
			is.In = p.sum()
		}
		is.span = p.from(start)
		e = is
	case p.isOperator([]string{"<", "<=", ">", ">=", "!=", "==", "in"}):
		operator := p.take()
		right := p.sum()
		e = &Binary{at{p.from(start)}, operator, left, right}
	default:
		return left
	}
	if p.isOperator([]string{"<", "<=", ">", ">=", "!=", "==", "in", "has", "like", "is"}) {
		p.unexpected("&&, || or the end of the expression", "put comparisons between parentheses")
	}
	return e
}

// path takes what stands behind has.
func (p *parser) path() []Attribute {
	if p.peek().Kind == String {
		token, meant := p.text("an attribute")
		return []Attribute{{Span: token.Span, Name: meant, Quoted: true}}
	}
	var all []Attribute
	for {
		token := p.identifier("the name of an attribute")
		all = append(all, Attribute{Span: token.Span, Name: token.Text})
		if !p.accept(".") {
			return all
		}
	}
}

// unary takes ! and - with what they apply to.
func (p *parser) unary() Expr {
	start := p.start()
	var operators []Token
	mixed := false
	for p.is("!") || p.is("-") {
		operators = append(operators, p.take())
		mixed = mixed || operators[0].Text != operators[len(operators)-1].Text
	}
	run := p.from(start)
	if len(operators) > maxUnary || mixed {
		p.report(RuleUnaryRun, diagnostic.Error, run, fmt.Sprintf("more than %d unary operators in a row, or different ones", maxUnary),
			"use parentheses, or fewer of them")
	}
	var arg Expr
	switch {
	case len(operators) == 0:
		return p.member()
	case operators[len(operators)-1].Text == "-" && p.peek().Kind == Number:
		// A negative number is one thing to cedar-go, to which nothing like .a can be added, and the Rust implementation
		// would add it to the number without the minus.
		arg = p.number("-")
	default:
		arg = p.member()
	}
	return &Unary{at{p.from(start)}, operators, arg}
}

// member takes a primary with accesses and calls behind it.
func (p *parser) member() Expr {
	start := p.start()
	e := p.primary()
	for !p.failed {
		switch {
		case p.accept("."):
			token := p.identifier("the name of an attribute or method")
			if p.is("(") {
				e = p.call(start, e, &Name{token.Span, []Token{token}})
				continue
			}
			e = &Access{at{p.from(start)}, e, Attribute{Span: token.Span, Name: token.Text}}
		case p.accept("["):
			token, meant := p.text("the name of an attribute, a string")
			p.expect("]", "behind the name of the attribute")
			e = &Access{at{p.from(start)}, e, Attribute{Span: token.Span, Name: meant, Quoted: true}}
		default:
			return e
		}
	}
	return e
}

// call takes the arguments of a function or method and checks its name, which both implementations do while they parse.
func (p *parser) call(start Position, receiver Expr, name *Name) Expr {
	p.take()
	arguments := p.list(")", "argument")
	if p.failed {
		return nil
	}
	text := name.String()
	count, isMethod := methods[text]
	switch isFunction := functions[text]; {
	case receiver == nil && isMethod:
		p.wrong(name.Span, fmt.Sprintf("%s is a method, not a function", text), fmt.Sprintf("write x.%s(…)", text))
	case receiver == nil && !isFunction:
		p.wrong(name.Span, fmt.Sprintf("there is no function %s", text), "the functions are ip, decimal, datetime and duration")
	case receiver != nil && isFunction:
		p.wrong(name.Span, fmt.Sprintf("%s is a function, not a method", text), fmt.Sprintf("write %s(…)", text))
	case receiver != nil && !isMethod:
		p.wrong(name.Span, fmt.Sprintf("there is no method %s", text), "")
	case isMethod && count != anyNumber && len(arguments) != count:
		p.wrong(name.Span, fmt.Sprintf("the number of arguments of %s is %d, not %d", text, count, len(arguments)), "")
	}
	return &Call{at{p.from(start)}, receiver, name, arguments}
}

// list takes expressions with commas between them, and the bracket behind.
func (p *parser) list(end, what string) []Expr {
	var all []Expr
	for !p.failed && !p.is(end) {
		all = append(all, p.expression())
		if !p.is(end) {
			p.expect(",", fmt.Sprintf("or %q behind the %s", end, what))
		}
	}
	p.expect(end, "behind the last "+what)
	return all
}
