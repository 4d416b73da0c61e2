package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// OwnRoot describes Countersign as a root issuer to itself: the delegations that its token endpoint begins come back
// with the calls made under them. Name and keys are others than those of [Own]: a verifier tells by iss what a token may
// be, and whoever has stolen a key that countersigns can not begin anything with it. The zero value means that we begin
// none.
type OwnRoot struct {
	// Issuer is the iss of the tokens: an https URL, and not [Own].Issuer.
	Issuer string
	// Keys are the keys we begin with, none of which is one of [Own].Keys. All of them verify.
	Keys *SigningKeys
	// SubjectPrefix is that of [IssuerConfig].
	SubjectPrefix string
	// MaxTTL is the longest exp - iat of a token. Zero means [DefaultRootMaxTTL].
	MaxTTL time.Duration
	// MaxDepth is the greatest del_max_depth of a token. Zero means [DefaultMaxDepth].
	MaxDepth int
}

// issuer checks the description and fills in defaults. The actors are in domains.
func (r OwnRoot) issuer(own Own, domains []spiffeid.TrustDomain) (Issuer, error) {
	if err := checkIssuerID(r.Issuer); err != nil {
		return Issuer{}, err
	}
	switch {
	case !strings.HasPrefix(r.Issuer, "https://"):
		return Issuer{}, fmt.Errorf("%q must be an https URL", r.Issuer)
	case r.Issuer == own.Issuer:
		return Issuer{}, errors.New("is the issuer that countersigns too: a root needs another name")
	case r.Keys == nil:
		return Issuer{}, errors.New("no signing keys")
	}
	if err := r.Keys.apartFrom(own.Keys); err != nil {
		return Issuer{}, err
	}
	return complete(Issuer{
		ID: r.Issuer, Role: Root, Algorithms: slices.Clone(signingAlgorithms), MaxTTL: r.MaxTTL, MaxDepth: r.MaxDepth,
		SubjectPrefix: r.SubjectPrefix,
	}, DefaultRootMaxTTL, domains)
}

// self is an issuer that we are ourselves.
type self struct {
	Issuer
	keys *SigningKeys
}

// ours returns which of ours an issuer is, nil for somebody else's.
func (s *Store) ours(iss string) *self {
	for i := range s.selves {
		if s.selves[i].ID == iss {
			return &s.selves[i]
		}
	}
	return nil
}

// key returns the public key of that kid.
func (o *self) key(kid string) (jose.JSONWebKey, error) {
	if key, ok := o.keys.verification(kid); ok {
		return key, nil
	}
	return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "we have no key %.80q as %s", kid, o.ID)
}

// reloadOwn reads the keys of all that we are. Keys that another of ours has are not taken over.
func (s *Store) reloadOwn() (failed []error) {
	for i, o := range s.selves {
		var others []*SigningKeys
		for n, other := range s.selves {
			if n != i {
				others = append(others, other.keys)
			}
		}
		before := o.keys.Warnings()
		if err := o.keys.reloadApart(others...); err != nil {
			failed = append(failed, err)
		}
		s.logWarnings(o.keys, before)
	}
	return failed
}

// logWarnings logs what is to be said about our own keys, except what was said before.
func (s *Store) logWarnings(keys *SigningKeys, before []string) {
	for _, w := range keys.Warnings() {
		if !slices.Contains(before, w) {
			s.log.Warn("signing keys", "warning", w)
		}
	}
}
