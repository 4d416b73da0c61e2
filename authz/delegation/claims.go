package delegation

import "time"

// Claims are the claims of a token (profile MCP-TXN-1). What they point to must not be changed: verified claims are
// shared between requests.
type Claims struct {
	// Issuer is iss: the exact name of a trusted issuer.
	Issuer string
	// Audience is aud: the trust domain name, one string.
	Audience string
	// ID is jti, at most [MaxIdentifier] bytes.
	ID string
	// Txn is txn: the transaction, the same for every token of a chain (RFC 8417, section 2.2).
	Txn string
	// Subject is sub: on whose behalf, the same for every token of a chain.
	Subject string
	// SubjectProfile is sub_profile: what kind of entity the subject is, for example "user". Optional.
	SubjectProfile string
	// RequestingWorkload is req_wl: the workload that asked for the token.
	RequestingWorkload string
	// IssuedAt and Expiry are iat and exp, in whole seconds. A token is valid before Expiry, not at it.
	IssuedAt, Expiry time.Time
	// Actor is act: every workload so far, the presenter first. A root may leave it out when the subject itself is the
	// presenter. Use [Claims.Presenter] for the one workload that may present the token.
	Actor *Actor
	// Scope is scope: the tools that may be called with the token.
	Scope Scope
	// Details is authorization_details (RFC 9396): limits on the arguments of tools. At most one per server.
	Details []Detail
	// Task is tctx: task, purpose and deadline, the same bytes in every token of a chain.
	Task Task
	// Request is rctx: the circumstances of the request. It is history, never authority.
	Request RequestContext
	// CertificateHash is cnf.x5t#S256 (RFC 8705, section 3.1): the only certificate with which a root may be
	// presented. Roots only, optional.
	CertificateHash string
	// MayAct is may_act (RFC 8693, section 4.4): the only party that may be the root's actor. Roots only, optional.
	MayAct *Actor
	// Status is status: where the issuer says whether the token is still valid. Roots only, optional.
	Status *Status
	// ParentHash is par_hash: the [Token.Hash] of the token that this one was made from. Empty at depth 0.
	ParentHash string
	// Depth and MaxDepth are del_depth and del_max_depth: how many hops the chain has, and may have.
	Depth, MaxDepth int
	// Root is del_root: the token that the chain began with, in compact form. Empty at depth 0.
	Root string
}

// RequestContext is rctx. The first three and MCP are written by hop issuers. The others are the root's, copied along
// the chain; those that are JSON texts as they were, nil where absent.
type RequestContext struct {
	// Peer is the SPIFFE ID of the workload whose request was countersigned.
	Peer string
	// RequestID is req_id: Envoy's id of that request.
	RequestID string
	// Policy is pol: the revision of the policy that allowed it.
	Policy string
	// MCP binds the token to that request.
	MCP *Binding
	// IP, Authentication, AuthenticationClass and AuthenticationTime are req_ip, authn, acr and auth_time: where the
	// user came from, and how, how well and when the user was authenticated.
	IP, Authentication, AuthenticationClass, AuthenticationTime []byte
	// AccessTokenHash is at_s256: the base64url SHA-256 of the JWS signing input of the access token (RFC 9068) that the
	// root was made from. Empty if it was made from something else.
	AccessTokenHash string
}

// Binding is rctx.mcp: the one request that a countersigned token was made for. The backend compares it with the
// request that it receives.
type Binding struct {
	// Server is srv: the name of the MCP backend.
	Server string
	// Method is mth: the JSON-RPC method.
	Method string
	// Tool is tool: the tool of tools/call, otherwise empty.
	Tool string
	// RequestHash is req_s256: base64url SHA-256 of the exact HTTP body.
	RequestHash string
	// ArgumentsHash is arg_s256: base64url SHA-256 of the arguments in canonical form (RFC 8785); empty if there are
	// none. It is for matching records; RequestHash is what binds.
	ArgumentsHash string
}

// Task is tctx: what the delegation is for. It never changes along a chain.
type Task struct {
	// Raw is the exact JSON text. When set it is what is written, and the other fields only describe it.
	Raw []byte
	// Task and Purpose name the task. They are empty only in a context token.
	Task, Purpose string
	// IntentHash is intent_s256: base64url SHA-256 of the user's intent as it was recorded. Optional.
	IntentHash string
	// Expiry is task_exp: no token of the chain is valid at or after it.
	Expiry time.Time
}
