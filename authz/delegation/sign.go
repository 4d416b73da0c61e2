package delegation

import (
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// Mint signs a root token. The claims are written, read again under the rules that a verifier has, and refused if they
// do not make a root; so an error is what a verifier would say. Task.Raw, when set, is what is written of Task. The key
// is a private one for ES256 or EdDSA.
func Mint(claims Claims, key jose.JSONWebKey) (string, error) {
	payload, err := claims.payload()
	if err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	written, err := readClaims(payload)
	if err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	if err := written.checkMinted(); err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	compact, err := sign(payload, key)
	if err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	return compact, nil
}

// checkMinted takes the steps of a verifier that need neither its configuration nor the time.
func (c *Claims) checkMinted() error {
	if !c.IssuedAt.Before(c.Expiry) {
		return denial.New(denial.TokenLifetime, "exp is not after iat")
	}
	if err := c.checkRole(trust.Root); err != nil {
		return err
	}
	presenter, err := workloadID(c.Presenter())
	if err != nil {
		return denial.New(denial.TokenActorDomain, "%w", err)
	}
	return c.checkChain(trust.Issuer{
		ID: c.Issuer, Role: trust.Root, MaxDepth: DepthLimit,
		ActorTrustDomains: []spiffeid.TrustDomain{presenter.TrustDomain()},
	}, DepthLimit)
}

// sign returns the compact JWS. A token that no verifier would look at is not signed.
func sign(payload []byte, key jose.JSONWebKey) (string, error) {
	alg := jose.SignatureAlgorithm(key.Algorithm)
	if alg != jose.ES256 && alg != jose.EdDSA {
		return "", denial.New(denial.SigningFailed, "a key for %q can not sign tokens", key.Algorithm)
	}
	if key.KeyID == "" || len(key.KeyID) > MaxKeyID {
		return "", denial.New(denial.SigningFailed, "a kid of %d bytes: must have 1 to %d", len(key.KeyID), MaxKeyID)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType(tokenType))
	if err != nil {
		return "", denial.New(denial.SigningFailed, "preparing key %.80q: %w", key.KeyID, err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", denial.New(denial.SigningFailed, "signing with key %.80q: %w", key.KeyID, err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", denial.New(denial.SigningFailed, "serializing: %w", err)
	}
	if len(compact) > MaxSize {
		return "", denial.New(denial.SigningFailed, "the token has %d bytes: at most %d", len(compact), MaxSize)
	}
	return compact, nil
}
