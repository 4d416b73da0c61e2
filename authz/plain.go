package authz

import (
	"strconv"
	"strings"

	"countersign.dev/authz/denial"
)

// PlainField is a header field for a backend that verifies no token.
type PlainField struct{ Name, Value string }

// maxPlainValue is the longest value, in bytes: that of a SPIFFE ID (SPIFFE-ID, section 2.3).
const maxPlainValue = 2048

// describePlainly says in header fields what the token for the backend says, where the server is configured so. There is
// a subject and a task only with a delegation: a workload that acts for nobody must not be taken for a user. A value that
// does not fit is a refusal: to leave it out, or to write it in another way, would say something else.
func (c *check) describePlainly() error {
	if !c.server.PlainHeaders {
		return nil
	}
	fields := []PlainField{
		{"x-countersign-actor", c.peer.ID.String()},
		{"x-countersign-expires", strconv.FormatInt(c.signed.Expiry.Unix(), 10)},
	}
	if c.claims != nil {
		fields = append(fields, PlainField{"x-countersign-subject", c.signed.Subject}, PlainField{"x-countersign-task", c.signed.Task.Task})
	}
	for _, f := range fields {
		if !isFieldValue(f.Value) {
			return denial.New(denial.PlainHeader, "%s can not carry %.80q", f.Name, f.Value)
		}
	}
	c.plain = fields
	return nil
}

// isFieldValue reports whether s is visible ASCII, with spaces inside at most, and not too long
// (RFC 9110, section 5.5).
func isFieldValue(s string) bool {
	return s != "" && len(s) <= maxPlainValue && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
