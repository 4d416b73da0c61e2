package mcp

import (
	"countersign.dev/authz/denial"
)

// envelope is a JSON-RPC 2.0 message: a request, a notification or a response.
type envelope struct {
	kind   Kind
	id     ID
	method string
	params Object // zero when absent
}

// readEnvelope reads the outermost object. On error it returns what is certain.
//
// It is stricter than JSON-RPC 2.0 where MCP is (2025-06-18, basic, messages): an id is a string or an integer and
// never null, params are an object, and there are no other members.
func readEnvelope(o Object) (envelope, error) {
	var e envelope
	if err := refuseVariants(o, knownEnvelope); err != nil {
		return e, err
	}
	if v, ok := o.Get("method"); ok {
		name, ok := v.(String)
		if !ok || name == "" {
			return e, denial.New(denial.RPCInvalid, "method is not a name")
		}
		e.method, e.kind = string(name), KindNotification
	}
	if v, ok := o.Get("id"); ok {
		if e.id, ok = readID(v); !ok {
			e.kind = KindInvalid
			return e, denial.New(denial.RPCInvalid, "id is not an integer or a string of at most %d bytes", MaxIDLength)
		}
		e.kind = KindResponse
		if e.method != "" {
			e.kind = KindRequest
		}
	}
	if v, _ := o.Get("jsonrpc"); v != String("2.0") {
		return e, denial.New(denial.RPCInvalid, "jsonrpc is not \"2.0\"")
	}
	for name := range o.All() {
		if !allowedMember(e.kind, name) {
			return e, denial.New(denial.RPCInvalid, "a %s with the member %.64q", e.kind, name)
		}
	}
	if e.kind == KindResponse {
		return e, checkOutcome(o)
	}
	if v, ok := o.Get("params"); ok {
		if e.params, ok = v.(Object); !ok {
			return e, denial.New(denial.ParamsInvalid, "params is not an object")
		}
	}
	return e, nil
}

func allowedMember(kind Kind, name string) bool {
	switch name {
	case "jsonrpc":
		return true
	case "id":
		return kind == KindRequest || kind == KindResponse
	case "method", "params":
		return kind == KindRequest || kind == KindNotification
	case "result", "error":
		return kind == KindResponse
	default:
		return false
	}
}

// checkOutcome makes sure that a response has a result or an error, each of the shape that MCP gives it.
func checkOutcome(o Object) error {
	result, hasResult := o.Get("result")
	failure, hasError := o.Get("error")
	if hasResult == hasError {
		return denial.New(denial.RPCInvalid, "a response has either result or error")
	}
	if hasResult {
		if _, ok := result.(Object); !ok {
			return denial.New(denial.RPCInvalid, "result is not an object")
		}
		return nil
	}
	e, _ := failure.(Object)
	if err := refuseVariants(e, knownError); err != nil {
		return err
	}
	code, _ := e.Get("code")
	message, _ := e.Get("message")
	_, isInt := code.(Int)
	_, isString := message.(String)
	if !isInt || !isString {
		return denial.New(denial.RPCInvalid, "error is not an object with an integer code and a message")
	}
	for name := range e.All() {
		if name != "code" && name != "message" && name != "data" {
			return denial.New(denial.RPCInvalid, "an error with the member %.64q", name)
		}
	}
	return nil
}
