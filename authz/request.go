package authz

import (
	"net/netip"

	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// Request is one HTTP request as Envoy saw it, converted once at the edge.
type Request struct {
	// ID is Envoy's stream id. It is the same when Envoy retries the check.
	ID string
	// Peer is the evidence for the caller's identity.
	Peer peer.Evidence
	// Server is the name of the MCP backend from the route's context extensions; empty when the route has none.
	Server string
	// Destination is the SPIFFE ID with which Envoy served the request; empty when it used none.
	Destination string
	// Host is the authority, without a port.
	Host string
	// Path is the path with its query, as sent.
	Path string
	// SourceIP is the address of Envoy's peer; zero when unknown.
	SourceIP netip.Addr
	// MCP is the part that holds the MCP request.
	MCP mcp.Request
}
