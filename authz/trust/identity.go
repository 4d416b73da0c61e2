package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// entryAlgorithms are those of identity providers. Both are what every provider can sign with (RFC 9068, section 4;
// OpenID Connect Core 1.0, section 15.1).
var entryAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}

// entry checks an identity provider. What is about delegations must not be set, so that nobody takes it for a limit.
func (c IssuerConfig) entry() (Issuer, error) {
	if !strings.HasPrefix(c.Issuer, "https://") {
		return Issuer{}, fmt.Errorf("identity provider %q must be an https URL", c.Issuer)
	}
	if c.MaxTTL != 0 || c.MaxDepth != 0 || len(c.ActorTrustDomains) > 0 {
		return Issuer{}, errors.New("an identity provider signs no delegations: no lifetime, depth or actors to limit")
	}
	if len(c.Algorithms) == 0 {
		return Issuer{ID: c.Issuer, Role: Entry, Algorithms: slices.Clone(entryAlgorithms)}, nil
	}
	algorithms, err := parseAlgorithms(c.Algorithms)
	if err != nil {
		return Issuer{}, err
	}
	for _, algorithm := range algorithms {
		if !slices.Contains(entryAlgorithms, algorithm) {
			return Issuer{}, fmt.Errorf("algorithm %s: identity providers sign with RS256 or ES256", algorithm)
		}
	}
	return Issuer{ID: c.Issuer, Role: Entry, Algorithms: algorithms}, nil
}
