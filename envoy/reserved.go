package envoy

import (
	"slices"
	"strings"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

// Header names, as Envoy spells them.
const (
	tokenHeader         = "txn-token" // #nosec G101 -- a header name
	forwardedCertHeader = "x-forwarded-client-cert"
	decisionHeader      = "x-countersign-decision"
	partialBodyHeader   = "x-envoy-auth-partial-body"
	reservedPrefix      = "x-countersign-"
)

// reserved says whether a header is for the proxies to write, so that a backend that finds it can trust it. Name is in
// lower case. An underscore counts as a hyphen: CGI, WSGI and their like cannot tell the two apart, and would take the
// caller's Txn_Token for ours.
func reserved(name string, server *authz.Server) bool {
	name = strings.ReplaceAll(name, "_", "-")
	switch name {
	case tokenHeader, "delegation-chain", forwardedCertHeader, "x-envoy-auth-failure-mode-allowed", partialBodyHeader:
		return true
	case "authorization":
		return server.ConsumesAuthorization()
	default:
		return strings.HasPrefix(name, reservedPrefix)
	}
}

// removals returns the headers to remove, in lower case and sorted: the reserved ones of a request but for those
// that are set, because Envoy removes after it sets, so a header in both lists would be gone. Envoy has no removal by prefix,
// so the names are those that are there, and the mark of a partial body: Envoy writes its own into the check, and the
// caller's copy would go on to the backend unseen. One that is no header name (RFC 9110, section 5.1) could not be removed, and is refused.
func removals(fields header.Fields, server *authz.Server, set []string) ([]string, error) {
	names := []string{partialBodyHeader}
	for _, name := range fields.Names() {
		name = strings.ToLower(name)
		if slices.Contains(set, name) || !reserved(name, server) {
			continue
		}
		if !isFieldName(name) {
			return nil, denial.New(denial.HeaderInvalid, "%.64q is not a header name", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// fieldNameMarks are the characters of a header name beside letters and digits (RFC 9110, section 5.6.2).
const fieldNameMarks = "!#$%&'*+-.^_`|~"

// isFieldName reports whether s, in lower case, can be a header name.
func isFieldName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(fieldNameMarks, c) < 0 {
			return false
		}
	}
	return s != ""
}
