// Package gosdk gives the tools of a server built with the official MCP SDK the verified call that they serve.
//
// The SDK runs tools in the context of their session, not in that of the HTTP request that called them. So the check is
// in two parts, and both are needed: [Handler] verifies the HTTP request, and [Middleware] takes what it found to the
// tool, which gets it with [verify.FromContext]. A message that did not come through the Handler is refused.
package gosdk

import (
	"context"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/verify"
)

// CodeRefused is the JSON-RPC error code of a refusal: HTTP's, as Countersign has it too.
const CodeRefused = 403

// Handler lets in what was countersigned for this backend. Next is the SDK's handler, for example
// [mcp.StreamableHTTPHandler].
func Handler(v *verify.Verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admitted, call := v.Admit(w, r); call != nil {
			v.Seal(call, admitted.Header)
			next.ServeHTTP(w, admitted)
		}
	})
}

// Middleware puts the verified call into the context of everything that the server receives. Add it with
// [mcp.Server.AddReceivingMiddleware]. What the SDK read from the request must be what was countersigned, method and
// tool; the elements of a batch were countersigned together. A server behind it can not be used over other transports
// than HTTP: their messages have no token.
func Middleware(v *verify.Verifier) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			call, err := received(v, method, req)
			if err != nil {
				return nil, &jsonrpc.Error{Code: CodeRefused, Message: "not countersigned for this request"}
			}
			return next(verify.NewContext(ctx, call), method, req)
		}
	}
}

func received(v *verify.Verifier, method string, req mcp.Request) (*verify.Call, error) {
	extra := req.GetExtra()
	if extra == nil {
		return nil, denial.New(denial.TokenMissing, "a message that did not come over HTTP")
	}
	call, err := v.Unseal(extra.Header)
	switch {
	case err != nil:
		return nil, err
	case call.Method == "batch":
		return call, nil
	case call.Method != method:
		return nil, denial.New(denial.TokenMethod, "for %.80q, the SDK read %.80q", call.Method, method)
	}
	if tool := toolOf(req); tool != call.Tool {
		return nil, denial.New(denial.TokenTool, "for tool %.80q, the SDK read %.80q", call.Tool, tool)
	}
	return call, nil
}

// toolOf returns the tool that a request calls, "" if it calls none.
func toolOf(req mcp.Request) string {
	if p, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok && p != nil {
		return p.Name
	}
	return ""
}
