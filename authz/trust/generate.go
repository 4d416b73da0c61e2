package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// signingAlgorithms are those that we sign with ourselves.
var signingAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}

// GenerateKey returns a new private key for "ES256" (P-256) or "EdDSA" (Ed25519). Its kid is the RFC 7638
// thumbprint and its use is sig.
func GenerateKey(alg string) (jose.JSONWebKey, error) {
	var private any
	var err error
	switch jose.SignatureAlgorithm(alg) {
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return jose.JSONWebKey{}, fmt.Errorf("algorithm %q: keys are generated for ES256 and EdDSA", alg)
	}
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("generating a key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
	if key.KeyID, err = thumbprint(key); err != nil {
		return jose.JSONWebKey{}, err
	}
	return key, nil
}
