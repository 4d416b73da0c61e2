package authz

import (
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Server is one MCP backend.
type Server struct {
	// Name is how policies, scopes and tokens name it.
	Name string
	// Backend is the workload that serves it and that its tokens are for. When zero it is taken from Envoy's
	// destination principal, which is the backend itself where Envoy is its sidecar.
	Backend spiffeid.ID
	// Mode says what a refusal does.
	Mode Mode
	// Denials is the form in which policy denials reach the client.
	Denials DenialStyle
	// MinVersion is the oldest MCP protocol version that is let through; empty for any.
	MinVersion string
	// AllowBatch accepts JSON-RPC batches (protocol version 2025-03-26 only).
	AllowBatch bool
	// MaxBody is the largest body in bytes.
	MaxBody int
	// StripAuthorization removes the Authorization header before the backend.
	StripAuthorization bool
	// Bearer has OAuth access tokens stand in for a missing delegation; nil for none.
	Bearer *Bearer
	// PlainHeaders tells the backend subject, actor, task and expiry in header fields x-countersign-*, for backends that
	// verify no token.
	PlainHeaders bool
	// ResourceMetadata is the URL of the RFC 9728 document that challenges point to; empty for none. Only with it, or with
	// Bearer, which has a document of its own, is a missing scope answered with a step-up challenge.
	ResourceMetadata string
	// SingleUse has the tools, in lower case, for which a delegation may be used only once for the same request.
	SingleUse map[string]bool
	// Handles says which argument of a tool, by its name in lower case, names state that belongs to its first user.
	Handles map[string]string
	// RecordArguments puts the values of arguments into the audit record.
	RecordArguments bool
	// Hosts and Paths are where the server is, compared whole; none means anywhere. They also tell the server from the
	// request when the route does not. See [Servers.Find].
	Hosts, Paths []string
}

// DenialStyle is the form in which a policy denial of a request with an id is answered.
type DenialStyle int

const (
	// DenyRPCError answers HTTP 200 with a JSON-RPC error: every known client keeps its session.
	DenyRPCError DenialStyle = iota
	// DenyToolError answers tools/call with a result that has isError set, which the model gets to read.
	DenyToolError
	// DenyHide answers as if the tool did not exist.
	DenyHide
	// DenyHTTP answers HTTP 403.
	DenyHTTP
)

var denialStyles = []string{"rpc-error", "tool-error", "hide", "http"}

// String returns the name used in the configuration.
func (s DenialStyle) String() string { return denialStyles[s] }

// MarshalText implements encoding.TextMarshaler.
func (s DenialStyle) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *DenialStyle) UnmarshalText(text []byte) error {
	for i, name := range denialStyles {
		if string(text) == name {
			*s = DenialStyle(i)
			return nil
		}
	}
	return fmt.Errorf("unknown denial style %q: use one of rpc-error, tool-error, hide, http", text)
}
