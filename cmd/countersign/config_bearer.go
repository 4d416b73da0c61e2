package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
)

// bearerConfig has OAuth access tokens (RFC 9068) stand in for a missing Txn-Token. They are consumed: the Authorization
// header never reaches the backend. The server's RFC 9728 document is answered through Envoy and on the admin listener.
// It needs token_endpoint.issuer, in whose name the delegations begin.
type bearerConfig struct {
	// Resource is the server's canonical URI, the only audience of the tokens (RFC 8707): an https URL such as
	// https://crm.acme.example/mcp. Required.
	Resource string `yaml:"resource"`
	// IdentityProviders are the issuers of the tokens, of those in identity_providers. Default: all of them.
	IdentityProviders []string `yaml:"identity_providers"`
	// Clients says which workloads may use the tokens of an OAuth client: SPIFFE IDs by client_id, exact or a prefix that
	// ends in /*. Default: none, then a token that is not bound to a certificate is good for whoever may call the server.
	Clients map[string][]string `yaml:"clients"`
	// Both says what counts when a request has a Txn-Token and an Authorization: refuse, token or bearer. Default refuse.
	Both authz.BothRule `yaml:"both"`
	// Scopes says what OAuth scopes grant: lists of mcp:<server>:<tool> or mcp:<server>:* by scope. Without it only
	// scopes of that form, with the name of this server, grant anything.
	Scopes map[string][]string `yaml:"scopes"`
	// InitialScopes are the OAuth scopes that clients are told to ask for when they log in before they call a tool.
	// Default: none.
	InitialScopes []string `yaml:"initial_scopes"`
}

// completeBearers fills in the identity providers.
func (c *config) completeBearers() {
	for i := range c.Servers {
		if b := c.Servers[i].Bearer; b != nil && len(b.IdentityProviders) == 0 {
			for _, p := range c.IdentityProviders {
				b.IdentityProviders = append(b.IdentityProviders, p.Issuer)
			}
		}
	}
}

func (c *config) checkBearers(k *checker) {
	known := c.subjectPrefixes()
	for i := range c.Servers {
		b, at := c.Servers[i].Bearer, fmt.Sprintf("servers[%d].bearer", i)
		if b == nil {
			continue
		}
		k.require(c.TokenEndpoint.Issuer != "", at, "token_endpoint.issuer is needed, in whose name delegations begin")
		for n, issuer := range b.IdentityProviders {
			_, ok := known[issuer]
			k.require(ok, fmt.Sprintf("%s.identity_providers[%d]", at, n), "%q is not one of identity_providers", issuer)
		}
		for _, client := range slices.Sorted(maps.Keys(b.Clients)) {
			if _, err := clientMatcher(b.Clients[client]); err != nil {
				k.add(at+".clients", "%s: %s", client, err)
			}
		}
		if err := c.authzBearer(b).Check(); err != nil {
			k.add(at, "%s", err)
		}
	}
}

// authzBearer converts what was checked; nil for none.
func (c *config) authzBearer(b *bearerConfig) *authz.Bearer {
	if b == nil {
		return nil
	}
	bearer := &authz.Bearer{
		Resource: b.Resource, IdentityProviders: b.IdentityProviders, SubjectPrefixes: c.subjectPrefixes(), Both: b.Both,
		Scopes: make(map[string]delegation.Scope, len(b.Scopes)), InitialScopes: b.InitialScopes,
		Clients: make(map[string]spiffeid.Matcher, len(b.Clients)),
	}
	for name, granted := range b.Scopes {
		bearer.Scopes[name] = granted
	}
	for client, patterns := range b.Clients {
		matcher, err := clientMatcher(patterns)
		if err != nil {
			matcher = func(spiffeid.ID) error { return err }
		}
		bearer.Clients[client] = matcher
	}
	return bearer
}

// roots begins the delegations of access tokens; nil where no server takes them.
func (p *parts) roots(c *config) (authz.Roots, error) {
	if !slices.ContainsFunc(c.Servers, func(s serverConfig) bool { return s.Bearer != nil }) {
		return nil, nil
	}
	t := c.TokenEndpoint
	return delegation.NewRootSigner(delegation.RootConfig{
		Issuer: t.Issuer, Audience: c.TrustDomain, Key: p.rootKeys, TTL: t.TTL, MaxDepth: t.MaxDepth,
	})
}
