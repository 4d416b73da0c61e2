package authz

import (
	"net/url"
	"strings"

	"countersign.dev/authz/denial"
)

// authorizationHeader carries an access token (RFC 6750, section 2.1).
const authorizationHeader = "Authorization"

// credentialKind says what the delegation of a request is read from.
type credentialKind int

const (
	noCredential credentialKind = iota
	txnToken
	accessToken
)

// credential finds what the delegation is read from: the Txn-Token, or, where the server takes access tokens, the one in
// Authorization.
func (c *check) credential() (credentialKind, string, error) {
	token, hasToken, err := c.req.MCP.Header.One(tokenHeader)
	if err != nil {
		return noCredential, "", err
	}
	if c.server.Bearer != nil {
		if err := refuseQueryToken(c.req.Path); err != nil {
			return noCredential, "", err
		}
		authorization, hasAuthorization, err := c.req.MCP.Header.One(authorizationHeader)
		if err != nil {
			return noCredential, "", err
		}
		if hasToken && hasAuthorization && c.server.Bearer.Both == BothRefuse {
			return noCredential, "", denial.New(denial.CredentialsAmbiguous, "both %s and %s are present", tokenHeader, authorizationHeader)
		}
		if hasAuthorization && (!hasToken || c.server.Bearer.Both == BothBearer) {
			access, err := bearerToken(authorization)
			return accessToken, access, err
		}
	}
	if !hasToken {
		return noCredential, "", nil
	}
	return txnToken, token, nil
}

// bearerToken returns the token of an Authorization of scheme Bearer. The name of a scheme has no case (RFC 9110,
// section 11.1).
func bearerToken(authorization string) (string, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", denial.New(denial.AuthorizationScheme, "the scheme is %.32q instead of Bearer", scheme)
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.ContainsFunc(strings.TrimRight(token, "="), notToken68) {
		return "", denial.New(denial.TokenMalformed, "what follows Bearer is not a token (RFC 6750, section 2.1)")
	}
	return token, nil
}

// notToken68 reports whether r can not be in a b64token, apart from the padding at its end.
func notToken68(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~+/", r)
}

// refuseQueryToken refuses a URL with an access token in it. It would be in logs, and the backend would get it (MCP
// authorization, access token usage). Names are compared loosely: a backend may not be as strict.
func refuseQueryToken(path string) error {
	_, query, _ := strings.Cut(path, "?")
	for _, parameter := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(parameter, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if strings.EqualFold(strings.TrimSpace(name), "access_token") {
			return denial.New(denial.TokenInQuery, "an access token in the query of the URL")
		}
	}
	return nil
}
