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

// IssuerConfig is one issuer as configured. Exactly one of KeysFile, KeysURL and Discovery is set.
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
	// Discovery asks the issuer itself, an https URL, where its JWK Set is (OpenID Connect Discovery 1.0, section 4;
	// RFC 8414, section 3). The issuer in the answer must be equal, and nothing but its jwks_uri is followed.
	Discovery bool
	// KeysServer is the SPIFFE ID of the workload that serves KeysURL. The keys are then fetched over mTLS with Identity,
	// and the host name in the URL does not count. Zero means plain https.
	KeysServer spiffeid.ID
	// Identity is who we are to KeysServer, and how it is verified. Needed with KeysServer.
	Identity Identity
	// CAFile holds the PEM certificates that the server of the keys is verified with; empty means those of the
	// system. It is read again at every fetch.
	CAFile string
	// Refresh is the time between two fetches. Zero means [DefaultRefresh].
	Refresh time.Duration
	// Stale is how long after the last successful fetch the keys may be used. It can not be shorter than Refresh.
	// Zero means [DefaultStale], or Refresh if that is longer.
	Stale time.Duration
	// Algorithms the issuer may sign with: ES256, EdDSA (Ed25519), RS256. Empty means ES256. An [Entry] issuer has no
	// EdDSA, and ES256 and RS256 if empty.
	Algorithms []string
	// MaxTTL is the longest exp - iat of a token. Zero means [DefaultRootMaxTTL] or [DefaultHopMaxTTL]. It, the actor
	// trust domains and the depth are about delegations: an [Entry] issuer has none of them.
	MaxTTL time.Duration
	// ActorTrustDomains are the trust domains whose workloads the issuer may name as actors. Empty means those of
	// [Own].
	ActorTrustDomains []spiffeid.TrustDomain
	// MaxDepth is the greatest del_max_depth of a token. Zero means [DefaultMaxDepth].
	MaxDepth int
	// Audiences are the trust domain names that its tokens may be for. Empty means the verifier's own.
	Audiences []string
	// SubjectPrefix is put in front of a subject to make it somebody among the subjects of all root issuers; see
	// [CheckSubjectPrefixes]. Only a [Root] may have one.
	SubjectPrefix string
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
	// Audiences are the trust domain names that the tokens may be for: those of all chains that we may continue. Empty
	// means the verifier's own.
	Audiences []string
	// Root is what we begin delegations as, if we do.
	Root OwnRoot
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
	// Audiences are the `aud` that its tokens may have; empty means the verifier's own.
	Audiences []string
	// SubjectPrefix makes its subjects somebody among those of all root issuers.
	SubjectPrefix string
	// ReservedPrefixes are what its subjects may not begin with: the prefixes of other root issuers, where it has none.
	ReservedPrefixes []string
}

// issuer checks what the configuration says about the issuer itself and fills in defaults.
func (c IssuerConfig) issuer(own []spiffeid.TrustDomain) (Issuer, error) {
	if err := checkIssuerID(c.Issuer); err != nil {
		return Issuer{}, err
	}
	if _, err := c.pin(); err != nil {
		return Issuer{}, err
	}
	if c.SubjectPrefix != "" && c.Role != Root {
		return Issuer{}, errors.New("a subject prefix is for a root issuer: who a user is, only a root says")
	}
	if c.Role == Entry {
		return c.entry()
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
		ActorTrustDomains: slices.Clone(c.ActorTrustDomains), Audiences: slices.Clone(c.Audiences),
		SubjectPrefix: c.SubjectPrefix,
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
		ActorTrustDomains: slices.Clone(o.ActorTrustDomains), Audiences: slices.Clone(o.Audiences),
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
	if slices.Contains(i.Audiences, "") {
		return Issuer{}, errors.New("an audience is empty")
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
