package verify

import (
	"context"
	"slices"
	"time"

	"countersign.dev/authz/delegation"
)

// Call is what a verified token says about the request that it came with. What it points to must not be changed. The
// text of the token is not part of it: [Transport] alone gets at that.
type Call struct {
	// HasDelegation says that somebody stands behind the call. Without it the calling workload acts for itself, and all
	// that is set is Actors, Peer, Txn, ID, Expiry, Server, Method and Tool.
	HasDelegation bool
	// Subject is on whose behalf the call is made: the user. Empty without a delegation. It is somebody only together
	// with SubjectIssuer: two issuers may know two people by one name.
	Subject string
	// SubjectIssuer is the root issuer that knows the subject; see [Config].RequireRoot for whose word that is.
	SubjectIssuer string
	// SubjectProfile is what kind of entity the subject is, for example "user". Optional.
	SubjectProfile string
	// Actors are the SPIFFE IDs of the workloads that the call went through, this backend first and the one that the
	// subject trusted last.
	Actors []string
	// Peer is the SPIFFE ID of the workload that sent the request to the gateway.
	Peer string
	// Task and Purpose say what the delegation is for, and TaskExpiry when that ends.
	Task, Purpose string
	TaskExpiry    time.Time
	// Txn names the transaction, the same for all calls of a delegation; ID names this token.
	Txn, ID string
	// Expiry is when the token ends. Nothing may be passed on at or after it.
	Expiry time.Time
	// Scope is what may be passed on: the tools of other servers that may be called with this delegation. Details are
	// the limits on their arguments (authorization_details).
	Scope   delegation.Scope
	Details []delegation.Detail
	// Server is the name of this MCP server.
	Server string
	// Method is the JSON-RPC method; "batch", "response", "stream" (GET), "end" (DELETE) or "preflight" (OPTIONS) where
	// there is none. Tool is the tool of tools/call, else empty.
	Method, Tool string

	// terminal says that the chain may not get longer.
	terminal bool
	// token is a pointer because package fmt prints what unexported fields hold, but not what they point to.
	token *string
}

func newCall(c *delegation.Claims, rootIssuer, compact string) *Call {
	call := &Call{
		HasDelegation: c.Depth > 0, Actors: c.Actor.Chain(), Txn: c.Txn, ID: c.ID, Expiry: c.Expiry,
		Server: c.Request.MCP.Server, Method: c.Request.MCP.Method, Tool: c.Request.MCP.Tool, token: &compact,
	}
	if !call.HasDelegation {
		call.Peer = c.Subject
		return call
	}
	call.Subject, call.SubjectIssuer, call.SubjectProfile = c.Subject, rootIssuer, c.SubjectProfile
	call.Peer = call.Actors[1] // a delegation of depth n has n+1 actors
	call.Task, call.Purpose, call.TaskExpiry = c.Task.Task, c.Task.Purpose, c.Task.Expiry
	call.Scope, call.Details = slices.Clone(c.Scope), c.Details
	call.terminal = c.Depth >= c.MaxDepth
	return call
}

type contextKey struct{}

// NewContext returns a context that carries a verified call. It is for adapters of other frameworks than net/http.
func NewContext(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, call)
}

// FromContext returns the verified call that a request's context carries, and whether there is one.
func FromContext(ctx context.Context) (*Call, bool) {
	call, ok := ctx.Value(contextKey{}).(*Call)
	return call, ok && call != nil
}
