package verify

import (
	"bytes"
	"net/http"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// message is what a request asks for, in the words of rctx.mcp.
type message struct {
	method string // JSON-RPC method, or the kind of a message that has none
	tool   string // of tools/call
}

// methodCallTool is the one method whose target is a tool.
const methodCallTool = "tools/call"

// readMessage reads no more of a request than its name. The rest was checked before it was countersigned.
func readMessage(method string, body []byte) (message, error) {
	switch method {
	case http.MethodGet:
		return message{method: mcp.KindStream.String()}, nil
	case http.MethodDelete:
		return message{method: mcp.KindEnd.String()}, nil
	case http.MethodOptions:
		return message{method: mcp.KindPreflight.String()}, nil
	case http.MethodPost:
	default:
		return message{}, denial.New(denial.HTTPMethod, "%.20q is not a method of MCP over HTTP", method)
	}
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return message{method: mcp.KindBatch.String()}, nil
	}
	o, err := mcp.ParseObject(body)
	if err != nil {
		return message{}, err
	}
	name, present := o.Get("method")
	if !present {
		return message{method: mcp.KindResponse.String()}, nil
	}
	text, ok := name.(mcp.String)
	if !ok {
		return message{}, denial.New(denial.RPCInvalid, "method is not a string")
	}
	m := message{method: string(text)}
	if m.method != methodCallTool {
		return m, nil
	}
	params, _ := o.Get("params")
	if p, ok := params.(mcp.Object); ok {
		tool, _ := p.Get("name")
		if name, ok := tool.(mcp.String); ok {
			m.tool = string(name)
		}
	}
	return m, nil
}
