package delegation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"countersign.dev/authz/mcp"
)

// members reads a JSON object that may have no members but those that are asked for. The first error is kept and
// returned by close.
type members struct {
	object mcp.Object
	where  string // for errors
	taken  []string
	err    error
}

func (m *members) fail(name, format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("%s: %s "+format, append([]any{m.where, name}, args...)...)
	}
}

// close returns the first error, or one about a member that nobody asked for.
func (m *members) close() error {
	if m.err != nil {
		return m.err
	}
	for name := range m.object.All() {
		if !slices.Contains(m.taken, name) {
			return fmt.Errorf("%s: %.80q is not a member that it may have", m.where, name)
		}
	}
	return nil
}

func (m *members) optional(name string) (mcp.Value, bool) {
	m.taken = append(m.taken, name)
	return m.object.Get(name)
}

func (m *members) required(name string) mcp.Value {
	v, ok := m.optional(name)
	if !ok {
		m.fail(name, "is missing")
	}
	return v
}

// text returns a string of 1 to limit bytes.
func (m *members) text(name string, limit int) string {
	return m.checkText(name, m.required(name), limit)
}

// optionalText returns "" if the member is absent. If present it is not empty.
func (m *members) optionalText(name string, limit int) string {
	v, ok := m.optional(name)
	if !ok {
		return ""
	}
	return m.checkText(name, v, limit)
}

func (m *members) checkText(name string, v mcp.Value, limit int) string {
	s, ok := v.(mcp.String)
	if !ok || s == "" || len(s) > limit {
		m.fail(name, "is not a string of 1 to %d bytes", limit)
		return ""
	}
	return string(s)
}

// anyText returns a string that may be empty.
func (m *members) anyText(name string, limit int) string {
	s, ok := m.required(name).(mcp.String)
	if !ok || len(s) > limit {
		m.fail(name, "is not a string of at most %d bytes", limit)
	}
	return string(s)
}

// hash returns a SHA-256 in base64url, or "" if the member is absent.
func (m *members) hash(name string) string {
	v, ok := m.optional(name)
	if !ok {
		return ""
	}
	s, ok := v.(mcp.String)
	if !ok || !isSHA256Text(string(s)) {
		m.fail(name, "is not a SHA-256 in base64url")
	}
	return string(s)
}

// date returns a NumericDate (RFC 7519, section 2) that is an integer.
func (m *members) date(name string) time.Time {
	n, ok := m.required(name).(mcp.Int)
	if !ok || n < 1 || n > lastDate {
		m.fail(name, "is not an integer of seconds from 1970 to 9999")
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// count returns a small integer that is not negative.
func (m *members) count(name string) int {
	n, ok := m.required(name).(mcp.Int)
	if !ok || n < 0 || n > 1000 {
		m.fail(name, "is not an integer from 0 to 1000")
		return 0
	}
	return int(n)
}

// nested returns an object to read, and false if the member is absent.
func (m *members) nested(name string) (members, bool) {
	v, ok := m.optional(name)
	if !ok {
		return members{}, false
	}
	o, ok := v.(mcp.Object)
	if !ok {
		m.fail(name, "is not an object")
	}
	return members{object: o, where: name}, ok
}

// adopt keeps the error of a nested object.
func (m *members) adopt(err error) {
	if m.err == nil {
		m.err = err
	}
}

// controlFree refuses control characters in any text: they have no place in names, and would end up in logs and
// headers.
func controlFree(v mcp.Value) error {
	switch v := v.(type) {
	case mcp.String:
		if strings.ContainsFunc(string(v), unicode.IsControl) {
			return fmt.Errorf("a control character in %.80q", string(v))
		}
	case mcp.Array:
		for _, element := range v {
			if err := controlFree(element); err != nil {
				return err
			}
		}
	case mcp.Object:
		for name, value := range v.All() {
			if err := errors.Join(controlFree(mcp.String(name)), controlFree(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nesting returns how deeply objects and arrays are nested in v, v included.
func nesting(v mcp.Value) int {
	deepest := 0
	switch v := v.(type) {
	case mcp.Array:
		for _, element := range v {
			deepest = max(deepest, nesting(element))
		}
	case mcp.Object:
		for _, value := range v.All() {
			deepest = max(deepest, nesting(value))
		}
	default:
		return 0
	}
	return deepest + 1
}
