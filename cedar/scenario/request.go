// Package scenario is a request as an author writes it down, in a test of a policy, in a file or on a command line, and
// how it becomes the question that policy is asked.
//
// What a request asks for is put into a JSON-RPC body and read as the body of a real request is, so that a scenario can
// ask nothing that the wire could not, and numbers mean what they would mean there. Everything has a default that a
// common request would have:
//
//	peer: spiffe://acme.example/planner
//	server: crm
//	tool: refund
//	arguments: {amount: 80, currency: EUR}
//	delegation: {subject: alice}
package scenario

import (
	"time"
)

// Noon is when a scenario takes place that does not say: a fixed time, so that a test means the same every day.
var Noon = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

// NoVersion is the protocol version of a request that names none.
const NoVersion = "none"

// Request is one request. The zero value of a member stands for its default.
type Request struct {
	// Now is when it is made; default [Noon].
	Now Time `yaml:"now,omitzero" json:"now,omitzero"`
	// TrustDomain completes names of workloads that begin with "/": with acme.example, /planner is
	// spiffe://acme.example/planner. Without it every name is written out.
	TrustDomain string `yaml:"trust_domain,omitempty" json:"trust_domain,omitempty"`
	// Peer is the workload that makes the request. Required.
	Peer string `yaml:"peer,omitempty" json:"peer,omitempty"`
	// Server is the MCP backend, as the configuration names it. Required, but where revoking is asked about.
	Server string `yaml:"server,omitempty" json:"server,omitempty"`
	// Backend is the workload that a recorded request was for; see [Request.PassingOn]. Only [FromAudit] sets it.
	Backend string `yaml:"-" json:"-"`
	// Tool, Prompt, Resource (a URI) or Task is what the request is about: at most one.
	Tool     string `yaml:"tool,omitempty" json:"tool,omitempty"`
	Prompt   string `yaml:"prompt,omitempty" json:"prompt,omitempty"`
	Resource string `yaml:"resource,omitempty" json:"resource,omitempty"`
	Task     string `yaml:"task,omitempty" json:"task,omitempty"`
	// Method is the JSON-RPC method, or stream, end, preflight or response for what has none. The default is tools/call
	// for a tool, prompts/get for a prompt, resources/read for a resource, and tasks/get for a task; tools/list where
	// delegating is asked about. Otherwise it is required.
	Method string `yaml:"method,omitempty" json:"method,omitempty"`
	// Arguments are those of the tool or prompt. Default: none are sent.
	Arguments Arguments `yaml:"arguments,omitempty" json:"arguments,omitempty"`
	// ProtocolVersion is the version of MCP; [NoVersion] for none. The default is 2025-11-25, or 2026-07-28 for methods that
	// only that has.
	ProtocolVersion string `yaml:"protocol_version,omitempty" json:"protocol_version,omitempty"`
	// Session is the Mcp-Session-Id; default: none.
	Session string `yaml:"session,omitempty" json:"session,omitempty"`
	// HTTP are the properties of the HTTP request; default: all empty.
	HTTP HTTP `yaml:"http,omitzero" json:"http,omitzero"`
	// Delegation is what the request carries; nil for none.
	Delegation *Delegation `yaml:"delegation,omitempty" json:"delegation,omitempty"`
	// Delegate asks whether a backend may pass on an item of the scope, instead of whether the request may happen.
	Delegate *Delegate `yaml:"delegate,omitempty" json:"delegate,omitempty"`
	// Revoke asks whether the peer may revoke. Only Now, TrustDomain, Peer and HTTP are used with it.
	Revoke *Revoke `yaml:"revoke,omitempty" json:"revoke,omitempty"`
}

// HTTP are the properties of the HTTP request that policy may read.
type HTTP struct {
	// ID is Envoy's id of the request.
	ID string `yaml:"id,omitempty" json:"id,omitempty"`
	// Host is the authority, without a port.
	Host string `yaml:"host,omitempty" json:"host,omitempty"`
	// Path is the path with its query.
	Path string `yaml:"path,omitempty" json:"path,omitempty"`
	// SourceIP is the address of Envoy's peer.
	SourceIP string `yaml:"source_ip,omitempty" json:"source_ip,omitempty"`
}

// Delegation is what policy is told about a verified token.
type Delegation struct {
	// Issuer is the root issuer; default [DefaultIssuer].
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	// Subject is the user, as the issuer names it. Required.
	Subject string `yaml:"subject,omitempty" json:"subject,omitempty"`
	// SubjectPrefix is what the configuration puts in front of the subjects of the issuer; default: nothing.
	SubjectPrefix string `yaml:"subject_prefix,omitempty" json:"subject_prefix,omitempty"`
	// Scopes are the items granted, each mcp:<server>:<tool>. The default is what the request needs: its tool, or all
	// tools of its server; and the item that is asked about where delegating is. An empty list grants nothing.
	Scopes []string `yaml:"scopes,omitzero" json:"scopes,omitzero"`
	// Audience is the trust domain that the token is for; default: the peer's.
	Audience string `yaml:"audience,omitempty" json:"audience,omitempty"`
	// Task and Purpose say what it is for; default: nothing.
	Task    string `yaml:"task,omitempty" json:"task,omitempty"`
	Purpose string `yaml:"purpose,omitempty" json:"purpose,omitempty"`
	// Actors are the workloads so far, the presenter first; default: the peer alone.
	Actors []string `yaml:"actors,omitzero" json:"actors,omitzero"`
	// Depth is the number of hops; default: one for every actor but the first.
	Depth *int `yaml:"depth,omitempty" json:"depth,omitempty"`
	// IssuedAt is when the token was signed; default: a minute before Now.
	IssuedAt Time `yaml:"issued_at,omitzero" json:"issued_at,omitzero"`
	// ExpiresAt is when the token expires, or ExpiresIn how long after Now; default: in five minutes.
	ExpiresAt Time     `yaml:"expires_at,omitzero" json:"expires_at,omitzero"`
	ExpiresIn Duration `yaml:"expires_in,omitzero" json:"expires_in,omitzero"`
	// SenderConstrained says that the token is bound to a certificate.
	SenderConstrained bool `yaml:"sender_constrained,omitempty" json:"sender_constrained,omitempty"`
}

// DefaultIssuer is the root issuer of a delegation that names none.
const DefaultIssuer = "https://issuer.example"

// Delegate is the question whether a backend may pass on what it was called with.
type Delegate struct {
	// Backend is the workload that serves Request.Server. Required.
	Backend string `yaml:"backend,omitempty" json:"backend,omitempty"`
	// Scope is the item, mcp:<server>:<tool> or mcp:<server>:*. Required.
	Scope string `yaml:"scope,omitempty" json:"scope,omitempty"`
}

// Revoke is the question whether a workload may revoke.
type Revoke struct {
	// Issuer is our own name, the resource of the question. Required.
	Issuer string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	// Operation is add, list or remove. Required.
	Operation string `yaml:"operation,omitempty" json:"operation,omitempty"`
	// Kind and Value say what is revoked, as an entry of the deny-list does; OfIssuer and OfSubject limit it.
	Kind      string `yaml:"kind,omitempty" json:"kind,omitempty"`
	Value     string `yaml:"value,omitempty" json:"value,omitempty"`
	OfIssuer  string `yaml:"of_issuer,omitempty" json:"of_issuer,omitempty"`
	OfSubject string `yaml:"of_subject,omitempty" json:"of_subject,omitempty"`
	// ExpiresAt is when the entry ends, or ExpiresIn how long after Now; default: never.
	ExpiresAt Time     `yaml:"expires_at,omitzero" json:"expires_at,omitzero"`
	ExpiresIn Duration `yaml:"expires_in,omitzero" json:"expires_in,omitzero"`
}
