package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// Keys are the identity providers and their keys: a [trust.Store] whose issuers have role entry.
type Keys interface {
	// Issuer returns what is configured about a provider, and whether it is one at all.
	Issuer(iss string) (trust.Issuer, bool)
	// Key returns a public key of a provider, whose Algorithm is the only one it is for. It refuses as
	// [denial.TokenUnknownIssuer] and [denial.TokenUnknownKey].
	Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error)
}

// Provider is what is configured about one identity provider besides its keys.
type Provider struct {
	// Issuer is the exact iss: an https URL.
	Issuer string
	// Audiences are the client ids that ID tokens may be for. Empty means that its ID tokens are refused.
	Audiences []string
	// Clients are the OAuth clients that tokens may be issued to. Empty means any.
	Clients []string
}

// Config is what a [Verifier] needs to know.
type Config struct {
	// Keys are the keys of the providers.
	Keys Keys
	// Providers are the rules of each. Tokens of a provider that is not listed are refused.
	Providers []Provider
	// Skew is how far the clock of a provider may be ahead. Zero means [DefaultSkew].
	Skew time.Duration
}

// Verifier verifies tokens of identity providers. It is safe for concurrent use.
type Verifier struct {
	keys      Keys
	providers map[string]Provider
	skew      time.Duration
}

// NewVerifier checks the configuration.
func NewVerifier(config Config) (*Verifier, error) {
	v := &Verifier{keys: config.Keys, providers: make(map[string]Provider, len(config.Providers)), skew: config.Skew}
	if v.skew == 0 {
		v.skew = DefaultSkew
	}
	switch {
	case config.Keys == nil:
		return nil, errors.New("identity providers: no keys")
	case v.skew < 0:
		return nil, fmt.Errorf("identity providers: the skew is %s: must not be negative", v.skew)
	}
	for i, p := range config.Providers {
		issuer, ok := config.Keys.Issuer(p.Issuer)
		if !ok || issuer.Role != trust.Entry {
			return nil, fmt.Errorf("identity_providers[%d] %q: has no keys in role entry", i, p.Issuer)
		}
		if _, twice := v.providers[p.Issuer]; twice {
			return nil, fmt.Errorf("identity_providers[%d] %q: is configured twice", i, p.Issuer)
		}
		if slices.Contains(p.Audiences, "") || slices.Contains(p.Clients, "") {
			return nil, fmt.Errorf("identity_providers[%d] %q: an audience or client is empty", i, p.Issuer)
		}
		v.providers[p.Issuer] = p
	}
	return v, nil
}

// AccessToken verifies a JWT access token (RFC 9068, section 4) whose aud contains audience, which must not be empty.
// Every failure is a [denial.Error]. Whoever takes the token compares [User].CertificateHash and MayAct with the caller.
func (v *Verifier) AccessToken(ctx context.Context, compact, audience string, now time.Time) (*User, error) {
	e, err := open(compact)
	if err != nil {
		return nil, err
	}
	return v.accessToken(ctx, e, audience, now)
}

// IDToken verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7) for one of the provider's Audiences. The
// nonce is the business of the client that asked for the token. Failures are as for [Verifier.AccessToken].
func (v *Verifier) IDToken(ctx context.Context, compact string, now time.Time) (*User, error) {
	e, err := open(compact)
	if err != nil {
		return nil, err
	}
	return v.idToken(ctx, e, now)
}

// JWT verifies a token of either kind: its typ says which.
func (v *Verifier) JWT(ctx context.Context, compact, audience string, now time.Time) (*User, error) {
	e, err := open(compact)
	if err != nil {
		return nil, err
	}
	if isAccessTokenType(e.header.typ) {
		return v.accessToken(ctx, e, audience, now)
	}
	return v.idToken(ctx, e, now)
}

func isAccessTokenType(typ string) bool { return typ == "at+jwt" || typ == "application/at+jwt" }

func (v *Verifier) accessToken(ctx context.Context, e *envelope, audience string, now time.Time) (*User, error) {
	if !isAccessTokenType(e.header.typ) {
		return nil, denial.New(denial.TokenMalformed, "typ is %.80q instead of at+jwt", e.header.typ)
	}
	c, provider, err := v.examine(ctx, e, KindAccessToken, now)
	if err != nil {
		return nil, err
	}
	if audience == "" || !slices.Contains(c.Audience, audience) {
		return nil, denial.New(denial.TokenAudience, "aud is %.200q, without %q", c.Audience, audience)
	}
	return c.user(e, provider)
}

func (v *Verifier) idToken(ctx context.Context, e *envelope, now time.Time) (*User, error) {
	if e.header.typ != "" && e.header.typ != "JWT" {
		return nil, denial.New(denial.TokenMalformed, "typ is %.80q instead of JWT", e.header.typ)
	}
	c, provider, err := v.examine(ctx, e, KindIDToken, now)
	if err != nil {
		return nil, err
	}
	ours := func(client string) bool { return slices.Contains(provider.Audiences, client) }
	if !slices.ContainsFunc(c.Audience, ours) {
		return nil, denial.New(denial.TokenAudience, "aud is %.200q, without one of %q", c.Audience, provider.Audiences)
	}
	// The party that a token with azp was issued to must be one that we know, whoever else it is for.
	if c.party != "" && !ours(c.party) && !slices.Contains(provider.Clients, c.party) {
		return nil, denial.New(denial.UserTokenClient, "azp is %.80q, which is no client of ours", c.party)
	}
	return c.user(e, provider)
}

// user is the last step: the client, and what the envelope says.
func (c *claims) user(e *envelope, provider Provider) (*User, error) {
	if len(provider.Clients) > 0 && !slices.Contains(provider.Clients, c.ClientID) {
		return nil, denial.New(denial.UserTokenClient, "issued to client %.80q, which is not on the list", c.ClientID)
	}
	u := c.User
	u.KeyID, u.Hash = e.header.keyID, e.raw.Hash
	return &u, nil
}

// examine takes the steps that are the same for both kinds. Only the header and iss are read before the signature was
// checked.
func (v *Verifier) examine(ctx context.Context, e *envelope, kind string, now time.Time) (*claims, Provider, error) {
	iss, err := e.raw.Issuer(MaxURI)
	if err != nil {
		return nil, Provider{}, err
	}
	provider, ok := v.providers[iss]
	if !ok {
		return nil, provider, denial.New(denial.TokenUnknownIssuer, "no identity provider %.200q is configured", iss)
	}
	if err := v.checkAlgorithm(iss, e.header.algorithm); err != nil {
		return nil, provider, err
	}
	if err := e.raw.CheckSignature(ctx, v.keys, iss, e.header.keyID, e.header.algorithm); err != nil {
		return nil, provider, err
	}
	c, err := readClaims(e.raw.Payload, kind)
	if err != nil {
		return nil, provider, err
	}
	return c, provider, v.checkTime(c, now)
}

// checkAlgorithm makes sure that this provider may sign with this algorithm.
func (v *Verifier) checkAlgorithm(iss, algorithm string) error {
	issuer, ok := v.keys.Issuer(iss)
	alg := jose.SignatureAlgorithm(algorithm)
	if !ok || issuer.Role != trust.Entry || !slices.Contains(issuer.Algorithms, alg) || alg != jose.RS256 && alg != jose.ES256 {
		return denial.New(denial.TokenAlgorithm, "%s may not sign with %.80q", iss, algorithm)
	}
	return nil
}

// checkTime forgives nothing at the end of a life: only a clock that is ahead of ours is.
func (v *Verifier) checkTime(c *claims, now time.Time) error {
	latest := now.Add(v.skew)
	switch {
	case !now.Before(c.Expiry):
		return denial.New(denial.TokenExpired, "expired at %s, it is %s", c.Expiry, now.UTC().Truncate(time.Second))
	case c.IssuedAt.After(latest):
		return denial.New(denial.TokenNotYetValid, "issued at %s, it is %s", c.IssuedAt, now.UTC().Truncate(time.Second))
	case c.notBefore.After(latest):
		return denial.New(denial.TokenNotYetValid, "not valid before %s, it is %s", c.notBefore, now.UTC().Truncate(time.Second))
	case c.AuthTime.After(latest):
		return denial.New(denial.TokenClaims, "auth_time is %s, it is %s", c.AuthTime, now.UTC().Truncate(time.Second))
	case !c.IssuedAt.Before(c.Expiry):
		return denial.New(denial.TokenLifetime, "exp is not after iat")
	}
	return nil
}
