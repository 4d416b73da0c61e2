package authz

import (
	"time"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// Decision is the answer to one request. The zero value denies.
type Decision struct {
	// ID names the decision in records, metadata and answers.
	ID string
	// Allowed lets the request pass, with everything in the caller's reserved headers removed, and with Token set unless
	// WouldDeny says why there is none.
	Allowed bool
	// WouldDeny says why the request would have been refused; only when Allowed, and only at a server in [Shadow] mode.
	WouldDeny denial.Reason
	// Reason says why it was refused; empty when allowed.
	Reason denial.Reason
	// Public is a sentence that policy lets the caller know; usually empty.
	Public string
	// Server is the MCP backend that the request is for; nil when it could not be told.
	Server *Server
	// Call is the MCP request as far as it could be read; nil when it was not read at all.
	Call *mcp.Call
	// Token is the countersigned token for the backend; set exactly when Allowed without WouldDeny.
	Token string
	// Expires is when Token expires.
	Expires time.Time
	// Plain are header fields for a backend that does not read the token; only with Token, and where the server is so
	// configured.
	Plain []PlainField
	// NeededScope are all the scopes that the call needs, for a challenge to step up or log in, as the caller names them.
	NeededScope []string
	// Record is what was recorded.
	Record audit.Record
}
