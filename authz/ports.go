package authz

import (
	"context"
	"net/netip"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
)

// Policies is where the policy in force comes from.
type Policies interface {
	// Snapshot returns the policy in force, or false when none was ever loaded. One request uses one snapshot, so
	// that all its answers come from the same revision.
	Snapshot() (Policy, bool)
}

// Policy is one immutable revision of policies, entities and pinned tools.
type Policy interface {
	// Revision identifies the content: equal on every replica that loaded the same files.
	Revision() string
	// Authorize decides one target of a call. It never widens: the caller has already checked the delegation.
	Authorize(ctx context.Context, q Query) Verdict
	// MayDelegate returns the part of scope that backend may pass on, item by item, with a wildcard replaced by the
	// pinned tools for which it is permitted when it is not permitted for all. No policy, no delegation.
	MayDelegate(ctx context.Context, q Query, backend spiffeid.ID, scope delegation.Scope) (delegation.Scope, error)
	// ParamHeaders returns which arguments the tools of a server mirror in Mcp-Param-* headers.
	ParamHeaders(server string) mcp.ParamHeaders
}

// Query is what policy is asked: may this peer do this, for this delegation, now?
type Query struct {
	Now        time.Time
	Peer       peer.Peer
	Server     string
	Call       *mcp.Call
	Target     mcp.Target
	Delegation *delegation.Claims // nil when the request carries none
	// RootIssuer is the issuer that vouches for the delegation's subject, the same on every hop.
	RootIssuer string
	// SubjectPrefix is what the configuration puts in front of the subjects of RootIssuer, so that no two issuers have the
	// same; often empty.
	SubjectPrefix string
	HTTP          HTTPFacts
}

// HTTPFacts are the properties of the HTTP request that policy may read.
type HTTPFacts struct {
	ID       string // Envoy's stream id
	Host     string
	Path     string
	SourceIP netip.Addr // zero when unknown
}

// Tokens verifies what the caller presents.
type Tokens interface {
	Verify(ctx context.Context, compact string, presenter peer.Peer, now time.Time) (*delegation.Token, error)
}

// Users verifies the access tokens of identity providers. The audience is the one that the token must be for.
type Users interface {
	AccessToken(ctx context.Context, compact, audience string, now time.Time) (*oauth.User, error)
}

// Roots begins delegations in our own name. The root that it signs must be one that [Tokens] verifies, here and at the
// next hop.
type Roots interface {
	Begin(claims delegation.Claims, now time.Time) (compact string, err error)
}

// Revocations knows what was taken back. An error means that it cannot tell, and denies.
type Revocations interface {
	Revoked(ctx context.Context, marks revoke.Marks, now time.Time) (revoke.Entry, bool, error)
}

// Sessions binds legacy MCP sessions (protocol versions up to 2025-11-25), tasks and handles to their owner.
type Sessions interface {
	Claim(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
	Check(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
	End(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error
}

// Uses remembers which delegations were used for which requests, of those that may be used once.
type Uses interface {
	Spend(ctx context.Context, use replay.Use, now time.Time) error
}

// Signer countersigns: it makes the token for the backend from the parent, or a context token when parent is nil.
type Signer interface {
	Countersign(parent *delegation.Token, hop delegation.Hop) (compact string, claims delegation.Claims, err error)
}

// Recorder keeps one record per decision. An error turns an allowed request into a refusal: what cannot be
// recorded does not happen. At a server in [Shadow] mode it only takes the token away.
type Recorder interface {
	Record(ctx context.Context, record audit.Record) error
}
