package authz_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/trust"
)

const (
	idp         = "https://idp.acme.example"
	otherIDP    = "https://idp.globex.example" // of partners, for the ledger only
	ownRoot     = "https://countersign.acme.example"
	crmResource = "https://crm.acme.example/mcp"
)

// claims are those of an access token.
type claims map[string]any

// providers are identity providers, each with a key of its own.
type providers map[string]jose.JSONWebKey

func (p providers) Issuer(iss string) (trust.Issuer, bool) {
	_, ok := p[iss]
	return trust.Issuer{ID: iss, Role: trust.Entry, Algorithms: []jose.SignatureAlgorithm{jose.ES256}}, ok
}

func (p providers) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	if key, ok := p[iss]; ok && key.KeyID == kid {
		return key.Public(), nil
	}
	return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "%s has no key %s", iss, kid)
}

// sign makes a JWT of a provider.
func (p providers) sign(t testing.TB, iss, typ string, c claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p[iss]}, new(jose.SignerOptions).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any(c), json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// takesAccessTokens has the crm take those of alice's identity provider.
func takesAccessTokens(change ...func(*authz.Bearer)) func(*house) {
	return func(h *house) {
		h.providers = providers{idp: newKey(h.t), otherIDP: newKey(h.t)}
		users, err := oauth.NewVerifier(oauth.Config{
			Keys: h.providers, Providers: []oauth.Provider{{Issuer: idp}, {Issuer: otherIDP}},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		key := newKey(h.t)
		domain := []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}
		entry := h.keys[rootIssuer]
		entry.issuer.ID, entry.issuer.ActorTrustDomains, entry.key = ownRoot, domain, key.Public()
		entry.issuer.SubjectPrefix = "desk:"
		h.keys[ownRoot] = entry
		roots, err := delegation.NewRootSigner(delegation.RootConfig{
			Issuer: ownRoot, Audience: "acme.example", Key: current{key}, TTL: 15 * time.Minute, MaxDepth: 3,
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.users, h.roots = users, roots
		bearer := &authz.Bearer{
			Resource: crmResource, IdentityProviders: []string{idp}, InitialScopes: []string{"cases.read"},
			Scopes: map[string]delegation.Scope{
				"cases.read":  {"mcp:crm:read_case"},
				"cases.write": {"mcp:crm:read_case", "mcp:crm:refund_case", "mcp:ledger:read_entry"},
				"cases.admin": {"mcp:crm:*"},
			},
		}
		for _, c := range change {
			c(bearer)
		}
		h.servers[0].Bearer = bearer
	}
}

// accessClaims are those of alice's access token for the crm.
func (h *house) accessClaims(change ...func(claims)) claims {
	c := claims{
		"iss": idp, "sub": "alice", "aud": crmResource, "client_id": "desk", "jti": "at-1", "scope": "openid cases.write",
		"iat": h.now.Add(-time.Minute).Unix(), "exp": h.now.Add(time.Hour).Unix(),
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// access is alice's access token for the crm, as a client sends it.
func (h *house) access(change ...func(claims)) string {
	h.t.Helper()
	c := h.accessClaims(change...)
	return "Bearer " + h.providers.sign(h.t, c["iss"].(string), "at+jwt", c)
}

// with changes claims of an access token; nil removes one.
func with(changes claims) func(claims) {
	return func(c claims) {
		maps.Copy(c, changes)
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	}
}
