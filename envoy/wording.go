package envoy

import (
	"strings"
	"unicode"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// JSON-RPC error codes: JSON-RPC 2.0, section 5.1; 2026-07-28, basic, error codes. Denials have HTTP's code, as other
// MCP gateways give them, because no specification has one.
const (
	codeUnauthorized       = 401
	codeForbidden          = 403
	codeSessionNotFound    = -32001
	codeResourceNotFound   = -32002 // until 2025-11-25; later versions say codeInvalidParams
	codeHeaderMismatch     = -32020
	codeUnsupportedVersion = -32022
	codeInvalidRequest     = -32600
	codeMethodNotFound     = -32601
	codeInvalidParams      = -32602
	codeInternal           = -32603
	codeParseError         = -32700
)

// wording is what a denial says to one JSON-RPC message. Brief leaves out all text that is not ours.
type wording func(call *mcp.Call, brief bool) rpcMessage

// failure says that something is wrong with the request, the credential, or us.
func (r refusal) failure(code int, message string) wording {
	return func(*mcp.Call, bool) rpcMessage {
		return rpcMessage{Error: &rpcError{Code: code, Message: message, Data: r.data()}}
	}
}

// accessDenied says that the call may not happen, and what policy lets the caller know about it.
func (r refusal) accessDenied(_ *mcp.Call, brief bool) rpcMessage {
	e := &rpcError{Code: codeForbidden, Message: "Access denied", Data: r.data()}
	if r.public != "" && !brief {
		e.Message += ": " + r.public
		e.Data.Message = r.public
	}
	return rpcMessage{Error: e}
}

// toolError says the same to the model, which gets to read results but not errors.
func (r refusal) toolError(call *mcp.Call, brief bool) rpcMessage {
	if call.Method != "tools/call" {
		return r.accessDenied(call, brief)
	}
	text := "Access denied"
	if r.public != "" && !brief {
		text += ": " + r.public
	}
	text += " (" + r.told() + ", decision " + r.id + "). Calling again does not help."
	return rpcMessage{Result: failedTool(call, text)}
}

// failedTool is the result of a tool that failed.
func failedTool(call *mcp.Call, text string) *toolResult {
	result := &toolResult{Content: []textContent{{Type: "text", Text: text}}, IsError: true}
	if call.Modern {
		result.ResultType = "complete"
	}
	return result
}

// hidden says what a server says that has no such tool, prompt or resource.
func (r refusal) hidden(call *mcp.Call, brief bool) rpcMessage {
	if len(call.Targets) == 0 {
		return r.accessDenied(call, brief)
	}
	target := call.Targets[0]
	e := &rpcError{Code: codeInvalidParams, Data: &errorData{DecisionID: r.id}}
	switch target.Kind {
	case mcp.TargetTool:
		e.Message = "Unknown tool"
	case mcp.TargetPrompt:
		e.Message = "Unknown prompt"
	case mcp.TargetTask:
		e.Message = "Unknown task"
	default:
		e.Message = "Resource not found"
		if !call.Modern {
			e.Code = codeResourceNotFound
		}
	}
	if !brief {
		e.Message += ": " + printable(target.Name, maxName)
	}
	return rpcMessage{Error: e}
}

// notFound says what a server says that has no such task or handle. A task is a JSON-RPC error of invalid params
// (2025-11-25, tasks, error handling, and SEP-2663). What a handle means only the tool knows, so it is the tool that
// has not found it: in a result where there are sessions, and in 2026-07-28 with the status 404, which is an error. The
// other messages of a batch were not let through either.
func (r refusal) notFound(call *mcp.Call, brief bool) rpcMessage {
	if r.reason == denial.TaskForeign && len(call.Targets) > 0 && call.Targets[0].Kind == mcp.TargetTask {
		return r.hidden(call, brief)
	}
	argument := r.server.Handle(call)
	if argument == "" {
		return r.accessDenied(call, brief)
	}
	text := "Not found"
	if !brief {
		text = printable(argument, maxName) + " not found"
	}
	if call.Modern {
		return rpcMessage{Error: &rpcError{Code: codeInvalidParams, Message: text, Data: r.data()}}
	}
	return rpcMessage{Result: failedTool(call, text+" (decision "+r.id+").")}
}

// unsupportedVersion says which versions would do (2026-07-28, basic, versioning).
func (r refusal) unsupportedVersion(d defect) wording {
	return func(call *mcp.Call, brief bool) rpcMessage {
		data := r.data()
		data.Supported = r.supported()
		if !brief {
			data.Requested = printable(call.Version, mcp.MaxVersion)
		}
		return rpcMessage{Error: &rpcError{Code: d.code, Message: d.message, Data: data}}
	}
}

func (r refusal) data() *errorData {
	retryable := r.reason.Class() == denial.ClassInternal || r.reason == denial.SessionLimit
	return &errorData{Reason: r.told(), DecisionID: r.id, Retryable: &retryable}
}

// The maxima of text in a denial, in bytes. With them and the longest id that is echoed a single denial fits into
// maxBody in its brief form, whatever the text.
const (
	maxName       = 128
	maxPublic     = 128
	maxDecisionID = 64
)

// printable shortens text to limit bytes and replaces what a terminal, a log or a model may take for more than text.
func printable(text string, limit int) string {
	short := clip(text, limit)
	short = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, short)
	if len(text) > limit {
		short += "…"
	}
	return short
}
