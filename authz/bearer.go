package authz

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
)

// Bearer says how a server takes OAuth access tokens (RFC 9068) in place of a missing delegation. It makes the server a
// protected resource as the MCP authorization specification (2025-11-25 and 2026-07-28, basic, authorization) wants it.
type Bearer struct {
	// Resource is the canonical URI of the server (RFC 8707): the only audience of the tokens that it takes, and what its
	// metadata document is about. An https URL without query, fragment or default port.
	Resource string
	// IdentityProviders are the issuers of the access tokens, at least one.
	IdentityProviders []string
	// SubjectPrefixes has what is put in front of the sub of a provider's users, by issuer; nothing for one that is not in
	// it. It is to be the same wherever that provider's users begin a delegation, and to keep those of two apart.
	SubjectPrefixes map[string]string
	// Clients says which workloads may use the tokens of which OAuth client, by client_id. Empty ties no client_id to a
	// workload; otherwise the tokens of a client that is not listed are refused.
	Clients map[string]spiffeid.Matcher
	// Both says what counts when a request has a Txn-Token and an Authorization.
	Both BothRule
	// Scopes maps OAuth scopes to what they grant here, in the form of [delegation.Scope]. Besides, a scope of the form
	// "mcp:<server>:<tool>" or "mcp:<server>:*" with the name of this server grants what it says.
	Scopes map[string]delegation.Scope
	// InitialScopes are the OAuth scopes that a client is told to ask for when no particular tool is called:
	// scopes_supported of the metadata document. May be empty.
	InitialScopes []string
}

// BothRule says which credential counts when there are two.
type BothRule int

const (
	// BothRefuse refuses the request: it is not for us to guess on whose behalf it is.
	BothRefuse BothRule = iota
	// BothToken takes the Txn-Token and drops the Authorization.
	BothToken
	// BothBearer takes the access token and drops the Txn-Token.
	BothBearer
)

var bothRules = []string{"refuse", "token", "bearer"}

// String returns the name used in the configuration.
func (r BothRule) String() string {
	if r < 0 || int(r) >= len(bothRules) {
		return fmt.Sprintf("BothRule(%d)", int(r))
	}
	return bothRules[r]
}

// MarshalText implements encoding.TextMarshaler. An undefined rule is an error.
func (r BothRule) MarshalText() ([]byte, error) {
	if r < 0 || int(r) >= len(bothRules) {
		return nil, fmt.Errorf("no such rule: %d", int(r))
	}
	return []byte(bothRules[r]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *BothRule) UnmarshalText(text []byte) error {
	i := slices.Index(bothRules, string(text))
	if i < 0 {
		return fmt.Errorf("unknown rule %q for two credentials: use one of refuse, token, bearer", text)
	}
	*r = BothRule(i)
	return nil
}

// Check says what is wrong with it, and what to do about that.
func (b *Bearer) Check() error {
	if _, err := parseResource(b.Resource); err != nil {
		return err
	}
	if len(b.IdentityProviders) == 0 {
		return errors.New("identity_providers: name at least one whose access tokens are taken")
	}
	for i, issuer := range b.IdentityProviders {
		if issuer == "" || slices.Contains(b.IdentityProviders[:i], issuer) {
			return fmt.Errorf("identity_providers: %q is empty or listed twice", issuer)
		}
	}
	if _, err := b.Both.MarshalText(); err != nil {
		return err
	}
	for name, granted := range b.Scopes {
		if !isScopeToken(name) {
			return fmt.Errorf("scopes: %q is not an OAuth scope (RFC 6749, section 3.3)", name)
		}
		if _, err := delegation.ParseScope(granted.String()); err != nil || len(granted) == 0 {
			return fmt.Errorf("scopes: %q must grant a list of mcp:<server>:<tool> or mcp:<server>:*: %v", name, granted)
		}
	}
	for _, name := range b.InitialScopes {
		if !isScopeToken(name) {
			return fmt.Errorf("initial_scopes: %q is not an OAuth scope (RFC 6749, section 3.3)", name)
		}
	}
	for client, matcher := range b.Clients {
		if client == "" || matcher == nil {
			return fmt.Errorf("clients: %q has no name or no workloads", client)
		}
	}
	return nil
}

// ConsumesAuthorization says whether the Authorization of a caller ends here. Where access tokens are taken it always
// does, whether one was used or not: a token that was issued for us is never passed on (MCP authorization, token
// passthrough).
func (s *Server) ConsumesAuthorization() bool { return s.StripAuthorization || s.Bearer != nil }
