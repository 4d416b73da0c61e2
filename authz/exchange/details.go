package exchange

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
	"unicode"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// lastDate is the greatest NumericDate: the end of the year 9999 (RFC 3339 has no later one).
const lastDate = 253402300799

// requestDetails is request_details: what the delegation is for. Its members become tctx and authorization_details of
// the token.
type requestDetails struct {
	task, purpose string
	intentHash    string    // base64url SHA-256; empty if absent
	taskExpiry    time.Time // zero if absent
	limits        []delegation.Detail
}

// parseDetails reads request_details. A member that nobody knows is refused: the caller may rely on it.
func parseDetails(text string) (*requestDetails, error) {
	if len(text) > MaxDetails {
		return nil, denial.New(denial.ExchangeDetails, "request_details has %d bytes: at most %d", len(text), MaxDetails)
	}
	o, err := mcp.ParseObject([]byte(text))
	if err != nil {
		return nil, denial.New(denial.ExchangeDetails, "request_details: %w", err)
	}
	d := &requestDetails{}
	for name, value := range o.All() {
		if err := d.set(name, value); err != nil {
			return nil, err
		}
	}
	if d.task == "" || d.purpose == "" {
		return nil, denial.New(denial.ExchangeDetails, "request_details: task and purpose are needed")
	}
	return d, nil
}

func (d *requestDetails) set(name string, value mcp.Value) error {
	ok := false
	switch name {
	case "task":
		d.task, ok = nameOf(value)
	case "purpose":
		d.purpose, ok = nameOf(value)
	case "intent_s256":
		d.intentHash, ok = nameOf(value)
		ok = ok && isSHA256Text(d.intentHash)
	case "task_exp":
		var n mcp.Int
		if n, ok = value.(mcp.Int); ok {
			ok = n >= 1 && n <= lastDate
			d.taskExpiry = time.Unix(int64(n), 0).UTC()
		}
	case "authorization_details":
		var err error
		if d.limits, err = delegation.ParseDetails(textOf(value)); err != nil {
			return denial.New(denial.ExchangeDetails, "request_details: %w", err)
		}
		return nil
	default:
		return denial.New(denial.ExchangeDetails, "request_details: %.40q is not a member that it may have", name)
	}
	if !ok {
		return denial.New(denial.ExchangeDetails, "request_details: %s is invalid", name)
	}
	return nil
}

// nameOf returns a string of 1 to [MaxName] bytes without control characters.
func nameOf(value mcp.Value) (string, bool) {
	s, ok := value.(mcp.String)
	return string(s), ok && s != "" && len(s) <= MaxName && !strings.ContainsFunc(string(s), unicode.IsControl)
}

// textOf returns the JSON text of a value. The only exported way to write one is as part of an object: {"":value}.
func textOf(value mcp.Value) []byte {
	text := mcp.NewObject(mcp.Member{Value: value}).AppendJSON(nil)
	return text[len(`{"":`) : len(text)-1]
}

// isSHA256Text reports whether text is a SHA-256 in canonical base64url.
func isSHA256Text(text string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && base64.RawURLEncoding.EncodeToString(sum) == text
}
