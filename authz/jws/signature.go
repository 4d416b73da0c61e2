package jws

import (
	"context"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
)

// Keys are the keys of issuers.
type Keys interface {
	// Key returns a public key of an issuer, whose Algorithm is the only one it is for.
	Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error)
}

// CheckSignature checks the signature over the exact bytes, with the key that this issuer has under this kid. The caller
// has made sure that the issuer may sign with alg. The errors are those of keys, and [denial.TokenUnknownKey] for a key
// that is for another algorithm, [denial.TokenMalformed] and [denial.TokenSignature].
func (c Compact) CheckSignature(ctx context.Context, keys Keys, iss, kid, alg string) error {
	key, err := keys.Key(ctx, iss, kid)
	if err != nil {
		return err
	}
	if key.Algorithm != alg {
		return denial.New(denial.TokenUnknownKey, "key %.80q of %s is for %s, not %s", kid, iss, key.Algorithm, alg)
	}
	signed, err := jose.ParseSignedCompact(c.Text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		return denial.New(denial.TokenMalformed, "parsing the JWS: %w", err)
	}
	if _, err := signed.Verify(key.Key); err != nil {
		return denial.New(denial.TokenSignature, "key %.80q of %s: %w", kid, iss, err)
	}
	return nil
}
