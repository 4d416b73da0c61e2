// Package wire is what the stage and the processes of its workloads say to each other: one JSON value per line.
//
// An agent reads a [Command] on standard input and answers with a [Reply] on standard output. A server prints one Reply
// when it is ready, and appends a [Request] to its record for whatever reaches it.
package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The operations of an agent.
const (
	// Open begins an MCP session: the handshake of the protocol version, with the token.
	Open = "open"
	// List asks for the tools.
	List = "list"
	// Call calls a tool.
	Call = "call"
	// Close ends a session.
	Close = "close"
	// Exchange asks a token endpoint for a token.
	Exchange = "exchange"
)

// Command is what an agent shall do.
type Command struct {
	Op string
	// Session is the one to use or close; Open answers with a new one.
	Session int `json:",omitempty"`

	// Form is what to send to the token endpoint.
	Form map[string]string `json:",omitempty"`

	// URL is the MCP endpoint to open, or the token endpoint.
	URL string `json:",omitempty"`
	// Version is the MCP protocol version to speak, or else not to open a session at all; any when empty.
	Version string `json:",omitempty"`
	// HTTP is "1.1" or "2"; both are offered when empty.
	HTTP string `json:",omitempty"`
	// Header holds further header fields for every request of the session.
	Header map[string][]string `json:",omitempty"`

	// Token is the Txn-Token to send from now on in this session, if not empty.
	Token string `json:",omitempty"`
	// Login has the user log in as soon as a server asks for it; only for Open. No Txn-Token is needed then.
	Login *Login `json:",omitempty"`
	// Tool and Arguments are what to call.
	Tool      string          `json:",omitempty"`
	Arguments json.RawMessage `json:",omitempty"`
	// Notifications is how many notifications of progress the call causes, which are waited for.
	Notifications int `json:",omitempty"`
}

// Reply is what came of a command, or that a server is ready.
type Reply struct {
	// Error is set when it did not work; Refusal too when that was the JSON-RPC answer of the other side.
	Error   string   `json:",omitempty"`
	Refusal *Refusal `json:",omitempty"`

	// Status is the HTTP status of the newest answer to a message.
	Status int `json:",omitempty"`

	// Challenges are those since the last command, in order.
	Challenges []Challenge `json:",omitempty"`

	// Session answers Open.
	Session int `json:",omitempty"`
	// Tools answers List.
	Tools []string `json:",omitempty"`
	// Text answers Exchange, as it came, and Call, with ToolError when the tool itself failed, and Progress as it was notified meanwhile.
	Text      string   `json:",omitempty"`
	ToolError bool     `json:",omitempty"`
	Progress  []string `json:",omitempty"`

	// Own and Gateway are the certificates in use on both ends of the newest connection of the session.
	Own     Certificate
	Gateway Certificate
}

// Login is an identity provider.
type Login struct {
	// Provider is its issuer and URL, Bundle a file with the X.509 authorities that vouch for it.
	Provider, Bundle string
}

// Challenge is an answer that says what kind of access token is needed (RFC 6750, section 3), and what came of it.
type Challenge struct {
	Status int
	// Header is the WWW-Authenticate of the answer.
	Header string
	// Asked is the scope that the user was asked for; empty if the user was not asked.
	Asked string `json:",omitempty"`
}

// Refusal is a JSON-RPC error.
type Refusal struct {
	Code    int64
	Message string
	Data    json.RawMessage `json:",omitempty"`
}

// Certificate tells one X.509-SVID of a workload from the next.
type Certificate struct {
	ID      string    `json:",omitempty"`
	Serial  string    `json:",omitempty"`
	Expires time.Time `json:",omitzero"`
}

// Request is an HTTP request as it reached a backend. As text it is short, and has no token in it.
type Request struct {
	Method, Path, Protocol string
	Header                 map[string][]string
	// Body is the whole body if it is short, Size and SHA256 (base64url) are of the whole body in any case.
	Body   string `json:",omitempty"`
	Size   int
	SHA256 string
	// Refused says why the backend did not accept the request's token; empty if it did.
	Refused string `json:",omitempty"`
}

// String implements [fmt.Stringer].
func (r Request) String() string {
	const short = 300
	body := r.Body
	if len(body) > short {
		body = body[:short] + "…"
	}
	names := slices.Sorted(maps.Keys(r.Header))
	return fmt.Sprintf("%s %s with %q and %d bytes %s (refused: %q)", r.Method, r.Path, names, r.Size, body, r.Refused)
}
