package trust

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Defaults of [IssuerConfig] and [Own].
const (
	DefaultRefresh    = 5 * time.Minute
	DefaultStale      = time.Hour
	DefaultRootMaxTTL = 15 * time.Minute
	DefaultHopMaxTTL  = 5 * time.Minute
	DefaultMaxDepth   = 4
)

// MinRefresh is the shortest allowed [IssuerConfig].Refresh.
const MinRefresh = time.Second

// IssuerConfig is one issuer as configured. Exactly one of KeysFile and KeysURL is set.
type IssuerConfig struct {
	// Issuer is the exact value of the claim iss: an https URL without query and fragment (RFC 8414, section 2), or
	// a SPIFFE ID.
	Issuer string
	// Role says which tokens the issuer may sign.
	Role Role
	// KeysFile is the path of a JWK Set.
	KeysFile string
	// KeysURL is the https URL of a JWK Set. Redirects are refused.
	KeysURL string
	// CAFile holds the PEM certificates that the server of KeysURL is verified with; empty means those of the
	// system. It is read again at every fetch.
	CAFile string
	// Refresh is the time between two fetches of KeysURL. Zero means [DefaultRefresh].
	Refresh time.Duration
	// Stale is how long after the last successful fetch the keys may be used. It can not be shorter than Refresh.
	// Zero means [DefaultStale], or Refresh if that is longer.
	Stale time.Duration
	// Algorithms the issuer may sign with: ES256, EdDSA (Ed25519), RS256. Empty means ES256.
	Algorithms []string
	// MaxTTL is the longest exp - iat of a token. Zero means [DefaultRootMaxTTL] or [DefaultHopMaxTTL].
	MaxTTL time.Duration
	// ActorTrustDomains are the trust domains whose workloads the issuer may name as actors. Empty means those of
	// [Own].
	ActorTrustDomains []spiffeid.TrustDomain
	// MaxDepth is the greatest del_max_depth of a token. Zero means [DefaultMaxDepth].
	MaxDepth int
}

// Own describes Countersign as a hop issuer to itself. The zero value means a Store that only verifies.
type Own struct {
	// Issuer is the iss of the tokens we sign; the same rules as for [IssuerConfig].Issuer apply.
	Issuer string
	// Keys are the keys we sign with. All of them verify.
	Keys *SigningKeys
	// MaxTTL is the longest exp - iat of a token. Zero means [DefaultHopMaxTTL].
	MaxTTL time.Duration
	// ActorTrustDomains are the trust domains whose workloads may appear as actors in our tokens. Empty means that
	// of Issuer if it is a SPIFFE ID.
	ActorTrustDomains []spiffeid.TrustDomain
	// MaxDepth is the greatest del_max_depth of a token. Zero means [DefaultMaxDepth].
	MaxDepth int
}

// Issuer is what a verifier needs to know about an issuer besides its keys. It never changes for the life of a
// [Store]; the slices must not be changed.
type Issuer struct {
	ID                string
	Role              Role
	Algorithms        []jose.SignatureAlgorithm
	MaxTTL            time.Duration
	ActorTrustDomains []spiffeid.TrustDomain
	MaxDepth          int
}

// issuer checks what the configuration says about the issuer itself and fills in defaults.
func (c IssuerConfig) issuer(own []spiffeid.TrustDomain) (Issuer, error) {
	if err := checkIssuerID(c.Issuer); err != nil {
		return Issuer{}, err
	}
	algorithms, err := parseAlgorithms(c.Algorithms)
	if err != nil {
		return Issuer{}, err
	}
	maxTTL := DefaultRootMaxTTL
	switch c.Role {
	case Root:
	case Hop:
		maxTTL = DefaultHopMaxTTL
	default:
		return Issuer{}, fmt.Errorf("no such role: %d", int(c.Role))
	}
	return complete(Issuer{
		ID: c.Issuer, Role: c.Role, Algorithms: algorithms, MaxTTL: c.MaxTTL, MaxDepth: c.MaxDepth,
		ActorTrustDomains: slices.Clone(c.ActorTrustDomains),
	}, maxTTL, own)
}

// issuer checks our own description and fills in defaults.
func (o Own) issuer() (Issuer, error) {
	if err := checkIssuerID(o.Issuer); err != nil {
		return Issuer{}, err
	}
	var own []spiffeid.TrustDomain
	if id, err := spiffeid.FromString(o.Issuer); err == nil {
		own = []spiffeid.TrustDomain{id.TrustDomain()}
	}
	return complete(Issuer{
		ID: o.Issuer, Role: Hop, Algorithms: slices.Clone(signingAlgorithms), MaxTTL: o.MaxTTL, MaxDepth: o.MaxDepth,
		ActorTrustDomains: slices.Clone(o.ActorTrustDomains),
	}, DefaultHopMaxTTL, own)
}

func complete(i Issuer, maxTTL time.Duration, own []spiffeid.TrustDomain) (Issuer, error) {
	if i.MaxTTL < 0 || i.MaxDepth < 0 {
		return Issuer{}, errors.New("the longest lifetime and the greatest depth can not be negative")
	}
	if i.MaxTTL == 0 {
		i.MaxTTL = maxTTL
	}
	if i.MaxDepth == 0 {
		i.MaxDepth = DefaultMaxDepth
	}
	if len(i.ActorTrustDomains) == 0 {
		i.ActorTrustDomains = own
	}
	if len(i.ActorTrustDomains) == 0 {
		return Issuer{}, errors.New("no trust domain whose workloads it may name as actors")
	}
	if slices.ContainsFunc(i.ActorTrustDomains, spiffeid.TrustDomain.IsZero) {
		return Issuer{}, errors.New("an actor trust domain is empty")
	}
	return i, nil
}

func checkIssuerID(id string) error {
	switch {
	case id == "":
		return errors.New("the issuer is empty")
	case strings.HasPrefix(id, "spiffe://"):
		if _, err := spiffeid.FromString(id); err != nil {
			return fmt.Errorf("issuer %q is not a SPIFFE ID: %w", id, err)
		}
		return nil
	case strings.HasPrefix(id, "https://"):
		u, err := url.Parse(id)
		if err != nil {
			return fmt.Errorf("issuer is not a URL: %w", err)
		}
		// RFC 8414, section 2.
		if u.Hostname() == "" || u.User != nil || strings.ContainsAny(id, "?#") {
			return fmt.Errorf("issuer %q must have a host and no user, query or fragment", id)
		}
		return nil
	default:
		return fmt.Errorf("issuer %q must be an https URL or a SPIFFE ID", id)
	}
}

// parseAlgorithms maps configured names to algorithms. Each stands for exactly one type of key.
func parseAlgorithms(names []string) ([]jose.SignatureAlgorithm, error) {
	if len(names) == 0 {
		return []jose.SignatureAlgorithm{jose.ES256}, nil
	}
	var algorithms []jose.SignatureAlgorithm
	for _, name := range names {
		algorithm := jose.SignatureAlgorithm(name)
		switch {
		case algorithm != jose.ES256 && algorithm != jose.EdDSA && algorithm != jose.RS256:
			return nil, fmt.Errorf("algorithm %q is not one of ES256, EdDSA, RS256", name)
		case slices.Contains(algorithms, algorithm):
			return nil, fmt.Errorf("algorithm %s is listed twice", name)
		}
		algorithms = append(algorithms, algorithm)
	}
	return algorithms, nil
}
