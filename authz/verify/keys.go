package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// fixed is one issuer whose keys never change.
type fixed struct {
	issuer trust.Issuer
	keys   map[string]jose.JSONWebKey
}

// FixedKeys returns the keys of one issuer as they are given, for tests and for backends that get their keys in ways of
// their own. Every key must be public and have a kid and one of the issuer's algorithms as its alg. Of the issuer, ID
// and ActorTrustDomains are needed; zero MaxTTL, MaxDepth and Algorithms mean what they mean for [trust.IssuerConfig] of
// role [trust.Hop].
func FixedKeys(issuer trust.Issuer, set jose.JSONWebKeySet) (delegation.Keys, error) {
	if issuer.ID == "" || len(issuer.ActorTrustDomains) == 0 || len(set.Keys) == 0 {
		return nil, errors.New("fixed keys need an issuer, the trust domains of its actors, and at least one key")
	}
	if issuer.MaxTTL == 0 {
		issuer.MaxTTL = trust.DefaultHopMaxTTL
	}
	if issuer.MaxDepth == 0 {
		issuer.MaxDepth = trust.DefaultMaxDepth
	}
	if len(issuer.Algorithms) == 0 {
		issuer.Algorithms = []jose.SignatureAlgorithm{jose.ES256}
	}
	issuer.Role = trust.Hop
	f := fixed{issuer: issuer, keys: make(map[string]jose.JSONWebKey, len(set.Keys))}
	for i, key := range set.Keys {
		_, again := f.keys[key.KeyID]
		switch {
		case key.KeyID == "" || len(key.KeyID) > trust.MaxKeyIDLength:
			return nil, fmt.Errorf("key %d: a kid of %d bytes: must have 1 to %d", i, len(key.KeyID), trust.MaxKeyIDLength)
		case again:
			return nil, fmt.Errorf("key %d: kid %q came before", i, key.KeyID)
		case !key.Valid() || !key.IsPublic():
			return nil, fmt.Errorf("key %d: not a public key", i)
		case !slices.Contains(issuer.Algorithms, jose.SignatureAlgorithm(key.Algorithm)):
			return nil, fmt.Errorf("key %d: alg is %q, must be one of %v", i, key.Algorithm, issuer.Algorithms)
		}
		f.keys[key.KeyID] = key
	}
	return f, nil
}

// Issuer implements [delegation.Keys].
func (f fixed) Issuer(iss string) (trust.Issuer, bool) { return f.issuer, iss == f.issuer.ID }

// Key implements [delegation.Keys].
func (f fixed) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	if iss != f.issuer.ID {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownIssuer, "no issuer %.80q is configured", iss)
	}
	key, ok := f.keys[kid]
	if !ok {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "issuer %q has no key %.80q", iss, kid)
	}
	return key, nil
}

// Generation implements [delegation.Keys].
func (fixed) Generation() uint64 { return 0 }
