package exchange

import (
	"errors"
	"net/http"
	"strings"

	"countersign.dev/authz/denial"
)

// success is the body of RFC 8693, section 2.2.1.
type success struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope"`
	// DroppedScope is ours: what was asked for and not granted.
	DroppedScope string `json:"dropped_scope,omitempty"`
	DecisionID   string `json:"decision_id"`
}

// failure is the body of RFC 6749, section 5.2. Reason and DecisionID are ours.
type failure struct {
	Error       string        `json:"error"`
	Description string        `json:"error_description"`
	Reason      denial.Reason `json:"reason"`
	DecisionID  string        `json:"decision_id"`
}

// form of the answer to a refusal. The caller proved a workload identity, so it may know which rule it broke; what was
// seen is told only where it is all the caller's own request.
func (o *Outcome) failure() (status int, body failure) {
	body = failure{Reason: o.Reason, DecisionID: o.ID}
	status = http.StatusBadRequest
	own := false
	switch o.Reason {
	case denial.HTTPMethod:
		status, body.Error, own = http.StatusMethodNotAllowed, "invalid_request", true
	case denial.BodyTooLarge:
		status, body.Error, own = http.StatusRequestEntityTooLarge, "invalid_request", true
	case denial.ExchangeClient:
		status, body.Error, own = http.StatusUnauthorized, "invalid_client", true
	case denial.ExchangeGrantType:
		body.Error, own = "unsupported_grant_type", true
	case denial.ExchangeTarget:
		body.Error, own = "invalid_target", true
	case denial.ExchangeScope:
		body.Error, own = "invalid_scope", true
	case denial.Revoked:
		body.Error, body.Description = "invalid_request", "the user, the task, the token or the client is revoked"
	default:
		status, body.Error, body.Description, own = byClass(o.Reason)
	}
	if own {
		body.Description = o.detail()
	}
	body.Description = printable(body.Description)
	return status, body
}

// byClass answers where the class of the reason is enough.
func byClass(reason denial.Reason) (status int, code, description string, own bool) {
	switch reason.Class() {
	case denial.ClassPeer:
		return http.StatusUnauthorized, "invalid_client", "the client certificate is not that of a workload that may ask", false
	case denial.ClassMalformed:
		return http.StatusBadRequest, "invalid_request", "", true
	case denial.ClassCredential:
		return http.StatusBadRequest, "invalid_request", "the subject token is not accepted: " + string(reason), false
	case denial.ClassPolicy:
		return http.StatusBadRequest, "invalid_scope", "policy grants nothing of the scope that was asked for", false
	default:
		return http.StatusServiceUnavailable, "temporarily_unavailable", "the request may succeed later", false
	}
}

func (o *Outcome) detail() string {
	if e, ok := errors.AsType[*denial.Error](o.Err); ok {
		return e.Detail
	}
	return string(o.Reason)
}

// printable keeps a description within the characters that it may have (RFC 6749, section 5.2), and short.
func printable(text string) string {
	const most = 256
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < 0x20 || r > 0x7e || r == '\\':
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), most)]
}
