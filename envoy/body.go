package envoy

import (
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

const (
	// maxBody is the size that every body stays below, in bytes, so that no proxy truncates it.
	maxBody = 1 << 10
	// maxEchoedID is the longest JSON text of an id that is echoed, in bytes.
	maxEchoedID = 512
)

// rpcMessage is a JSON-RPC 2.0 response with an error, or with the result of a tool call.
type rpcMessage struct {
	JSONRPC string         `json:"jsonrpc"`
	ID      jsontext.Value `json:"id,omitzero"`
	Result  *toolResult    `json:"result,omitzero"`
	Error   *rpcError      `json:"error,omitzero"`
}

type rpcError struct {
	Code    int        `json:"code"`
	Message string     `json:"message"`
	Data    *errorData `json:"data,omitzero"`
}

// errorData is error.data. Retryable says whether the same request may succeed later; nil says nothing.
type errorData struct {
	Reason     string   `json:"reason,omitempty"`
	DecisionID string   `json:"decision_id,omitempty"`
	Retryable  *bool    `json:"retryable,omitzero"`
	Message    string   `json:"message,omitempty"`
	Supported  []string `json:"supported,omitempty"`
	Requested  string   `json:"requested,omitempty"`
}

// toolResult is a CallToolResult.
type toolResult struct {
	Content    []textContent `json:"content"`
	IsError    bool          `json:"isError"`
	ResultType string        `json:"resultType,omitempty"`
}

type textContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// plainError is the body for a caller that does not speak JSON-RPC here.
type plainError struct {
	Error      string `json:"error"`
	DecisionID string `json:"decision_id,omitempty"`
}

// explained answers with a body that says why: to every message with an id in JSON-RPC, to GET and DELETE in plain
// JSON. Where ids cannot be echoed because there are none, or too many or too long ones to fit, it is one JSON-RPC
// error without an id, which is never a success of HTTP (2025-11-25, transports, sending messages).
func (r refusal) explained(status typev3.StatusCode, w wording) reply {
	if !r.rpc {
		return reply{status: status, body: plain(r.told(), r.id)}
	}
	for _, brief := range []bool{false, true} {
		if messages, ok := r.messages(w, brief); ok {
			if body, ok := encode(messages); ok {
				return reply{status: status, body: body}
			}
		}
	}
	if status < typev3.StatusCode_BadRequest {
		status, w = typev3.StatusCode_Forbidden, r.accessDenied
	}
	if body, ok := encode(addressed(w(r.call, true), nil)); ok {
		return reply{status: status, body: body}
	}
	return reply{status: status, body: plain(r.told(), r.id)}
}

// messages returns what to say to the messages that wait for an answer: one, or a list for a batch. Not ok is a call
// with none, or with an id that is too long to be echoed.
func (r refusal) messages(w wording, brief bool) (messages any, ok bool) {
	if r.call.Kind != mcp.KindBatch {
		id, ok := echoed(r.call)
		return addressed(w(r.call, brief), id), ok
	}
	if r.reason.Class() == denial.ClassMalformed {
		return nil, false // only part of the batch was read
	}
	var list []rpcMessage
	for _, call := range r.call.Batch {
		if call.Kind != mcp.KindRequest {
			continue
		}
		id, ok := echoed(call)
		if !ok {
			return nil, false
		}
		list = append(list, addressed(w(call, brief), id))
	}
	return list, len(list) > 0
}

// echoed returns the id of a request. The id of a response is never echoed: it is the server's, and the caller may
// have a request of its own with the same one.
func echoed(call *mcp.Call) (jsontext.Value, bool) {
	id := call.ID.JSON()
	request := call.Kind == mcp.KindRequest || call.Kind == mcp.KindInvalid && call.Method != ""
	if !request || len(id) == 0 || len(id) > maxEchoedID {
		return nil, false
	}
	return id, true
}

func addressed(m rpcMessage, id jsontext.Value) rpcMessage {
	m.JSONRPC, m.ID = "2.0", id
	return m
}

// plain is a body for a caller that does not wait for JSON-RPC. The reason and the id are ours, and short.
func plain(reason, decisionID string) []byte {
	body, _ := encode(plainError{reason, decisionID})
	return body
}

// encode returns v as JSON. Not ok is a text of [maxBody] bytes or more.
func encode(v any) (text []byte, ok bool) {
	text, err := json.Marshal(v)
	return text, err == nil && len(text) < maxBody
}
