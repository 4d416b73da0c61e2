package delegation

import (
	"errors"
	"fmt"
	"time"

	"countersign.dev/authz/denial"
)

// RootConfig is what a [RootSigner] begins delegations with. All fields are required.
type RootConfig struct {
	// Issuer is the iss of the roots: the name of a root issuer that verifiers trust with the keys of Key.
	Issuer string
	// Audience is the trust domain name that the roots are for.
	Audience string
	// Key is the key that signs.
	Key SigningKey
	// TTL is the longest life of a root. Whole seconds count.
	TTL time.Duration
	// MaxDepth is how many hops the delegations may take, from 1 to [DepthLimit].
	MaxDepth int
}

// RootSigner begins delegations in the name of one root issuer, for users that proved themselves by other means than a
// token of this profile.
type RootSigner struct{ RootConfig }

// NewRootSigner checks that nothing is missing.
func NewRootSigner(config RootConfig) (*RootSigner, error) {
	switch {
	case config.Issuer == "" || config.Audience == "" || config.Key == nil:
		return nil, errors.New("root signer: issuer, audience and key are required")
	case config.TTL < time.Second:
		return nil, fmt.Errorf("root signer: a life of %s: at least one second", config.TTL)
	case config.MaxDepth < 1 || config.MaxDepth > DepthLimit:
		return nil, fmt.Errorf("root signer: the greatest depth is %d: must be from 1 to %d", config.MaxDepth, DepthLimit)
	}
	return &RootSigner{config}, nil
}

// Begin signs a root with these claims at a time. It fills in issuer, audience, a new transaction, the times and the
// greatest depth. Claims.Expiry is the end that the root must not outlive; it may end sooner. Refusals are those of
// [Mint], and [denial.TokenExpired] if no second of life is left.
func (s *RootSigner) Begin(claims Claims, now time.Time) (string, error) {
	claims.Issuer, claims.Audience, claims.Txn, claims.MaxDepth = s.Issuer, s.Audience, randomID(), s.MaxDepth
	claims.IssuedAt = now.Truncate(time.Second)
	end := claims.Expiry.Truncate(time.Second)
	claims.Expiry = claims.IssuedAt.Add(s.TTL.Truncate(time.Second))
	if end.Before(claims.Expiry) {
		claims.Expiry = end
	}
	if !claims.IssuedAt.Before(claims.Expiry) {
		return "", denial.New(denial.TokenExpired, "no life is left for a delegation that must end at %s", end)
	}
	return Mint(claims, s.Key.Current())
}
