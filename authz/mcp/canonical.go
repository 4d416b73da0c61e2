package mcp

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON appends the object as JSON text, members in order. What [ParseObject] reads from it is equal to o. A zero
// Object is written as null.
func (o Object) AppendJSON(dst []byte) []byte { return appendValue(dst, o) }

// MarshalJSON returns the object as JSON text; see [Object.AppendJSON].
func (o Object) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

// CanonicalHash returns the base64url SHA-256, without padding, of the object in the JSON Canonicalization Scheme (RFC
// 8785). That scheme knows only float64; an integer beyond ±2^53 is hashed with all its digits instead of rounded, so
// that no two different objects have one hash. A verifier that rounds sees a mismatch, never a false match. The errors
// are a zero Object and a Float that is not finite.
func (o Object) CanonicalHash() (string, error) {
	if o.IsZero() {
		return "", errors.New("hashing an absent object")
	}
	text := jsontext.Value(o.AppendJSON(nil))
	if err := text.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return "", fmt.Errorf("canonicalizing: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

func appendValue(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case Bool:
		return strconv.AppendBool(dst, bool(v))
	case Int:
		return strconv.AppendInt(dst, int64(v), 10)
	case Float:
		text := strconv.FormatFloat(float64(v), 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0" // else it would be read as an Int
		}
		return append(dst, text...)
	case String:
		return appendString(dst, string(v))
	case Array:
		dst = append(dst, '[')
		for i, element := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, element)
		}
		return append(dst, ']')
	case Object:
		if v.IsZero() {
			return append(dst, "null"...)
		}
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.Name), ':')
			dst = appendValue(dst, m.Value)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // an error only reports bytes that were replaced by U+FFFD
	return dst
}
