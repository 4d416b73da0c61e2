package cedar

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"

	"countersign.dev/authz/mcp"
)

// pattern is a regular expression that RE2 and ECMA-262 understand in the same way.
type pattern struct {
	*regexp.Regexp
	size    int
	differs func(rune) bool // the characters about which they do not agree; nil for none
}

// matches takes time in proportion to the text and the pattern.
func (j *judge) matches(p *pattern, text string) (matches, told bool) {
	if !j.spend(1 + len(text)*p.size) {
		return false, false
	}
	if p.differs != nil && strings.ContainsFunc(text, p.differs) {
		return false, false
	}
	return p.MatchString(text), true
}

// strange are parts of patterns that RE2 and ECMA-262 read differently.
var strange = regexp.MustCompile(`\\[AzQEaCpP0-9]|\\x\{|\(\?[^:<]|\[\[?:|\[\^?\]`)

// newPattern compiles a pattern, or says why it cannot be judged.
func newPattern(v mcp.Value) (*pattern, string) {
	source, ok := v.(mcp.String)
	if !ok {
		return nil, fmt.Sprintf("pattern: %.64s", jsonOf(v))
	}
	text := string(source)
	if len(text) > maxPattern {
		return nil, fmt.Sprintf("a pattern of %d bytes", len(text))
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the pattern %.64q, which is none of RE2", text)
	case strange.MatchString(text):
		return nil, fmt.Sprintf("the pattern %.64q, which is read in more than one way", text)
	}
	p := &pattern{size: patternSize(parsed)}
	if p.size > maxPatternSize {
		return nil, fmt.Sprintf("the pattern %.64q, which is too large", text)
	}
	if p.Regexp, err = regexp.Compile(text); err != nil {
		return nil, fmt.Sprintf("the pattern %.64q, which is none of RE2", text)
	}
	dot, space := strings.Contains(text, "."), strings.Contains(text, `\s`) || strings.Contains(text, `\S`)
	if dot || space {
		p.differs = func(r rune) bool {
			ends := r == '\r' || r == '\u2028' || r == '\u2029'
			return dot && ends || space && (r == '\v' || r == '\ufeff' || r >= 0x80 && unicode.IsSpace(r))
		}
	}
	return p, ""
}

// patternSize is about how many instructions a pattern has, which its text can multiply.
func patternSize(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n = min(n+patternSize(sub), maxPatternSize+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxPatternSize+1)
}
