package envoy

import (
	"net/http"
	"strings"

	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// reply is the HTTP response that stands for a denial.
type reply struct {
	status typev3.StatusCode
	header *field // beyond those that every denial has
	body   []byte // JSON; empty for no content
}

type field struct{ name, value string }

// refusal is a denied decision on its way to the caller. Server and call are never nil.
type refusal struct {
	id     string
	reason denial.Reason
	public string
	scope  []string
	server *authz.Server
	call   *mcp.Call
	// rpc says that the request was one that is answered by JSON-RPC.
	rpc bool
}

func newRefusal(req *authz.Request, d authz.Decision) refusal {
	r := refusal{
		id: printable(d.ID, maxDecisionID), reason: d.Reason, public: printable(d.Public, maxPublic), scope: d.NeededScope,
		server: d.Server, call: d.Call, rpc: req.MCP.Method == http.MethodPost,
	}
	if r.server == nil {
		r.server = &authz.Server{}
	}
	if r.call == nil {
		r.call = &mcp.Call{}
	}
	return r
}

// reply chooses the form of the denial. The forms are those that MCP clients were measured to survive: most of them
// take a JSON-RPC error in an HTTP 200 for what it is, and many end the connection on anything else.
func (r refusal) reply() reply {
	switch r.reason.Class() {
	case denial.ClassPeer:
		return r.forbidden()
	case denial.ClassMalformed:
		return r.malformed()
	case denial.ClassCredential:
		if r.reason == denial.CredentialMissing || r.reason == denial.AuthorizationScheme {
			// Without a token there is no error to tell (RFC 6750, section 3.1).
			return r.challenged(typev3.StatusCode_Unauthorized, "", r.failure(codeUnauthorized, "Authorization required"))
		}
		return r.challenged(typev3.StatusCode_Unauthorized, "invalid_token", r.failure(codeUnauthorized, "Invalid delegation token"))
	case denial.ClassScope:
		if r.server.MetadataURL() != "" {
			return r.challenged(typev3.StatusCode_Forbidden, "insufficient_scope", r.failure(codeForbidden, "Insufficient scope"))
		}
		return r.refused()
	case denial.ClassPolicy:
		return r.refused()
	case denial.ClassSession:
		switch r.reason {
		case denial.SessionLimit:
			// 404 would have the client open a new session, and the next, while there is room for none.
			return r.unavailable()
		case denial.TaskForeign, denial.HandleForeign:
			switch {
			case r.call.Modern:
				return r.explained(typev3.StatusCode_NotFound, r.notFound)
			case r.call.Kind == mcp.KindRequest || r.call.Kind == mcp.KindBatch:
				// In a session 404 means that the session is gone, and nothing is wrong with it.
				return r.explained(typev3.StatusCode_OK, r.notFound)
			}
		}
		return r.explained(typev3.StatusCode_NotFound, r.failure(codeSessionNotFound, "Session not found"))
	default:
		return r.unavailable()
	}
}

// refused answers a call that is understood and may not happen.
func (r refusal) refused() reply {
	if r.reason == denial.ServerUnknown {
		return r.forbidden()
	}
	switch r.call.Kind {
	case mcp.KindRequest, mcp.KindBatch:
		return r.refusedRequests()
	case mcp.KindNotification, mcp.KindResponse:
		// There is no id to answer to, and an HTTP error ends the connection of some clients: it is dropped.
		return reply{status: typev3.StatusCode_Accepted}
	case mcp.KindStream:
		// What a server without such a stream answers (2025-11-25, transports, listening for messages).
		return r.notAllowed(http.MethodPost)
	case mcp.KindEnd:
		return r.explained(typev3.StatusCode_NotFound, r.failure(codeSessionNotFound, "Session not found"))
	default:
		return r.forbidden()
	}
}

// refusedRequests answers requests that policy or the delegation does not allow, in the server's style.
func (r refusal) refusedRequests() reply {
	switch {
	case r.call.Method == "initialize", r.call.Method == "server/discover":
		// A client that gets a JSON-RPC error here goes on to try older protocol versions.
		return r.explained(typev3.StatusCode_Forbidden, r.accessDenied)
	case r.server.Denials == authz.DenyHTTP:
		return r.explained(typev3.StatusCode_Forbidden, r.accessDenied)
	case r.call.Kind == mcp.KindBatch && !hasRequest(r.call.Batch):
		return reply{status: typev3.StatusCode_Accepted}
	case r.server.Denials == authz.DenyToolError:
		return r.explained(typev3.StatusCode_OK, r.toolError)
	case r.server.Denials == authz.DenyHide:
		return r.explained(typev3.StatusCode_OK, r.hidden)
	default:
		return r.explained(typev3.StatusCode_OK, r.accessDenied)
	}
}

// forbidden answers a caller that did not ask anything that can be answered in its own protocol.
func (r refusal) forbidden() reply {
	return reply{status: typev3.StatusCode_Forbidden, body: plain(r.told(), r.id)}
}

// unavailable answers for our own failure. The reason stays with us.
func (r refusal) unavailable() reply {
	answer := r.explained(typev3.StatusCode_ServiceUnavailable, r.failure(codeInternal, "Authorization is not available"))
	answer.header = &field{"retry-after", "1"}
	return answer
}

// notAllowed answers an HTTP method that there is nothing behind (RFC 9110, section 15.5.6).
func (r refusal) notAllowed(allow string) reply {
	answer := r.explained(typev3.StatusCode_MethodNotAllowed, r.failure(codeInvalidRequest, "Method not allowed"))
	answer.header = &field{"allow", allow}
	return answer
}

// challenged tells the caller which credential would do (RFC 6750, section 3; RFC 9728, section 5.1). The code is that of
// an error; empty when there was no token that could be wrong.
func (r refusal) challenged(status typev3.StatusCode, code string, w wording) reply {
	var parameters []string
	if code != "" {
		parameters = append(parameters, `error="`+code+`"`)
	}
	if scope := scopeParameter(r.scope); scope != "" {
		parameters = append(parameters, `scope="`+scope+`"`)
	}
	if url := r.server.MetadataURL(); isQuotable(url) {
		parameters = append(parameters, `resource_metadata="`+url+`"`)
	}
	answer := r.explained(status, w)
	answer.header = &field{"www-authenticate", "Bearer " + strings.Join(parameters, ", ")}
	return answer
}

// maxScope is the longest scope in a challenge, in bytes.
const maxScope = 4096

// scopeParameter joins scopes for a challenge. It is empty when they do not fit or could not be quoted, because part
// of the scopes would send the caller for a token that does not do either.
func scopeParameter(scopes []string) string {
	for _, scope := range scopes {
		if !isQuotable(scope) {
			return ""
		}
	}
	joined := strings.Join(scopes, " ")
	if len(joined) > maxScope {
		return ""
	}
	return joined
}

// isQuotable reports whether s has only the characters of a scope token (RFC 6749, section 3.3), none of which needs
// an escape in a quoted string.
func isQuotable(s string) bool { return isToken(s) && !strings.ContainsAny(s, `"\`) }

func hasRequest(batch []*mcp.Call) bool {
	for _, call := range batch {
		if call.Kind == mcp.KindRequest {
			return true
		}
	}
	return false
}

// told is the reason that the caller gets to know. It is the exact one, except where that would help to attack:
//
//   - of tokens that are refused only those that were good once are told apart, so that their holder knows what to
//     do, and those that are not there or not tokens at all; for all others the caller would learn how far a forged or
//     stolen token gets;
//   - a session, task or handle of somebody else is one that does not exist. The backend's own answer for such a one
//     may still look different: that cannot be hidden from someone who has the id;
//   - a caller without an identity, or on a route to nowhere, has no use for more than that;
//   - our own failures are not the caller's business.
func (r refusal) told() string {
	if r.reason == denial.ServerUnknown {
		return "forbidden"
	}
	switch r.reason.Class() {
	case denial.ClassCredential:
		switch r.reason {
		case denial.TokenExpired, denial.TaskExpired, denial.Revoked, denial.CredentialMissing, denial.AuthorizationScheme:
			return string(r.reason)
		}
		return "invalid_token"
	case denial.ClassSession:
		switch r.reason {
		case denial.SessionForeign:
			return string(denial.SessionUnknown)
		case denial.TaskForeign, denial.HandleForeign:
			return "not_found"
		}
		return string(r.reason)
	case denial.ClassPeer:
		return "forbidden"
	case denial.ClassInternal:
		return "unavailable"
	default:
		return string(r.reason)
	}
}
