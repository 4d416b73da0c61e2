package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// cacheSize is how many checked signatures are remembered. Tokens for us are new with every request; what comes again
// is the root token inside them, and the token of a request that is looked at twice.
const cacheSize = 128

// Config says who a backend is and whom it believes.
type Config struct {
	// Self is the SPIFFE ID of this backend: the act.sub of tokens made for it.
	Self string
	// Server is the name by which Countersign's configuration knows this MCP server.
	Server string
	// Audience is the aud of tokens. Empty means the trust domain of Self.
	Audience string
	// Issuers are the Countersign instances in front of this backend, with role [trust.Hop], and where their keys are:
	// behind an https URL, which is fetched again and again, best over mTLS with Countersign's SPIFFE ID pinned
	// (KeysServer); or in a file. Where ActorTrustDomains is empty it means the trust domain of Self. With RequireRoot the
	// root issuers belong here too.
	Issuers []trust.IssuerConfig
	// Keys takes the place of Issuers, for example [FixedKeys]. Exactly one of the two is set.
	Keys delegation.Keys
	// RequireRoot demands that every delegation carries the root token that it began with, and checks it against the
	// root issuer's keys. Then not even a stolen key of Countersign can invent a user or a task.
	RequireRoot bool
	// MaxDepth is the greatest del_max_depth. Zero means [delegation.DefaultMaxDepth].
	MaxDepth int
	// MaxBody is the largest body in bytes. Zero means [mcp.DefaultMaxBody], which is Countersign's default too.
	MaxBody int64
	// Skew is how far Countersign's clock may be ahead. Zero means [delegation.DefaultSkew].
	Skew time.Duration
	// Clock tells the time. Nil means [time.Now].
	Clock func() time.Time
	// Log is told about refused requests and about keys that could not be fetched, never a token. Nil means
	// [slog.Default].
	Log *slog.Logger
}

// Verifier checks requests to one backend. It is safe for concurrent use.
type Verifier struct {
	self    peer.Peer
	server  string
	tokens  *delegation.Verifier
	seals   seals
	maxBody int64
	clock   func() time.Time
	log     *slog.Logger
}

// New checks the configuration, loads the keys and keeps them fresh until ctx ends. A file of keys that does not load
// is an error; a URL that does not answer is not, but tokens are refused until it does.
func New(ctx context.Context, c Config) (*Verifier, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxBody == 0 {
		c.MaxBody = mcp.DefaultMaxBody
	}
	self, err := spiffeid.FromString(c.Self)
	switch {
	case err != nil:
		return nil, fmt.Errorf("verifier: self is %q: %w", c.Self, err)
	case self.Path() == "":
		return nil, fmt.Errorf("verifier: self is %q, which names a trust domain and no workload", c.Self)
	case c.Server == "":
		return nil, errors.New("verifier: no server")
	case c.MaxBody < 0:
		return nil, fmt.Errorf("verifier: the largest body is %d bytes: must not be negative", c.MaxBody)
	case (len(c.Issuers) == 0) == (c.Keys == nil):
		return nil, errors.New("verifier: either issuers or keys, and not both")
	}
	if c.Audience == "" {
		c.Audience = self.TrustDomain().Name()
	}
	if c.Keys == nil {
		if c.Keys, err = c.open(ctx, self.TrustDomain()); err != nil {
			return nil, fmt.Errorf("verifier: %w", err)
		}
	}
	v := &Verifier{
		self: peer.Peer{ID: self}, server: c.Server, seals: newSeals(), maxBody: c.MaxBody, clock: c.Clock, log: c.Log,
	}
	v.tokens, err = delegation.NewVerifier(delegation.Config{
		Audience: c.Audience, Keys: c.Keys, RequireRoot: c.RequireRoot, MaxDepth: c.MaxDepth, CacheSize: cacheSize, Skew: c.Skew,
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// open loads the keys of the issuers, and starts to keep them fresh.
func (c *Config) open(ctx context.Context, own spiffeid.TrustDomain) (*trust.Store, error) {
	issuers := slices.Clone(c.Issuers)
	roots := false
	for i := range issuers {
		if role := issuers[i].Role; role != trust.Root && role != trust.Hop {
			return nil, fmt.Errorf("issuer %q has role %s, which signs no tokens for a backend", issuers[i].Issuer, role)
		}
		roots = roots || issuers[i].Role == trust.Root
		if len(issuers[i].ActorTrustDomains) == 0 {
			issuers[i].ActorTrustDomains = []spiffeid.TrustDomain{own}
		}
	}
	if roots != c.RequireRoot {
		// A root issuer alone would only widen whom we believe. The role may also have been forgotten: root is its zero.
		return nil, errors.New("issuers of role root are for RequireRoot, and it needs one; Countersign itself has role hop")
	}
	store, err := trust.NewStore(ctx, issuers, trust.Own{}, c.Log)
	if err != nil {
		return nil, err
	}
	go keepFresh(ctx, store)
	return store, nil
}

// keepFresh fetches and reads keys again until ctx ends. What fails is logged by the store, which keeps the last good
// keys.
func keepFresh(ctx context.Context, store *trust.Store) {
	if len(store.Files()) > 0 {
		go func() {
			ticker := time.NewTicker(trust.DefaultRefresh)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					_ = store.Reload(ctx)
				}
			}
		}()
	}
	_ = store.Run(ctx)
}
