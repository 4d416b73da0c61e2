package authz

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
)

// tokenHeader carries the delegation in both directions (draft-ietf-oauth-transaction-tokens-11).
const tokenHeader = "Txn-Token"

// check is one request on its way through the steps. What a step found is there for the later ones and for the record,
// also when the request is refused half-way.
type check struct {
	*Authorizer
	req *Request
	id  string
	now time.Time

	peer      peer.Peer
	server    *Server
	policy    Policy
	revision  string
	call      *mcp.Call
	bound     delegation.Binding
	presented credentialKind
	user      *oauth.User       // nil unless an access token was presented
	parent    *delegation.Token // nil without a delegation
	claims    *delegation.Claims
	adopted   []session.Name // what was this peer's before its user logged in
	asked     bool           // policy was
	permitted bool           // and it permits the request, for all it was asked
	verdict   Verdict
	named     []session.Name // what the request names that belongs to its first user
	once      bool           // the delegation may be used once for this request
	backend   spiffeid.ID    // zero unless policy was asked what it may pass on
	scope     delegation.Scope
	shadow    *audit.Shadow // nil unless other policies are tried out
	token     string
	signed    delegation.Claims
	plain     []PlainField
}

func (c *check) identifyPeer(ctx context.Context) (err error) {
	if c.peer, err = c.Peers.Read(c.req.Peer); err != nil {
		return err
	}
	return revoke.Refuse(ctx, c.Revocations, revoke.Marks{Actors: []string{c.peer.ID.String()}}, c.now)
}

func (c *check) findServer(context.Context) (err error) {
	c.server, err = c.Servers.Find(c.req)
	return err
}

func (c *check) readCall(context.Context) (err error) {
	var ok bool
	if c.policy, ok = c.Policies.Snapshot(); !ok {
		return denial.New(denial.PolicyUnavailable, "no valid policies were loaded yet")
	}
	c.revision = c.policy.Revision()
	c.call, err = mcp.Read(c.req.MCP, mcp.Rules{
		MaxBody:      c.server.MaxBody,
		AllowBatch:   c.server.AllowBatch,
		MinVersion:   c.server.MinVersion,
		ParamHeaders: c.policy.ParamHeaders(c.server.Name),
	})
	if err != nil {
		return err
	}
	if c.bound, err = binding(c.server, c.call); err != nil {
		return denial.New(denial.Internal, "binding the token to the request: %w", err)
	}
	return nil
}

func (c *check) verifyDelegation(ctx context.Context) error {
	var compact string
	var err error
	if c.presented, compact, err = c.credential(); err != nil {
		return err
	}
	switch c.presented {
	case txnToken:
		c.parent, err = c.Tokens.Verify(ctx, compact, c.peer, c.now)
	case accessToken:
		err = c.begin(ctx, compact)
	case noCredential:
		return nil
	}
	if err != nil {
		return err
	}
	claims := c.parent.Claims()
	c.claims = &claims
	return nil
}

func (c *check) checkRevocation(ctx context.Context) error {
	if c.parent == nil {
		return nil
	}
	marks := c.parent.Marks()
	if c.user != nil {
		marks.KeyIDs = append(marks.KeyIDs, c.user.KeyID)
		// The root was made now, but the delegation is as old as the token that it was made from.
		marks.Issued = append(marks.Issued, revoke.Issued{Issuer: c.user.Issuer, At: c.user.IssuedAt})
	}
	return revoke.Refuse(ctx, c.Revocations, marks, c.now)
}

func (c *check) owner() session.Owner {
	owner := session.Owner{Peer: c.peer.ID.String()}
	if c.claims != nil {
		// A subject is somebody only together with who vouches for it.
		owner.Subject = c.parent.RootIssuer() + " " + c.claims.Subject
	}
	return owner
}

// checkGrant makes sure that the delegation itself covers what is asked, before policy may narrow it.
func (c *check) checkGrant(context.Context) error {
	if c.parent == nil {
		return nil
	}
	var refused error
	for _, call := range calls(c.call) {
		for _, target := range call.Targets {
			if target.Kind != mcp.TargetTool || call.Method != "tools/call" {
				continue
			}
			refused = errors.Join(refused, c.parent.Covers(c.server.Name, target.Name, call.Arguments))
		}
	}
	return refused
}

// askPolicy asks about every target of every message; all must be allowed.
func (c *check) askPolicy(ctx context.Context) error {
	c.asked = true
	for call, q := range c.questions() {
		if err := ctx.Err(); err != nil {
			return denial.New(denial.Cancelled, "before asking policy: %w", err)
		}
		v := c.policy.Authorize(ctx, q)
		v.Skipped, v.Candidates = slices.Concat(c.verdict.Skipped, v.Skipped), c.verdict.Candidates+v.Candidates
		c.verdict = v
		if err := c.verdict.Refusal("it"); err != nil {
			return c.orLogin(err)
		}
		c.once = c.once || c.isOnce(call, c.verdict)
	}
	c.permitted = true
	return nil
}

// questions are what policy is asked about the request, with the message that each is about.
func (c *check) questions() iter.Seq2[*mcp.Call, Query] {
	return func(yield func(*mcp.Call, Query) bool) {
		for _, call := range calls(c.call) {
			targets := call.Targets
			// A subscription carries changes of the server's lists, whatever resources it names besides.
			if len(targets) == 0 || call.Method == "subscriptions/listen" {
				targets = append([]mcp.Target{{}}, targets...)
			}
			for _, target := range targets {
				if !yield(call, c.query(call, target)) {
					return
				}
			}
		}
	}
}

func (c *check) query(call *mcp.Call, target mcp.Target) Query {
	q := Query{
		Now: c.now, Peer: c.peer, Server: c.server.Name, Call: call, Target: target, Delegation: c.claims,
		HTTP: HTTPFacts{ID: c.req.ID, Host: c.req.Host, Path: c.req.Path, SourceIP: c.req.SourceIP},
	}
	if c.parent != nil {
		q.RootIssuer, q.SubjectPrefix = c.parent.RootIssuer(), c.parent.SubjectPrefix()
	}
	return q
}

func (c *check) countersign(ctx context.Context) error {
	backend, err := c.server.backend(c.req)
	if err != nil {
		return err
	}
	hop := delegation.Hop{
		Peer: c.peer, Backend: backend, TTL: c.HopTTL, Proxy: c.req.Destination,
		Binding: c.bound, RequestID: c.req.ID, Policy: c.revision, Now: c.now,
	}
	if c.claims != nil && len(c.claims.Scope) > 0 {
		c.backend = backend
		if c.scope, err = c.mayDelegate(ctx, c.policy); err != nil {
			c.permitted = false
			return denial.New(denial.PolicyError, "asking what %s may pass on: %w", backend, err)
		}
	}
	hop.Scope = c.scope
	if c.token, c.signed, err = c.Signer.Countersign(c.parent, hop); err != nil {
		c.token = ""
		if denial.ReasonOf(err) != denial.Internal {
			return err
		}
		return denial.New(denial.SigningFailed, "countersigning: %w", err)
	}
	return c.describePlainly()
}

// mayDelegate asks a policy what the backend may pass on.
func (c *check) mayDelegate(ctx context.Context, policy Policy) (delegation.Scope, error) {
	return policy.MayDelegate(ctx, c.query(c.call, mcp.Target{}), c.backend, c.claims.Scope)
}

// binding ties the token to this request and no other.
func binding(server *Server, call *mcp.Call) (delegation.Binding, error) {
	b := delegation.Binding{
		Server: server.Name, Method: methodName(call),
		RequestHash: base64.RawURLEncoding.EncodeToString(call.BodyHash[:]),
	}
	if call.Method != "tools/call" {
		return b, nil
	}
	b.Tool = call.Targets[0].Name
	if call.Arguments.IsZero() {
		return b, nil
	}
	var err error
	b.ArgumentsHash, err = call.Arguments.CanonicalHash()
	return b, err
}

// methodName names the message in records and tokens, also where there is no JSON-RPC method.
func methodName(call *mcp.Call) string {
	switch {
	case call == nil:
		return ""
	case mcp.IsMethod(call.Method):
		return call.Method
	case call.Method != "":
		return "unknown" // what the caller made up is in the detail of the refusal
	default:
		return call.Kind.String()
	}
}

// calls returns the messages of an HTTP request: one, or the elements of a batch.
func calls(call *mcp.Call) []*mcp.Call {
	if call.Kind == mcp.KindBatch {
		return call.Batch
	}
	return []*mcp.Call{call}
}
