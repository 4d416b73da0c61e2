package lint

import (
	"strings"
	"unicode/utf8"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// syntaxRules are those about text that implementations of Cedar read differently. The parser finds it.
func syntaxRules() []Rule {
	return []Rule{
		{
			ID: syntax.RuleBlockComment, Severity: diagnostic.Error,
			Summary: "A comment between /* and */.",
			Why:     "Only cedar-go accepts it. To the Cedar CLI and to every service that uses the Rust implementation the file is broken.",
			Bad: `@id("ping") /* everybody,
   for now */
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("ping") // everybody,
// for now
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Fixable: true,
			file:    fromParser(fixBlockComment),
		},
		{
			ID: syntax.RuleSpace, Severity: diagnostic.Error,
			Summary: "White space that is not ASCII, such as a no-break space.",
			Why:     "Only the Rust implementation accepts it; the server does not load the file. It usually comes with text copied from a web page.",
			Bad:     "@id(\"ping\")\npermit (principal,\u00a0action == Action::\"ping\", resource in Server::\"crm\");\n",
			Good:    "@id(\"ping\")\npermit (principal, action == Action::\"ping\", resource in Server::\"crm\");\n",
			Fixable: true,
			file: fromParser(func(_ []byte, from, to int) *Fix {
				return &Fix{Edits: []Edit{{from, to, " "}}, intent: readSpace}
			}),
		},
		{
			ID: syntax.RuleUnaryRun, Severity: diagnostic.Error,
			Summary: "More than four ! or - in a row, or a mixture of them.",
			Why:     "Only cedar-go accepts it. Pairs of them cancel out.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { !!!!!(context has session) };
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm") when { !(context has session) };
`,
			Fixable: true,
			file:    fromParser(fixUnaryRun),
		},
		{
			ID: syntax.RuleActionType, Severity: diagnostic.Error,
			Summary: "The action in a scope is not of the type Action.",
			Why:     "Such a policy never applies, and the Rust implementation does not read it.",
			Bad: `@id("ping")
permit (principal, action == Tool::"ping", resource in Server::"crm");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			file: fromParser(nil),
		},
	}
}

// fromParser takes over what the parser found under the rule's id.
func fromParser(fix func(source []byte, from, to int) *Fix) func(*pass) {
	return func(p *pass) {
		at := cursor{source: p.file.Source, place: diagnostic.Place{Line: 1, Column: 1}}
		for _, d := range p.file.parsed {
			if d.Rule != p.rule.ID {
				continue
			}
			d.Severity = p.level[d.Rule]
			f := found{Finding: Finding{Diagnostic: d}, file: p.file}
			if fix != nil {
				at.move(d.Start)
				end := at
				end.move(d.End)
				f.Fix = fix(p.file.Source, at.offset, end.offset)
			}
			p.findings = append(p.findings, f)
		}
	}
}

// cursor turns places, which come in order, into offsets.
type cursor struct {
	source []byte
	offset int
	place  diagnostic.Place
}

func (c *cursor) move(to diagnostic.Place) {
	for c.offset < len(c.source) && (c.place.Line < to.Line || c.place.Line == to.Line && c.place.Column < to.Column) {
		r, size := utf8.DecodeRune(c.source[c.offset:])
		c.offset += size
		if c.place.Column++; r == '\n' {
			c.place = diagnostic.Place{Line: c.place.Line + 1, Column: 1}
		}
	}
}

// fixBlockComment makes every line of the comment one of its own. What stands behind it moves to the next line.
func fixBlockComment(source []byte, from, to int) *Fix {
	text := strings.TrimSuffix(strings.TrimPrefix(string(source[from:to]), "/*"), "*/")
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		words := strings.Trim(line, " \t\r")
		if i > 0 {
			out.WriteString("\n")
			words = strings.TrimLeft(strings.TrimPrefix(words, "*"), " \t")
		}
		out.WriteString(strings.TrimRight("// "+strings.ReplaceAll(words, "\r", " "), " "))
	}
	end := to
	for end < len(source) && strings.IndexByte(" \t\r", source[end]) >= 0 {
		end++
	}
	if end < len(source) && source[end] != '\n' {
		out.WriteString("\n")
	} else {
		to = end
	}
	return &Fix{Edits: []Edit{{from, to, out.String()}}}
}

// fixUnaryRun drops pairs; a mixture is for a person.
func fixUnaryRun(source []byte, from, to int) *Fix {
	text := string(source[from:to])
	operator := text[:1]
	count := strings.Count(text, operator)
	if strings.Trim(text, operator+" ") != "" { // others, or comments in between
		return nil
	}
	left := 2 - count%2
	if operator == "-" {
		left += 2 // the last one may belong to a number, which has no pairs to drop
	}
	return &Fix{Edits: []Edit{{from, to, strings.Repeat(operator, left)}}, intent: readUnary}
}
