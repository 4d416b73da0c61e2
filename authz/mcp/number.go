package mcp

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
)

// parseNumber reads the text of a JSON number (RFC 8259, section 6).
//
// Without a fraction and an exponent it is an [Int] and must fit into 64 bits. -0 is refused: it is 0 for a parser
// that has integers, and another number than 0 for one that has not.
//
// With one it is a [Float]. The shortest decimal that denotes the nearest float64 must be equal to the decimal that
// the text denotes: 1.10, 1e2 and 0.1 pass, while 0.10000000000000000555 and 9007199254740993.0 denote something that
// only some parsers keep, and 1e400 and 1e-400 something that none does. -0.0 passes.
func parseNumber(text string) (Value, error) {
	if len(text) > MaxNumber {
		return nil, denial.New(denial.JSONNumber, "a number of %d bytes", len(text))
	}
	if !strings.ContainsAny(text, ".eE") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || text == "-0" {
			return nil, denial.New(denial.JSONNumber, "%s is not a 64-bit integer", text)
		}
		return Int(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, denial.New(denial.JSONNumber, "%s is out of range", text)
	}
	written, ok := parseDecimal(text)
	shortest, _ := parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
	if !ok || written != shortest {
		return nil, denial.New(denial.JSONNumber, "%s is not a float64, %v is", text, f)
	}
	return Float(f), nil
}

// decimal is 0.digits × 10^exponent. Digits neither begin nor end with 0, so that equal numbers are equal structs.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// parseDecimal reads a JSON number. Not ok is an exponent that no float64 can have.
func parseDecimal(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		exponent, err := strconv.Atoi(text[i+1:])
		if d.exponent, ok = exponent, err == nil && exponent > -1000 && exponent < 1000; !ok {
			return d, false
		}
		text = text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	d.exponent += len(whole)
	d.digits = strings.TrimLeft(whole+fraction, "0")
	d.exponent -= len(whole) + len(fraction) - len(d.digits)
	d.digits = strings.TrimRight(d.digits, "0")
	if d.digits == "" {
		d.exponent = 0
	}
	return d, true
}

// sameNumber reports whether a text that a header carries denotes the number v.
func sameNumber(text string, v Value) bool {
	body, ok := parseDecimal(string(appendValue(nil, v)))
	if !ok || !isNumber(text) {
		return false
	}
	mirrored, ok := parseDecimal(text)
	// 0 and -0 are the same value in a header.
	return ok && (mirrored == body || mirrored.digits == "" && body.digits == "")
}

// isNumber reports whether text is a JSON number and nothing else.
func isNumber(text string) bool {
	v := jsontext.Value(text)
	return visibleASCII(text) && len(text) <= MaxNumber && v.Kind() == '0' && v.IsValid()
}
