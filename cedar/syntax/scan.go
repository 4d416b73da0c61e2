package syntax

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign.dev/cedar/diagnostic"
)

// scanner cuts a source into tokens and comments.
type scanner struct {
	name   string
	source string
	at     Position
	tokens []Token
	found  []diagnostic.Diagnostic
	// open says that a string had no end: all quotes up to the next semicolon may be taken for the wrong ones.
	open bool
}

// scan reads the whole source. The last token is of kind EOF.
func (s *scanner) scan() {
	s.at = Position{Line: 1, Column: 1}
	const usual = 6 // bytes for a token, with the white space before it
	s.tokens = make([]Token, 0, len(s.source)/usual+1)
	empty := true // nothing yet on this line
	for {
		token := Token{}
		blank := s.space(empty)
		for s.comment() {
			token.Leading = append(token.Leading, s.readComment(blank))
			blank = s.space(false)
		}
		token.BlankLine = blank
		s.token(&token)
		s.tokens = append(s.tokens, token)
		if token.Kind == EOF {
			return
		}
		s.trailing()
		empty = false
	}
}

// rest is what is not read yet.
func (s *scanner) rest() string { return s.source[s.at.Offset:] }

// advance moves over the next n bytes, which end with a whole character.
func (s *scanner) advance(n int) {
	for end := s.at.Offset + n; s.at.Offset < end; {
		r, size := utf8.DecodeRuneInString(s.source[s.at.Offset:end])
		s.at.Offset += size
		s.at.Column++
		if r == '\n' {
			s.at.Line++
			s.at.Column = 1
		}
	}
}

// report adds a finding about the text from a position up to here.
func (s *scanner) report(rule string, severity diagnostic.Severity, from Position, message, help string) {
	s.found = append(s.found, finding(s.name, rule, severity, Span{from, s.at}, message, help))
}

// finding is a diagnostic about a span.
func finding(file, rule string, severity diagnostic.Severity, span Span, message, help string) diagnostic.Diagnostic {
	return diagnostic.Diagnostic{
		Rule: rule, Severity: severity, File: file, Message: message, Help: help,
		Start: diagnostic.Place{Line: span.Start.Line, Column: span.Start.Column},
		End:   diagnostic.Place{Line: span.End.Line, Column: span.End.Column},
	}
}

// space skips white space and reports whether an empty line was in it; atLineStart says that nothing stands before it
// on its line.
func (s *scanner) space(atLineStart bool) (emptyLine bool) {
	ends := 0
	if atLineStart {
		ends = 1
	}
	for s.at.Offset < len(s.source) {
		from := s.at
		r, size := utf8.DecodeRuneInString(s.rest())
		switch {
		case r == '\n':
			ends++
			s.advance(size)
		case r == ' ' || r == '\t' || r == '\r':
			s.advance(size)
		case unicode.IsSpace(r):
			s.advance(size)
			s.report(RuleSpace, diagnostic.Error, from, fmt.Sprintf("%U is white space that the server does not accept", r),
				"write an ordinary space")
		default:
			return ends > 1
		}
	}
	return ends > 1
}

// comment reports whether a comment is next.
func (s *scanner) comment() bool {
	return strings.HasPrefix(s.rest(), "//") || strings.HasPrefix(s.rest(), "/*")
}

// readComment reads a comment.
func (s *scanner) readComment(blank bool) Comment {
	from := s.at
	if strings.HasPrefix(s.rest(), "/*") {
		end := strings.Index(s.rest()[2:], "*/")
		if end < 0 {
			s.characters(len(s.rest()))
			s.report(RuleSyntax, diagnostic.Error, from, "the comment has no end", "")
		} else {
			s.characters(end + 4)
			s.report(RuleBlockComment, diagnostic.Warning, from, "block comments are not part of Cedar", "begin every line with //")
		}
		return Comment{Text: s.source[from.Offset:s.at.Offset], Span: Span{from, s.at}, BlankLine: blank}
	}
	line, _, more := strings.Cut(s.rest(), "\n")
	if more {
		line = strings.TrimRight(line, "\r")
	}
	if carriage := strings.IndexByte(line, '\r'); carriage >= 0 && strings.Trim(line[carriage:], "\r") != "" {
		// The Rust implementation ends the comment here, cedar-go at the end of the line: what one reads as a policy would be
		// a comment to the other.
		s.characters(carriage)
		s.report(RuleSyntax, diagnostic.Error, s.at, "a carriage return is in a comment", "end the line with a line feed")
		s.characters(len(line) - carriage)
	} else {
		s.characters(len(line))
	}
	return Comment{Text: s.source[from.Offset:s.at.Offset], Span: Span{from, s.at}, BlankLine: blank}
}

// characters moves over text inside of comments and strings, of which every character must be allowed.
func (s *scanner) characters(n int) {
	for end := s.at.Offset + n; s.at.Offset < end; {
		from := s.at
		r, size := utf8.DecodeRuneInString(s.source[s.at.Offset:end])
		s.advance(size)
		switch {
		case r == utf8.RuneError && size <= 1:
			s.report(RuleSyntax, diagnostic.Error, from, "the text is not UTF-8", "")
		case r == 0:
			s.report(RuleSyntax, diagnostic.Error, from, "U+0000 is not allowed", "")
		}
	}
}

// trailing reads the comment behind the last token if one is on its line.
func (s *scanner) trailing() {
	spaces := len(s.rest()) - len(strings.TrimLeft(s.rest(), " \t"))
	if rest := s.rest()[spaces:]; !strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "/*") {
		return
	}
	s.advance(spaces)
	s.tokens[len(s.tokens)-1].Trailing = s.readComment(false).Text
}

// token reads one token.
func (s *scanner) token(token *Token) {
	from := s.at
	rest := s.rest()
	switch {
	case rest == "":
		token.Kind = EOF
	case identifierByte(rest[0]) && !digit(rest[0]):
		n := 1
		for n < len(rest) && identifierByte(rest[n]) {
			n++
		}
		s.advance(n)
		token.Kind = Identifier
		if keywords[rest[:n]] {
			token.Kind = Keyword
		}
	case digit(rest[0]):
		n := 1
		for n < len(rest) && digit(rest[n]) {
			n++
		}
		s.advance(n)
		token.Kind = Number
	case rest[0] == '"':
		token.Kind = s.text()
	default:
		token.Kind = s.sign()
	}
	token.Text = s.source[from.Offset:s.at.Offset]
	token.Span = Span{from, s.at}
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

func identifierByte(b byte) bool {
	return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || digit(b)
}

// text moves over a string, which ends on its line.
func (s *scanner) text() Kind {
	from := s.at
	rest := s.rest()
	for n := 1; n < len(rest); n++ {
		switch rest[n] {
		case '\\':
			n++
			if n < len(rest) && rest[n] == '\n' {
				n--
			}
		case '"':
			s.characters(n + 1)
			return String
		case '\n':
			rest = rest[:n]
		}
	}
	s.characters(len(rest))
	if !s.open {
		s.report(RuleSyntax, diagnostic.Error, from, "the string does not end on its line", `write a line feed as \n`)
	}
	s.open = true
	return Invalid
}

// signs are the tokens of kind Punctuation; the longer ones come first.
var signs = []string{
	"::", "==", "!=", "<=", ">=", "&&", "||",
	"@", ".", ",", ";", ":", "(", ")", "{", "}", "[", "]", "+", "-", "*", "!", "<", ">",
}

// sign moves over punctuation, a slot, or what is no token.
func (s *scanner) sign() Kind {
	from := s.at
	rest := s.rest()
	for _, sign := range signs {
		if strings.HasPrefix(rest, sign) {
			s.open = s.open && sign != ";"
			s.advance(len(sign))
			return Punctuation
		}
	}
	if rest[0] == '?' && len(rest) > 1 && identifierByte(rest[1]) {
		n := 2
		for n < len(rest) && identifierByte(rest[n]) {
			n++
		}
		s.advance(n)
		s.report(RuleSyntax, diagnostic.Error, from, s.source[from.Offset:s.at.Offset]+" is a slot of a template, and templates are not supported",
			"write a policy for a group, and put the entities into the group")
		return SlotName
	}
	r, size := utf8.DecodeRuneInString(rest)
	s.advance(size)
	switch {
	case r == utf8.RuneError && size <= 1:
		s.report(RuleSyntax, diagnostic.Error, from, "the text is not UTF-8", "")
	case r == '\uFEFF':
		s.report(RuleSyntax, diagnostic.Error, from, "a byte order mark is not allowed", "save the file as UTF-8 without one")
	default:
		s.report(RuleSyntax, diagnostic.Error, from, fmt.Sprintf("%q is not a part of Cedar", r), alternative(r))
	}
	return Invalid
}

// alternative says what somebody meant who wrote a character that Cedar does not have.
func alternative(r rune) string {
	switch r {
	case '=':
		return "compare with =="
	case '&':
		return "write && for and"
	case '|':
		return "write || for or"
	case '\'', '“', '”', '‘', '’', '`':
		return `put strings between "`
	case '#':
		return "begin a comment with //"
	case '/':
		return "Cedar has no division"
	case '%':
		return "Cedar has no remainder"
	}
	return ""
}
