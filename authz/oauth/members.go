package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"

	"countersign.dev/authz/mcp"
)

// members reads the claims that count from a JSON object, and leaves the others alone: an identity provider may say
// more than we need (RFC 7519, section 4). The first error is kept.
type members struct {
	object mcp.Object
	err    error
}

func (m *members) fail(name, format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("%s "+format, append([]any{name}, args...)...)
	}
}

func (m *members) has(name string) bool {
	_, ok := m.object.Get(name)
	return ok
}

// text returns a string of 1 to limit bytes without control characters.
func (m *members) text(name string, limit int) string {
	v, ok := m.object.Get(name)
	if !ok {
		m.fail(name, "is missing")
		return ""
	}
	return m.checkText(name, v, limit)
}

// optionalText returns "" if the claim is absent. If present it is not empty.
func (m *members) optionalText(name string, limit int) string {
	v, ok := m.object.Get(name)
	if !ok {
		return ""
	}
	return m.checkText(name, v, limit)
}

func (m *members) checkText(name string, v mcp.Value, limit int) string {
	s, ok := v.(mcp.String)
	if !ok || s == "" || len(s) > limit || strings.ContainsFunc(string(s), unicode.IsControl) {
		m.fail(name, "is not a string of 1 to %d bytes without control characters", limit)
		return ""
	}
	return string(s)
}

// list returns the strings of an array, nil if the claim is absent or the array empty.
func (m *members) list(name string, most int) []string {
	v, ok := m.object.Get(name)
	if !ok {
		return nil
	}
	array, ok := v.(mcp.Array)
	if !ok || len(array) > most {
		m.fail(name, "is not an array of at most %d strings", most)
		return nil
	}
	var texts []string
	for _, element := range array {
		texts = append(texts, m.checkText(name, element, MaxURI))
	}
	return texts
}

// audience returns aud, which may be one string or an array (RFC 7519, section 4.1.3).
func (m *members) audience() []string {
	if v, ok := m.object.Get("aud"); ok {
		if _, single := v.(mcp.String); single {
			return []string{m.checkText("aud", v, MaxURI)}
		}
		if list := m.list("aud", MaxAudiences); len(list) > 0 {
			return list
		}
	}
	m.fail("aud", "is missing or empty")
	return nil
}

// date returns a NumericDate (RFC 7519, section 2) that is an integer.
func (m *members) date(name string) time.Time {
	if !m.has(name) {
		m.fail(name, "is missing")
		return time.Time{}
	}
	return m.optionalDate(name)
}

// optionalDate returns the zero time if the claim is absent.
func (m *members) optionalDate(name string) time.Time {
	v, ok := m.object.Get(name)
	if !ok {
		return time.Time{}
	}
	n, ok := v.(mcp.Int)
	if !ok || n < 1 || n > lastDate {
		m.fail(name, "is not an integer of seconds from 1970 to 9999")
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// only returns the object of a claim that may have no members but these, and false if the claim is absent. It is for
// claims that restrict: a member that is not understood may be a restriction too.
func (m *members) only(name string, known ...string) (members, bool) {
	v, ok := m.object.Get(name)
	if !ok {
		return members{}, false
	}
	o, ok := v.(mcp.Object)
	if !ok {
		m.fail(name, "is not an object")
		return members{}, false
	}
	allowed := make(map[string]bool, len(known))
	for _, k := range known {
		allowed[k] = true
	}
	for inner := range o.All() {
		if !allowed[inner] {
			m.fail(name, "has the member %.80q, which is not understood", inner)
		}
	}
	return members{object: o}, true
}

// isSHA256Text reports whether text is a SHA-256 in canonical base64url.
func isSHA256Text(text string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && base64.RawURLEncoding.EncodeToString(sum) == text
}
