package delegation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// Keys are the trusted issuers and their keys.
type Keys interface {
	// Issuer returns what is configured about an issuer, and whether it is trusted at all.
	Issuer(iss string) (trust.Issuer, bool)
	// Key returns a public key of an issuer, whose Algorithm is the only one it is for. It refuses as
	// [denial.TokenUnknownIssuer] and [denial.TokenUnknownKey].
	Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error)
	// Generation grows whenever a key can no longer be used.
	Generation() uint64
}

// Config is what a [Verifier] needs to know.
type Config struct {
	// Audience is the trust domain name that tokens must be for, unless [trust.Issuer] names others for their issuer.
	Audience string
	// Keys are the trusted issuers and their keys.
	Keys Keys
	// RequireRoot demands that every token at depth 1 and more embeds its root, and checks it. Without it hop issuers
	// are believed whatever they sign, and an embedded root is only read.
	RequireRoot bool
	// MaxDepth is the greatest del_max_depth, for all issuers. Zero means [DefaultMaxDepth]; at most [DepthLimit].
	MaxDepth int
	// CacheSize is how many verified tokens are kept. Zero means none. A token takes up to four times its length.
	CacheSize int
	// Skew is how far the clock of an issuer may be ahead. Zero means [DefaultSkew].
	Skew time.Duration
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	Config
	cache *cache
}

// NewVerifier checks the configuration.
func NewVerifier(config Config) (*Verifier, error) {
	if config.MaxDepth == 0 {
		config.MaxDepth = DefaultMaxDepth
	}
	if config.Skew == 0 {
		config.Skew = DefaultSkew
	}
	switch {
	case config.Audience == "":
		return nil, errors.New("verifier: no audience")
	case config.Keys == nil:
		return nil, errors.New("verifier: no keys")
	case config.MaxDepth < 0 || config.MaxDepth > DepthLimit:
		return nil, fmt.Errorf("verifier: the greatest depth is %d: must be from 1 to %d", config.MaxDepth, DepthLimit)
	case config.Skew < 0:
		return nil, fmt.Errorf("verifier: the skew is %s: must not be negative", config.Skew)
	}
	cache, err := newCache(config.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	return &Verifier{Config: config, cache: cache}, nil
}

// Verify checks that the token is genuine, in force, for us, well-formed as a chain, presented by the workload it was
// made for, and not wider than its root (profile, section 8.3, steps 0 and 2 to 11). Every failure is a [denial.Error]
// with the reason of its step. Whether it was revoked and what it grants are other questions.
func (v *Verifier) Verify(ctx context.Context, compact string, presenter peer.Peer, now time.Time) (*Token, error) {
	t, err := v.examine(ctx, compact, now)
	if err != nil {
		return nil, err
	}
	if err := t.claims.checkPresenter(presenter); err != nil {
		return nil, err
	}
	if t.claims.Depth == 0 {
		return t, nil
	}
	root, err := v.root(ctx, t, now)
	if err != nil {
		return nil, err
	}
	return t.withRoot(root), nil
}

// CacheStats returns how often a token, or an embedded root, was found in the cache and how often not, and how many
// are in it.
func (v *Verifier) CacheStats() (hits, misses uint64, size int) { return v.cache.stats() }

// examine takes the steps that hold for tokens and embedded roots alike.
func (v *Verifier) examine(ctx context.Context, compact string, now time.Time) (*Token, error) {
	t, issuer, err := v.authenticate(ctx, compact)
	if err != nil {
		return nil, err
	}
	if err := v.checkTime(&t.claims, issuer, now); err != nil {
		return nil, err
	}
	if err := v.checkAudience(t.claims.Audience, issuer); err != nil {
		return nil, err
	}
	if err := t.claims.checkRole(issuer.Role); err != nil {
		return nil, err
	}
	if prefix := issuer.Reserves(t.claims.Subject); prefix != "" {
		return nil, denial.New(denial.TokenClaims, "a subject of %s begins with %q, as only those of another root issuer do",
			issuer.ID, prefix)
	}
	if err := t.claims.checkChain(issuer, v.MaxDepth); err != nil {
		return nil, err
	}
	return t, nil
}

// root verifies the embedded root, and the token against it (step 11).
func (v *Verifier) root(ctx context.Context, t *Token, now time.Time) (*Token, error) {
	embedded := t.claims.Root
	if !v.RequireRoot {
		if embedded == "" {
			return nil, nil
		}
		e, err := open(embedded)
		if err != nil {
			return nil, inRoot(err)
		}
		root, err := e.read()
		if err != nil {
			return nil, inRoot(err)
		}
		issuer, _ := v.Keys.Issuer(root.claims.Issuer)
		root.prefix = issuer.SubjectPrefix
		return root, nil
	}
	if embedded == "" {
		return nil, denial.New(denial.TokenRootMissing, "a token at depth %d without del_root", t.claims.Depth)
	}
	root, err := v.examine(ctx, embedded, now)
	if err != nil {
		return nil, inRoot(err)
	}
	if issuer, ok := v.Keys.Issuer(root.claims.Issuer); !ok || issuer.Role != trust.Root {
		return nil, denial.New(denial.TokenRootMissing, "del_root is signed by %s, which is no root issuer", root.claims.Issuer)
	}
	if err := attenuate(&root.claims, root.raw.Hash, &t.claims); err != nil {
		return nil, err
	}
	return root, nil
}

// inRoot says that a refusal is about the embedded root.
func inRoot(err error) error { return denial.New(denial.ReasonOf(err), "del_root: %w", err) }

// algorithms are those that the profile knows. It has no symmetric ones, so that no public key can be taken for a
// secret, whatever the configuration says.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256}

// authenticate takes steps 0 and 2 to 5: it reads the token and checks its signature, or finds it in the cache. Only
// the header and iss are read before the signature was checked.
func (v *Verifier) authenticate(ctx context.Context, compact string) (*Token, trust.Issuer, error) {
	// Read before the key: when the key goes meanwhile, the entry is out of date from the start.
	generation := v.Keys.Generation()
	if t, ok := v.cache.find(compact, generation); ok {
		issuer, err := v.issuer(t.claims.Issuer, t.header)
		return t, issuer, err
	}
	e, err := open(compact)
	if err != nil {
		return nil, trust.Issuer{}, err
	}
	iss, err := e.raw.Issuer(MaxURI)
	if err != nil {
		return nil, trust.Issuer{}, err
	}
	issuer, err := v.issuer(iss, e.header)
	if err != nil {
		return nil, issuer, err
	}
	if err := e.raw.CheckSignature(ctx, v.Keys, iss, e.header.KeyID, e.header.Algorithm); err != nil {
		return nil, issuer, err
	}
	t, err := e.read()
	if err != nil {
		return nil, issuer, err
	}
	t.prefix = issuer.SubjectPrefix // it never changes, so it may be cached
	v.cache.keep(t, generation)
	return t, issuer, nil
}

func (v *Verifier) issuer(iss string, h Header) (trust.Issuer, error) {
	issuer, ok := v.Keys.Issuer(iss)
	if !ok {
		return issuer, denial.New(denial.TokenUnknownIssuer, "no issuer %.80q is trusted", iss)
	}
	alg := jose.SignatureAlgorithm(h.Algorithm)
	if !slices.Contains(issuer.Algorithms, alg) || !slices.Contains(algorithms, alg) {
		return issuer, denial.New(denial.TokenAlgorithm, "%s may not sign with %.80q", iss, h.Algorithm)
	}
	return issuer, nil
}
