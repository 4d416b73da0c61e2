package syntax

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unquote returns what a string means: quoted is the token with its quotes. In a pattern, which stands behind like, the
// escape \* is allowed too and stays as it is, because a star without it is a wildcard.
func unquote(quoted string, pattern bool) (string, error) {
	text := quoted[1 : len(quoted)-1]
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var meant strings.Builder
	for {
		before, after, more := strings.Cut(text, `\`)
		meant.WriteString(before)
		if !more {
			return meant.String(), nil
		}
		escape := after[0]
		text = after[1:]
		switch escape {
		case 'n':
			meant.WriteByte('\n')
		case 'r':
			meant.WriteByte('\r')
		case 't':
			meant.WriteByte('\t')
		case '0':
			meant.WriteByte(0)
		case '\\', '\'', '"':
			meant.WriteByte(escape)
		case '*':
			if !pattern {
				return "", errors.New(`\* is only for patterns behind like`)
			}
			meant.WriteString(`\*`)
		case 'x', 'u':
			r, rest, err := codePoint(escape, text)
			if err != nil {
				return "", err
			}
			meant.WriteRune(r)
			text = rest
		default:
			r, _ := utf8.DecodeRuneInString(after)
			return "", fmt.Errorf(`\%c is no escape; Cedar has \n \r \t \0 \\ \' \" \x7f \u{1f600}`, r)
		}
	}
}

// codePoint reads the digits of \x and \u{}.
func codePoint(escape byte, text string) (r rune, rest string, err error) {
	var digits string
	var limit uint64
	if escape == 'x' {
		if len(text) < 2 {
			return 0, "", errors.New(`\x needs two hexadecimal digits`)
		}
		digits, rest, limit = text[:2], text[2:], 0x7f
	} else {
		inside, behind, closed := strings.Cut(text, "}")
		if !closed || !strings.HasPrefix(inside, "{") || strings.HasPrefix(inside, "{_") {
			return 0, "", errors.New(`\u needs up to six hexadecimal digits between { and }`)
		}
		digits, rest, limit = strings.ReplaceAll(inside[1:], "_", ""), behind, utf8.MaxRune
	}
	value, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) > 6 || strings.ContainsAny(digits, "+-_") {
		return 0, "", fmt.Errorf(`\%c%s is not followed by hexadecimal digits`, escape, digits)
	}
	if value > limit || !utf8.ValidRune(rune(value)) { //nolint:gosec // at most 32 bits, and limited
		return 0, "", fmt.Errorf(`\%c: %x is not the number of a character that can be written so`, escape, value)
	}
	return rune(value), rest, nil //nolint:gosec // at most utf8.MaxRune
}
