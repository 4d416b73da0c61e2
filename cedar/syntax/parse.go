package syntax

import (
	"fmt"
	"slices"

	"countersign.dev/cedar/diagnostic"
)

// maxDepth bounds how deep expressions may be nested, so that reading a text cannot exhaust the stack.
const maxDepth = 500

// Parse reads a policy file; name is for the diagnostics. After an error in a policy it goes on behind the next
// semicolon, so that one run finds all errors. The file has every policy that could be read, also those with an error
// that leaves the tree intact, such as a number that is too large, and all tokens. A file without diagnostics is
// accepted by every implementation of Cedar, and one without those of rule [RuleSyntax] by at least one.
func Parse(name string, source []byte) (*File, []diagnostic.Diagnostic) {
	s := &scanner{name: name, source: string(source)}
	s.scan()
	p := &parser{name: name, tokens: s.tokens, found: s.found, scanned: len(s.found)}
	file := &File{Name: name, Source: source, Tokens: s.tokens}
	for p.tokens[p.next].Kind != EOF {
		p.failed, p.effect, p.id = false, false, ""
		policy := p.policy()
		if p.failed {
			p.recover()
		} else {
			file.Policies = append(file.Policies, policy)
		}
		p.attribute()
	}
	slices.SortStableFunc(p.found, func(a, b diagnostic.Diagnostic) int {
		if a.Start.Line != b.Start.Line {
			return a.Start.Line - b.Start.Line
		}
		return a.Start.Column - b.Start.Column
	})
	return file, p.found
}

// Text returns the source text of a span of the file.
func (f *File) Text(s Span) string { return string(f.Source[s.Start.Offset:s.End.Offset]) }

// parser builds the tree. After an error it sees nothing but the end of the source, so that all its loops end.
type parser struct {
	name   string
	tokens []Token
	next   int
	found  []diagnostic.Diagnostic
	// The first findings are those of the scanner, of which the first ones are known to be about a policy.
	scanned, attributed int
	depth               int
	// Of the policy that is being read: whether it has an error that ends it, whether its effect was read, and its @id.
	failed, effect bool
	id             string
}

// peek returns the next token.
func (p *parser) peek() Token {
	if p.failed {
		return Token{Kind: EOF}
	}
	return p.tokens[p.next]
}

// behind returns the token after the next one, which is not the last.
func (p *parser) behind() Token { return p.tokens[p.next+1] }

// take returns the next token and goes on.
func (p *parser) take() Token {
	token := p.peek()
	if token.Kind != EOF {
		p.next++
	}
	return token
}

// is reports whether the next token is that punctuation or word.
func (p *parser) is(text string) bool { return p.peek().Text == text }

// accept takes the next token if it is the one.
func (p *parser) accept(text string) bool {
	if !p.is(text) {
		return false
	}
	p.take()
	return true
}

// expect takes the next token, which must be the one.
func (p *parser) expect(text, where string) {
	if !p.accept(text) {
		p.unexpected(fmt.Sprintf("%q %s", text, where), "")
	}
}

// start is where the next token is.
func (p *parser) start() Position { return p.tokens[p.next].Span.Start }

// from returns the span from a position to the end of the last token.
func (p *parser) from(start Position) Span { return Span{start, p.tokens[p.next-1].Span.End} }

// report adds a finding that leaves the tree intact.
func (p *parser) report(rule string, severity diagnostic.Severity, span Span, message, help string) {
	if p.failed {
		return
	}
	d := finding(p.name, rule, severity, span, message, help)
	d.Policy = p.id
	p.found = append(p.found, d)
}

// wrong reports something that is not Cedar and leaves the tree intact.
func (p *parser) wrong(span Span, message, help string) {
	p.report(RuleSyntax, diagnostic.Error, span, message, help)
}

// unexpected reports that the next token is not what has to be here, and ends the policy. Tokens that the scanner has
// reported need no second message.
func (p *parser) unexpected(want, help string) {
	token := p.peek()
	switch token.Kind {
	case Invalid, SlotName:
	case EOF:
		p.wrong(p.tokens[p.next].Span, "the policy ends early; want "+want, help)
	default:
		p.wrong(token.Span, fmt.Sprintf("unexpected %s; want %s", shown(token), want), help)
	}
	p.failed = true
}

// shown is a token in a message.
func shown(token Token) string {
	const most = 40
	if text := []rune(token.Text); len(text) > most {
		return fmt.Sprintf("%q…", string(text[:most]))
	}
	if token.Kind == String {
		return "string " + token.Text
	}
	return fmt.Sprintf("%q", token.Text)
}

// recover skips to where the next policy begins: behind a semicolon, or before an annotation or effect if the policy
// that failed is past its own.
func (p *parser) recover() {
	for p.failed = false; p.peek().Kind != EOF; p.take() {
		if p.effect && (p.is("@") || (p.is("permit") || p.is("forbid")) && p.behind().Text == "(") {
			return
		}
		if p.accept(";") {
			return
		}
	}
}

// attribute says of what the scanner found up to here that it is about the policy.
func (p *parser) attribute() {
	end := p.tokens[p.next-1].Span.End
	for ; p.attributed < p.scanned; p.attributed++ {
		d := &p.found[p.attributed]
		if d.Start.Line > end.Line || d.Start.Line == end.Line && d.Start.Column > end.Column {
			return
		}
		d.Policy = p.id
	}
}

// enter counts a level of nesting; the caller leaves with p.depth--.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth && !p.failed {
		p.wrong(p.peek().Span, fmt.Sprintf("the expression is nested deeper than %d levels", maxDepth), "")
		p.failed = true
	}
}

// identifier takes a name.
func (p *parser) identifier(want string) Token {
	if token := p.peek(); token.Kind == Identifier {
		return p.take()
	} else if token.Kind == Keyword {
		p.unexpected(want, fmt.Sprintf("%q is a reserved word", token.Text))
	} else {
		p.unexpected(want, "")
	}
	return Token{}
}

// text takes a string and returns what it means.
func (p *parser) text(want string) (token Token, meant string) {
	if p.peek().Kind != String {
		p.unexpected(want, "")
		return Token{}, ""
	}
	token = p.take()
	return token, p.meaning(token, false)
}

// meaning unquotes a string.
func (p *parser) meaning(token Token, pattern bool) string {
	meant, err := unquote(token.Text, pattern)
	if err != nil {
		p.wrong(token.Span, "in the string: "+err.Error(), "")
	}
	return meant
}

// typeName takes a path such as A::B.
func (p *parser) typeName() *Name {
	start := p.start()
	name := &Name{Parts: []Token{p.identifier("an entity type")}}
	for p.accept("::") {
		name.Parts = append(name.Parts, p.identifier("the next part of the entity type"))
	}
	name.Span = p.from(start)
	return name
}

// entity takes Type::"id".
func (p *parser) entity() *EntityRef {
	start := p.start()
	name := &Name{Parts: []Token{p.identifier(`an entity such as Server::"crm"`)}}
	for {
		name.Span = p.from(start)
		if !p.accept("::") {
			p.unexpected(`:: and the rest of an entity such as Server::"crm"`, "")
			return nil
		}
		if p.peek().Kind == String {
			return p.entityID(start, name)
		}
		name.Parts = append(name.Parts, p.identifier("the id of the entity, a string"))
	}
}

// entityID takes the string behind a type.
func (p *parser) entityID(start Position, name *Name) *EntityRef {
	token, meant := p.text("the id of the entity, a string")
	return &EntityRef{at: at{p.from(start)}, Type: name, ID: token, Unquoted: meant}
}
