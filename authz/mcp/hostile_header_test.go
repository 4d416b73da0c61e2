package mcp_test

import (
	"strings"
	"testing"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// What an attacker, or a proxy set up wrongly, may do around the body.
func TestHostileFraming(t *testing.T) {
	ping := rpc("ping", "")
	tests := []struct {
		name string
		req  mcp.Request
		want denial.Reason
	}{
		{"PUT", bare("PUT"), denial.HTTPMethod},
		{"HEAD", bare("HEAD"), denial.HTTPMethod},
		{"CONNECT", bare("CONNECT"), denial.HTTPMethod},
		{"post in lower case", func() mcp.Request { r := send(ping); r.Method = "post"; return r }(), denial.HTTPMethod},
		{"no method", bare(""), denial.HTTPMethod},
		{"a stream in the new version", bare("GET", version("2026-07-28")), denial.HTTPMethod},
		{"an end in the new version", bare("DELETE", version("2026-07-28")), denial.HTTPMethod},
		{"a stream in an unknown version", bare("GET", version("2031-01-01")), denial.VersionUnsupported},
		{"a stream in two versions", bare("GET", version("2025-03-26"), version("2025-11-25")), denial.HeaderDuplicated},
		{"a stream with a method in the header", bare("GET", with("Mcp-Method: tools/call")), denial.HeaderMismatch},
		{"an end with an argument in the header", bare("DELETE", with("Mcp-Param-X: 1")), denial.HeaderUnverifiable},
		{"a stream with two sessions", bare("GET", with("Mcp-Session-Id: a"), with("Mcp-Session-Id: b")), denial.HeaderDuplicated},
		{"a stream with a body", func() mcp.Request { r := send(ping); r.Method = "GET"; return r }(), denial.BodyUnexpected},
		{"an end with a body that was not handed over", bare("DELETE", with("Content-Length: 9")), denial.BodyUnexpected},
		{"a preflight with a body of unknown length", bare("OPTIONS", with("Transfer-Encoding: chunked")), denial.BodyUnexpected},
		{"a stream with a size", bare("GET", size(1)), denial.BodyUnexpected},
		{"a stream with two lengths", bare("GET", with("Content-Length: 0"), with("Content-Length: 5")), denial.HeaderDuplicated},
		{"a POST without a body", bare("POST"), denial.BodyMissing},
		{"a POST with an empty body", send(""), denial.BodyMissing},
		{"a POST whose body was not handed over", func() mcp.Request { r := send(ping); r.HasBody = false; return r }(), denial.BodyMissing},
		{"a body that was cut", send(ping, instead("X-Envoy-Auth-Partial-Body: true")), denial.BodyPartial},
		{"a body that may have been cut", send(ping, instead("X-Envoy-Auth-Partial-Body: False")), denial.BodyPartial},
		{"an empty mark", send(ping, instead("X-Envoy-Auth-Partial-Body:")), denial.BodyPartial},
		{"two marks", send(ping, with("X-Envoy-Auth-Partial-Body: false")), denial.HeaderDuplicated},
		{"a size that is larger", send(ping, size(1000), without("Content-Length")), denial.BodySize},
		{"a size of none", send(ping, size(0)), denial.BodySize},
		{"a length that is larger", send(ping, instead("Content-Length: 1000")), denial.BodySize},
		{"a length that is smaller", send(ping, instead("Content-Length: 5")), denial.BodySize},
		{"a length with a plus sign", send(ping, instead("Content-Length: +51")), denial.BodySize},
		{"a length with leading zeros", send(ping, instead("Content-Length: 0051")), denial.BodySize},
		{"a length in hexadecimal", send(ping, instead("Content-Length: 0x33")), denial.BodySize},
		{"two lengths", send(ping, with("Content-Length: 5")), denial.HeaderDuplicated},
		{"nobody knows the length", send(ping, size(-1), without("Content-Length")), denial.BodySize},
		{"a length and chunks", send(ping, with("Transfer-Encoding: chunked")), denial.BodySize},
		{"a body that was made to be text", func() mcp.Request {
			r := send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe!"}}`)
			r.Sanitised = true
			return r
		}(), denial.BodySanitised},
		{"gzip", send(ping, with("Content-Encoding: gzip")), denial.BodyEncoded},
		{"gzip in chunks", send(ping, without("Content-Length"), with("Transfer-Encoding: gzip, chunked")), denial.BodyEncoded},
		{"two codings", send(ping, with("Content-Encoding: identity"), with("Content-Encoding: br")), denial.HeaderDuplicated},
		{"two transfer codings", send(ping, without("Content-Length"), with("Transfer-Encoding: chunked"), with("Transfer-Encoding: x")), denial.HeaderDuplicated},
		{"no type", send(ping, without("Content-Type")), denial.ContentType},
		{"text", send(ping, instead("Content-Type: text/plain")), denial.ContentType},
		{"a form", send(ping, instead("Content-Type: application/x-www-form-urlencoded")), denial.ContentType},
		{"something like JSON", send(ping, instead("Content-Type: application/json-rpc")), denial.ContentType},
		{"a type that is none", send(ping, instead("Content-Type: json")), denial.ContentType},
		{"UTF-16", send(ping, instead("Content-Type: application/json; charset=utf-16")), denial.ContentType},
		{"UTF-7 after UTF-8", send(ping, instead("Content-Type: application/json; charset=utf-8; charset=utf-7")), denial.ContentType},
		{"another parameter", send(ping, instead("Content-Type: application/json; boundary=x")), denial.ContentType},
		{"a broken parameter", send(ping, instead("Content-Type: application/json; charset")), denial.ContentType},
		{"two types", send(ping, with("Content-Type: text/plain")), denial.HeaderDuplicated},
		{"a session with a space", send(ping, with("Mcp-Session-Id: a b")), denial.HeaderInvalid},
		{"a session that is empty", send(ping, with("Mcp-Session-Id:")), denial.HeaderInvalid},
		{"a session outside ASCII", send(ping, with("Mcp-Session-Id: é")), denial.HeaderInvalid},
		{"a session of two thousand bytes", send(ping, with("Mcp-Session-Id: "+strings.Repeat("s", 2000))), denial.HeaderInvalid},
		{"a session with a line break", send(ping, with("Mcp-Session-Id: a\r\nb")), denial.HeaderInvalid},
		{"two sessions", send(ping, with("Mcp-Session-Id: a"), with("Mcp-Session-Id: b")), denial.HeaderDuplicated},
		{"an unknown version", send(ping, version("2025-06-19")), denial.VersionUnsupported},
		{"an empty version", send(ping, version("")), denial.VersionUnsupported},
		{"a version of a hundred bytes", send(ping, version(strings.Repeat("2", 100))), denial.VersionUnsupported},
		{"two versions", send(ping, version("2025-06-18"), version("2026-07-28")), denial.HeaderDuplicated},
		{"initialize under an unknown version", send(rpc("initialize", `"protocolVersion":"2025-11-25"`), version("2031-01-01")), denial.VersionUnsupported},
		{"the new version in the body alone", send(rpc("tools/list", meta)), denial.HeaderMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.req, mcp.Rules{}, tt.want) })
	}
}

func TestBodyLimit(t *testing.T) {
	body := rpc("ping", "")
	accepted(t, send(body), mcp.Rules{MaxBody: len(body)})
	refused(t, send(body), mcp.Rules{MaxBody: len(body) - 1}, denial.BodyTooLarge)
	large := body + strings.Repeat(" ", mcp.DefaultMaxBody-len(body))
	accepted(t, send(large), mcp.Rules{})
	call := refused(t, send(large+" "), mcp.Rules{}, denial.BodyTooLarge)
	if call.BodyHash != [32]byte{} {
		t.Error("a refused body was hashed")
	}
}

// Something in front routes by a header, the backend acts on the body: they must not differ.
func TestHostileMirrors(t *testing.T) {
	call := rpc("tools/call", meta+`,"name":"read_case","arguments":{}`)
	list := rpc("tools/list", meta)
	newVersion := version(mcp.Version20260728)
	tests := []struct {
		name string
		req  mcp.Request
		want denial.Reason
	}{
		{"no method", send(list, newVersion), denial.HeaderMissing},
		{"no name of a tool", send(call, modern("tools/call", "")), denial.HeaderMissing},
		{"no name of a resource", send(rpc("resources/read", meta+`,"uri":"a:b"`), modern("resources/read", "")), denial.HeaderMissing},
		{"no name of a prompt", send(rpc("prompts/get", meta+`,"name":"a"`), modern("prompts/get", "")), denial.HeaderMissing},
		{"no name of a task", send(rpc("tasks/cancel", meta+`,"taskId":"a"`), modern("tasks/cancel", "")), denial.HeaderMissing},
		{"no method of a notification", send(`{"jsonrpc":"2.0","method":"notifications/cancelled"}`, newVersion), denial.HeaderMissing},
		{"another method", send(call, modern("tools/list", "read_case")), denial.HeaderMismatch},
		{"the method in another case", send(list, modern("Tools/List", "")), denial.HeaderMismatch},
		{"the method in base64", send(list, modern("=?base64?dG9vbHMvbGlzdA==?=", "")), denial.HeaderMismatch},
		{"two methods", send(list, modern("tools/list", ""), with("Mcp-Method: tools/call")), denial.HeaderDuplicated},
		{"another tool", send(call, modern("tools/call", "delete_all")), denial.HeaderMismatch},
		{"the tool in another case", send(call, modern("tools/call", "Read_Case")), denial.HeaderMismatch},
		{"an empty name", send(call, modern("tools/call", ""), with("Mcp-Name:")), denial.HeaderMismatch},
		{"two names", send(call, modern("tools/call", "read_case"), with("Mcp-Name: delete_all")), denial.HeaderDuplicated},
		{"a name with a control character", send(call, modern("tools/call", "read_case\x00")), denial.HeaderInvalid},
		{"another task", send(rpc("tasks/get", meta+`,"taskId":"a"`), modern("tasks/get", "b")), denial.HeaderMismatch},
		{"a name where the method has none", send(list, modern("tools/list", "read_case")), denial.HeaderMismatch},
		{"a name of a completion", send(rpc("completion/complete", meta+`,"ref":{"type":"ref/prompt","name":"a"}`), modern("completion/complete", "a")), denial.HeaderMismatch},
		{"base64 of another tool", send(call, modern("tools/call", "=?base64?ZGVsZXRlX2FsbA==?=")), denial.HeaderMismatch},
		{"base64 that is none", send(call, modern("tools/call", "=?base64?cmVhZF9jYXN!?=")), denial.HeaderMismatch},
		{"base64 without padding", send(call, modern("tools/call", "=?base64?cmVhZF9jYXNlIQ?=")), denial.HeaderMismatch},
		{"base64 with loose bits", send(call, modern("tools/call", "=?base64?cmVhZF9jYXNlIR==?=")), denial.HeaderMismatch},
		{"base64 of the URL alphabet", send(call, modern("tools/call", "=?base64?-_-_?=")), denial.HeaderMismatch},
		{"base64 in capitals", send(call, modern("tools/call", "=?BASE64?cmVhZF9jYXNl?=")), denial.HeaderMismatch},
		{"base64 without an end", send(call, modern("tools/call", "=?base64?cmVhZF9jYXNl")), denial.HeaderMismatch},
		{"base64 of what is not UTF-8", send(call, modern("tools/call", "=?base64?/w==?=")), denial.HeaderMismatch},
		{"base64 of base64", send(call, modern("tools/call", "=?base64?PT9iYXNlNjQ/Y21WaFpGOWpZWE5sPz0=?=")), denial.HeaderMismatch},
		{
			"a tool that is named like base64 and not encoded",
			send(rpc("tools/call", meta+`,"name":"=?base64?YQ==?="`), modern("tools/call", "=?base64?YQ==?=")), denial.HeaderMismatch,
		},
		{"an old client with another method", send(rpc("tools/call", `"name":"a"`), with("Mcp-Method: tools/list")), denial.HeaderMismatch},
		{"an old client with another tool", send(rpc("tools/call", `"name":"a"`), with("Mcp-Name: b")), denial.HeaderMismatch},
		{"an old answer with a method", send(`{"jsonrpc":"2.0","id":1,"result":{}}`, with("Mcp-Method: tools/call")), denial.HeaderMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.req, mcp.Rules{}, tt.want) })
	}
}

func TestMirroredArguments(t *testing.T) {
	pinned := mcp.Rules{ParamHeaders: pins{
		"refund_case": {"case": {"case"}, "region": {"to", "region"}, "dry-run": {"dryRun"}},
		"read_case":   nil,
	}}
	call := func(tool, arguments string, edits ...edit) mcp.Request {
		return send(rpc("tools/call", meta+`,"name":"`+tool+`","arguments":`+arguments), append(edits, modern("tools/call", tool))...)
	}
	old := func(arguments string, edits ...edit) mcp.Request {
		return send(rpc("tools/call", `"name":"refund_case","arguments":`+arguments), append(edits, version("2025-11-25"))...)
	}
	tests := []struct {
		name string
		req  mcp.Request
		want denial.Reason // none: accepted
	}{
		{"an integer", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 42")), ""},
		{"an integer, written as another number of the same value", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 42.0")), ""},
		{"a large integer", call("refund_case", `{"case":9007199254740993}`, with("Mcp-Param-Case: 9007199254740993")), ""},
		{"zero", call("refund_case", `{"case":0}`, with("Mcp-Param-Case: 0")), ""},
		{"minus zero", call("refund_case", `{"case":0}`, with("Mcp-Param-Case: -0")), ""},
		{"a string further down", call("refund_case", `{"to":{"region":"eu"}}`, with("mcp-param-REGION: eu")), ""},
		{"a string in base64", call("refund_case", `{"to":{"region":" eu"}}`, with("Mcp-Param-Region: =?base64?IGV1?=")), ""},
		{"an empty string", call("refund_case", `{"to":{"region":""}}`, with("Mcp-Param-Region:")), ""},
		{"false", call("refund_case", `{"dryRun":false}`, with("Mcp-Param-Dry-Run: false")), ""},
		{"no argument, no header", call("refund_case", `{}`), ""},
		{"null, no header", call("refund_case", `{"case":null,"to":null}`), ""},
		{"an old client without headers", old(`{"case":42}`), ""},
		{"an old client with a header", old(`{"case":42}`, with("Mcp-Param-Case: 42")), ""},
		{"a pinned tool without mirrored arguments", call("read_case", `{"case":42}`), ""},
		{"an unpinned tool without headers", call("other", `{"case":42}`), ""},

		{"another integer", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 43")), denial.HeaderMismatch},
		{"an integer that is equal only as a float", call("refund_case", `{"case":9007199254740993}`, with("Mcp-Param-Case: 9007199254740992")), denial.HeaderMismatch},
		{"an integer with a leading zero", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 042")), denial.HeaderMismatch},
		{"an integer in hexadecimal", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 0x2a")), denial.HeaderMismatch},
		{"an integer with a space in base64", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: =?base64?NDIg?=")), denial.HeaderMismatch},
		{"an integer with a huge exponent", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 42e9999999999999999999")), denial.HeaderMismatch},
		{"a number where the argument is a string", call("refund_case", `{"to":{"region":"1"}}`, with("Mcp-Param-Region: 1.0")), denial.HeaderMismatch},
		{"a string in another case", call("refund_case", `{"to":{"region":"eu"}}`, with("Mcp-Param-Region: EU")), denial.HeaderMismatch},
		{"true in capitals", call("refund_case", `{"dryRun":true}`, with("Mcp-Param-Dry-Run: TRUE")), denial.HeaderMismatch},
		{"false where it is true", call("refund_case", `{"dryRun":true}`, with("Mcp-Param-Dry-Run: false")), denial.HeaderMismatch},
		{"a header without an argument", call("refund_case", `{}`, with("Mcp-Param-Case: 42")), denial.HeaderMismatch},
		{"a header for null", call("refund_case", `{"case":null}`, with("Mcp-Param-Case: null")), denial.HeaderMismatch},
		{"a header for what is not reached", call("refund_case", `{"to":[{"region":"eu"}]}`, with("Mcp-Param-Region: eu")), denial.HeaderMismatch},
		{"a header for a list", call("refund_case", `{"case":[42]}`, with("Mcp-Param-Case: 42")), denial.HeaderMismatch},
		{"base64 that is none", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: =?base64?*?=")), denial.HeaderMismatch},
		{"two headers", call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 42"), with("mcp-param-case: 43")), denial.HeaderDuplicated},
		{"an argument without its header", call("refund_case", `{"case":42}`), denial.HeaderMissing},
		{"an old client with another value", old(`{"case":42}`, with("Mcp-Param-Case: 43")), denial.HeaderMismatch},
		{"a header that the tool does not declare", call("refund_case", `{}`, with("Mcp-Param-Amount: 1")), denial.HeaderUnverifiable},
		{"a header without a name", call("refund_case", `{}`, with("Mcp-Param-: 1")), denial.HeaderUnverifiable},
		{"a header for a tool that declares none", call("read_case", `{}`, with("Mcp-Param-Case: 1")), denial.HeaderUnverifiable},
		{"a header for a tool that is not pinned", call("other", `{}`, with("Mcp-Param-Case: 1")), denial.HeaderUnverifiable},
		{"a header for no tool", send(rpc("tools/list", meta), modern("tools/list", ""), with("Mcp-Param-Case: 1")), denial.HeaderUnverifiable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				accepted(t, tt.req, pinned)
			} else {
				refused(t, tt.req, pinned, tt.want)
			}
		})
	}
	t.Run("nothing is pinned", func(t *testing.T) {
		refused(t, call("refund_case", `{"case":42}`, with("Mcp-Param-Case: 42")), mcp.Rules{}, denial.HeaderUnverifiable)
	})
}
