package mcp_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// What an attacker may put into a body so that the backend does something else than what was decided.
func TestHostileBodies(t *testing.T) {
	call := func(params string) string { return rpc("tools/call", params) }
	list := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

	tests := []struct {
		name string
		body string
		want denial.Reason
	}{
		// Two names for one thing.
		{"a second tool name", call(`"name":"read_case","name":"delete_all"`), denial.JSONDuplicateKey},
		{"a second tool name by an escape", call(`"name":"read_case","n\u0061me":"delete_all"`), denial.JSONDuplicateKey},
		{"a second tool name in capitals", call(`"name":"read_case","NAME":"delete_all"`), denial.JSONCaseVariant},
		{"a tool name in capitals only", call(`"Name":"delete_all"`), denial.JSONCaseVariant},
		{"second params", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}`, denial.JSONDuplicateKey},
		{"params with a long s", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"paramſ":{"name":"b"}}`, denial.JSONCaseVariant},
		{"params with a long s only", `{"jsonrpc":"2.0","id":1,"method":"tools/call","paramſ":{"name":"b"}}`, denial.JSONCaseVariant},
		{"params with an escaped long s", `{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"b"}}`, denial.JSONCaseVariant},
		{"Method only", `{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"b"}}`, denial.JSONCaseVariant},
		{"method twice", `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"b"}}`, denial.JSONDuplicateKey},
		{"ID only", `{"jsonrpc":"2.0","ID":1,"method":"tools/list"}`, denial.JSONCaseVariant},
		{"JSONRPC", `{"JSONRPC":"2.0","id":1,"method":"tools/list"}`, denial.JSONCaseVariant},
		{"Result beside a request", `{"jsonrpc":"2.0","id":1,"method":"tools/list","Result":{}}`, denial.JSONCaseVariant},
		{"arguments twice", call(`"name":"a","arguments":{"x":1},"arguments":{"x":2}`), denial.JSONDuplicateKey},
		{"Arguments only", call(`"name":"a","Arguments":{"x":2}`), denial.JSONCaseVariant},
		{"an argument twice", call(`"name":"a","arguments":{"path":"/tmp","path":"/etc"}`), denial.JSONDuplicateKey},
		{"an argument in two cases", call(`"name":"a","arguments":{"path":"/tmp","Path":"/etc"}`), denial.JSONCaseVariant},
		{"an argument with a Kelvin sign", call(`"name":"a","arguments":{"key":"a","\u212aey":"b"}`), denial.JSONCaseVariant},
		{"a nested argument in two cases", call(`"name":"a","arguments":{"o":[{"id":1,"iD":2}]}`), denial.JSONCaseVariant},
		{"an argument in two cases of another alphabet", call(`"name":"a","arguments":{"σ":1,"ς":2}`), denial.JSONCaseVariant},
		{"one of many arguments twice", call(`"name":"a","arguments":{` + members(40) + `,"m7":1}`), denial.JSONDuplicateKey},
		{"one of many arguments in two cases", call(`"name":"a","arguments":{` + members(40) + `,"M7":1}`), denial.JSONCaseVariant},
		{"a long s among many arguments", call(`"name":"a","arguments":{"s":1,` + members(40) + `,"\u017f":1}`), denial.JSONCaseVariant},
		{"names in free data", call(`"name":"a","_meta":{"com.example/x":{"a":1,"A":2}}`), denial.JSONCaseVariant},
		{"URI in capitals only", rpc("resources/read", `"URI":"a:b"`), denial.JSONCaseVariant},
		{"TaskID", rpc("tasks/get", `"taskID":"a"`), denial.JSONCaseVariant},
		{"a _META", call(`"name":"a","_META":{}`), denial.JSONCaseVariant},
		{"the version in _meta in another case", call(`"name":"a","_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}`), denial.JSONCaseVariant},
		{"a ref with Name", rpc("completion/complete", `"ref":{"type":"ref/prompt","Name":"a"}`), denial.JSONCaseVariant},
		{"an error with Code", `{"jsonrpc":"2.0","id":1,"error":{"Code":1,"message":""}}`, denial.JSONCaseVariant},
		{"a NUL after the name", call(`"name":"read_case","name\u0000":"delete_all"`), denial.JSONNULKey},
		{"a NUL in an argument's name", call(`"name":"a","arguments":{"a\u0000b":1}`), denial.JSONNULKey},
		{"a NUL at the top", `{"jsonrpc":"2.0","id":1,"method\u0000":"x","method":"ping"}`, denial.JSONNULKey},

		// Text that parsers read differently.
		{"a byte order mark", "\ufeff" + call(`"name":"a"`), denial.JSONSyntax},
		{"bytes that are not UTF-8", call("\"name\":\"a\xff\""), denial.JSONUTF8},
		{"an overlong slash", call("\"name\":\"a\xc0\xaf\""), denial.JSONUTF8},
		{"a surrogate in UTF-8", call("\"name\":\"\xed\xa0\x80\""), denial.JSONUTF8},
		{"a lone high surrogate", call(`"name":"\ud800"`), denial.JSONUTF8},
		{"a lone low surrogate", call(`"name":"\udc00x"`), denial.JSONUTF8},
		{"two high surrogates", call(`"name":"\ud83d\ud83d"`), denial.JSONUTF8},
		{"a high surrogate before another escape", call(`"name":"\ud83d\n"`), denial.JSONUTF8},
		{"a high surrogate before a letter", call(`"name":"\ud83d\u0041"`), denial.JSONUTF8},
		{"a lone surrogate in a name", call(`"name":"a","arguments":{"\uDFFF":1}`), denial.JSONUTF8},
		{"a lone surrogate behind an escaped backslash", call(`"name":"\\\ud800"`), denial.JSONUTF8},
		{"UTF-16", "{\x00}\x00", denial.JSONSyntax},
		{"a second request", call(`"name":"a"`) + call(`"name":"b"`), denial.JSONTrailing},
		{"a second request on its own line", call(`"name":"a"`) + "\n" + call(`"name":"b"`), denial.JSONTrailing},
		{"one brace too many", call(`"name":"a"`) + "}", denial.JSONTrailing},
		{"a NUL at the end", call(`"name":"a"`) + "\x00", denial.JSONTrailing},
		{"an unfinished second value", call(`"name":"a"`) + ` "abc`, denial.JSONTrailing},
		{"a comment", `{"jsonrpc":"2.0",/* */"id":1,"method":"ping"}`, denial.JSONSyntax},
		{"a trailing comma", `{"jsonrpc":"2.0","id":1,"method":"ping",}`, denial.JSONSyntax},
		{"a trailing comma in a list", call(`"name":"a","x":[1,]`), denial.JSONSyntax},
		{"single quotes", `{'jsonrpc':'2.0'}`, denial.JSONSyntax},
		{"a name without quotes", `{jsonrpc:"2.0"}`, denial.JSONSyntax},
		{"a number as a name", `{1:2}`, denial.JSONSyntax},
		{"a missing colon", `{"jsonrpc" "2.0"}`, denial.JSONSyntax},
		{"a missing comma", `{"jsonrpc":"2.0" "id":1}`, denial.JSONSyntax},
		{"a missing brace", `{"jsonrpc":"2.0","id":1,"method":"ping"`, denial.JSONSyntax},
		{"a bracket for a brace", `{"jsonrpc":"2.0","id":1,"method":"ping"]`, denial.JSONSyntax},
		{"a tab in a string", call("\"name\":\"a\tb\""), denial.JSONSyntax},
		{"an unknown escape", call(`"name":"\x41"`), denial.JSONSyntax},
		{"half an escape", call(`"name":"\u00"`), denial.JSONSyntax},
		{"a backslash at the end", `{"a":"\`, denial.JSONSyntax},
		{"NaN", call(`"name":"a","x":NaN`), denial.JSONSyntax},
		{"Infinity", call(`"name":"a","x":Infinity`), denial.JSONSyntax},
		{"True", call(`"name":"a","x":True`), denial.JSONSyntax},
		{"white space only", " \n", denial.JSONSyntax},
		{"a form feed as white space", "\f" + call(`"name":"a"`), denial.JSONSyntax},

		// Numbers that are something else elsewhere.
		{"an integer over 64 bits", call(`"name":"a","x":9223372036854775808`), denial.JSONNumber},
		{"an integer under 64 bits", call(`"name":"a","x":-9223372036854775809`), denial.JSONNumber},
		{"minus zero", call(`"name":"a","x":-0`), denial.JSONNumber},
		{"a leading zero", call(`"name":"a","x":007`), denial.JSONSyntax},
		{"a plus sign", call(`"name":"a","x":+7`), denial.JSONSyntax},
		{"a hexadecimal number", call(`"name":"a","x":0x10`), denial.JSONSyntax},
		{"a number that begins with a point", call(`"name":"a","x":.5`), denial.JSONSyntax},
		{"a number that ends in a point", call(`"name":"a","x":5.`), denial.JSONSyntax},
		{"a number too large for a float", call(`"name":"a","x":1e400`), denial.JSONNumber},
		{"a number too small for a float", call(`"name":"a","x":1e-400`), denial.JSONNumber},
		{"an exponent of many digits", call(`"name":"a","x":0e99999999999999999999`), denial.JSONNumber},
		{"more digits than a float has", call(`"name":"a","x":0.10000000000000000001`), denial.JSONNumber},
		{"an integer between two floats, as a float", call(`"name":"a","x":9007199254740993.0`), denial.JSONNumber},
		{"a number of a thousand digits", call(`"name":"a","x":1` + strings.Repeat("0", 1000)), denial.JSONNumber},
		{"a fraction of a thousand digits", call(`"name":"a","x":0.` + strings.Repeat("0", 1000)), denial.JSONNumber},

		// Too much of it.
		{"nested too deeply", call(`"name":"a","arguments":{"x":` + nested(30) + `}`), denial.JSONDepth},
		{"nested as deeply as the body is long", strings.Repeat("[", 10000), denial.JSONDepth},
		{"nested as deeply in objects", strings.Repeat(`{"a":`, 5000), denial.JSONDepth},
		{"a list too long", call(`"name":"a","x":[` + list(mcp.MaxElements+1, "0") + `]`), denial.JSONLimit},
		{"an object too large", call(`"name":"a","x":{` + members(mcp.MaxElements+1) + `}`), denial.JSONLimit},
		{"too many values", call(`"name":"a","x":[` + list(11, `[`+list(mcp.MaxElements, "0")+`]`) + `]`), denial.JSONLimit},

		// Not JSON-RPC.
		{"a string", `"tools/call"`, denial.RPCInvalid},
		{"null", `null`, denial.RPCInvalid},
		{"an empty object", `{}`, denial.RPCInvalid},
		{"no version", `{"id":1,"method":"ping"}`, denial.RPCInvalid},
		{"version 1.0", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, denial.RPCInvalid},
		{"version 2.0 as a number", `{"jsonrpc":2.0,"id":1,"method":"ping"}`, denial.RPCInvalid},
		{"an id that is null", `{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}`, denial.RPCInvalid},
		{"an id with a fraction", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, denial.RPCInvalid},
		{"an id with an exponent", `{"jsonrpc":"2.0","id":1e2,"method":"ping"}`, denial.RPCInvalid},
		{"an id that is an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, denial.RPCInvalid},
		{"an id that is true", `{"jsonrpc":"2.0","id":true,"method":"ping"}`, denial.RPCInvalid},
		{"an id of two thousand bytes", `{"jsonrpc":"2.0","id":"` + strings.Repeat("i", 2000) + `","method":"ping"}`, denial.RPCInvalid},
		{"a method that is a number", `{"jsonrpc":"2.0","id":1,"method":7}`, denial.RPCInvalid},
		{"a method that is null", `{"jsonrpc":"2.0","id":1,"method":null,"result":{}}`, denial.RPCInvalid},
		{"a request that is also a response", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"result":{}}`, denial.RPCInvalid},
		{"a notification that is also an error", `{"jsonrpc":"2.0","method":"notifications/initialized","error":{"code":1,"message":""}}`, denial.RPCInvalid},
		{"a member that JSON-RPC does not have", `{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}`, denial.RPCInvalid},
		{"an answer with params", `{"jsonrpc":"2.0","id":1,"result":{},"params":{}}`, denial.RPCInvalid},
		{"an answer that succeeds and fails", `{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}`, denial.RPCInvalid},
		{"an answer without anything", `{"jsonrpc":"2.0","id":1}`, denial.RPCInvalid},
		{"an answer without an id", `{"jsonrpc":"2.0","result":{}}`, denial.RPCInvalid},
		{"an error without an id", `{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}`, denial.RPCInvalid},
		{"a result that is a string", `{"jsonrpc":"2.0","id":1,"result":"x"}`, denial.RPCInvalid},
		{"an error that is a string", `{"jsonrpc":"2.0","id":1,"error":"x"}`, denial.RPCInvalid},
		{"an error with a fraction for a code", `{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}`, denial.RPCInvalid},
		{"an error without a message", `{"jsonrpc":"2.0","id":1,"error":{"code":1}}`, denial.RPCInvalid},
		{"an error with more in it", `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","x":1}}`, denial.RPCInvalid},
		{"a tool called by a notification", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}`, denial.RPCInvalid},
		{"a notification with an id", `{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}`, denial.RPCInvalid},
		{"a batch", `[` + call(`"name":"a"`) + `]`, denial.RPCBatch},
		{"an empty batch", `[]`, denial.RPCBatch},

		// Methods that are not for clients, or not quite methods.
		{"a server's method", rpc("sampling/createMessage", ""), denial.MethodUnknown},
		{"a method in another case", rpc("Tools/Call", `"name":"a"`), denial.MethodUnknown},
		{"a method with a space", rpc("tools/call ", `"name":"a"`), denial.MethodUnknown},
		{"a method with a NUL", rpc(`tools/call\u0000`, `"name":"a"`), denial.MethodUnknown},
		{"a method with a lookalike", rpc("tools/саll", `"name":"a"`), denial.MethodUnknown},
		{"the new discovery in the old version", rpc("server/discover", ""), denial.MethodUnknown},
		{"the new subscription in the old version", rpc("subscriptions/listen", `"notifications":{}`), denial.MethodUnknown},

		// Params that do not say what the call is about.
		{"params in a list", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}`, denial.ParamsInvalid},
		{"params that are null", `{"jsonrpc":"2.0","id":1,"method":"ping","params":null}`, denial.ParamsInvalid},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, denial.ParamsInvalid},
		{"no tool", call(`"arguments":{}`), denial.ParamsInvalid},
		{"a tool without a name", call(`"name":""`), denial.ParamsInvalid},
		{"a tool that is a number", call(`"name":1`), denial.ParamsInvalid},
		{"a tool that is a list", call(`"name":["a","b"]`), denial.ParamsInvalid},
		{"all tools", call(`"name":"*"`), denial.ParamsInvalid},
		{"two tools", call(`"name":"read_case delete_all"`), denial.ParamsInvalid},
		{"a tool with a line break", call(`"name":"a\nb"`), denial.ParamsInvalid},
		{"a tool with a NUL", call(`"name":"a\u0000"`), denial.ParamsInvalid},
		{"a tool with a no-break space", call(`"name":"a\u00a0b"`), denial.ParamsInvalid},
		{"a tool with an invisible character", call(`"name":"a\u200bb"`), denial.ParamsInvalid},
		{"a tool that turns the line around", call(`"name":"a\u202eb"`), denial.ParamsInvalid},
		{"a tool with a quote", call(`"name":"a\"b"`), denial.ParamsInvalid},
		{"a tool with a backslash", call(`"name":"a\\b"`), denial.ParamsInvalid},
		{"a tool of 257 bytes", call(`"name":"` + strings.Repeat("t", 257) + `"`), denial.ParamsInvalid},
		{"arguments that are a string", call(`"name":"a","arguments":"{}"`), denial.ParamsInvalid},
		{"arguments that are a list", call(`"name":"a","arguments":[]`), denial.ParamsInvalid},
		{"arguments that are null", call(`"name":"a","arguments":null`), denial.ParamsInvalid},
		{"_meta that is a string", call(`"name":"a","_meta":""`), denial.ParamsInvalid},
		{"a prompt of two thousand bytes", rpc("prompts/get", `"name":"`+strings.Repeat("p", 2000)+`"`), denial.ParamsInvalid},
		{"a prompt with a control character", rpc("prompts/get", `"name":"a\u0007"`), denial.ParamsInvalid},
		{"a prompt whose arguments are a string", rpc("prompts/get", `"name":"a","arguments":"x"`), denial.ParamsInvalid},
		{"no resource", rpc("resources/read", ""), denial.ParamsInvalid},
		{"a resource with a space", rpc("resources/read", `"uri":"file:///a b"`), denial.ParamsInvalid},
		{"a resource of nine thousand bytes", rpc("resources/read", `"uri":"a:`+strings.Repeat("u", 9000)+`"`), denial.ParamsInvalid},
		{"no task", rpc("tasks/get", ""), denial.ParamsInvalid},
		{"no ref", rpc("completion/complete", ""), denial.ParamsInvalid},
		{"a ref of an unknown type", rpc("completion/complete", `"ref":{"type":"ref/tool","name":"a"}`), denial.ParamsInvalid},
		{"a ref to two things", rpc("completion/complete", `"ref":{"type":"ref/prompt","name":"a","uri":"b:c"}`), denial.ParamsInvalid},
		{"a ref to nothing", rpc("completion/complete", `"ref":{"type":"ref/resource"}`), denial.ParamsInvalid},
		{"initialize without a version", rpc("initialize", ""), denial.ParamsInvalid},
		{"initialize with a number for a version", rpc("initialize", `"protocolVersion":1`), denial.ParamsInvalid},
		{"initialize with an empty version", rpc("initialize", `"protocolVersion":""`), denial.ParamsInvalid},
		{"initialize with a version of a hundred bytes", rpc("initialize", `"protocolVersion":"`+strings.Repeat("1", 100)+`"`), denial.ParamsInvalid},

		// Versions.
		{"a new version in the body only", rpc("tools/list", meta), denial.VersionMismatch},
		{"a version in _meta that is a number", rpc("tools/list", `"_meta":{"io.modelcontextprotocol/protocolVersion":1}`), denial.ParamsInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call := refused(t, send(tt.body, version("2025-11-25")), mcp.Rules{}, tt.want)
			if call.Version != "2025-11-25" || call.Modern {
				t.Errorf("the version is %q", call.Version)
			}
		})
	}
}

func TestHostileBodiesOfTheNewVersion(t *testing.T) {
	tests := []struct {
		name, method, mirrored, body string
		want                         denial.Reason
	}{
		{"no params", "tools/list", "", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, denial.ParamsInvalid},
		{"no _meta", "tools/list", "", rpc("tools/list", ""), denial.ParamsInvalid},
		{"no version in _meta", "tools/list", "", rpc("tools/list", `"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}`), denial.ParamsInvalid},
		{"no capabilities in _meta", "tools/list", "", rpc("tools/list", `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`), denial.ParamsInvalid},
		{"capabilities that are a list", "tools/list", "", rpc("tools/list", strings.Replace(meta, "{}", "[]", 1)), denial.ParamsInvalid},
		{"an old version in _meta", "tools/list", "", rpc("tools/list", strings.Replace(meta, "2026-07-28", "2025-11-25", 1)), denial.VersionMismatch},
		{"capabilities in another case", "tools/list", "", rpc("tools/list", strings.Replace(meta, "clientCap", "clientcap", 1)), denial.JSONCaseVariant},
		{"a response", "tools/list", "", `{"jsonrpc":"2.0","id":1,"result":{}}`, denial.RPCInvalid},
		{"a batch", "tools/list", "", `[` + rpc("tools/list", meta) + `]`, denial.RPCBatch},
		{"initialize", "initialize", "", rpc("initialize", meta+`,"protocolVersion":"2025-11-25"`), denial.MethodUnknown},
		{"tasks/list", "tasks/list", "", rpc("tasks/list", meta), denial.MethodUnknown},
		{"no notifications", "subscriptions/listen", "", rpc("subscriptions/listen", meta), denial.ParamsInvalid},
		{"notifications in another case", "subscriptions/listen", "", rpc("subscriptions/listen", meta+`,"notifications":{"resourcesubscriptions":["a:b"]}`), denial.JSONCaseVariant},
		{"a subscription that is a string", "subscriptions/listen", "", rpc("subscriptions/listen", meta+`,"notifications":{"resourceSubscriptions":"a:b"}`), denial.ParamsInvalid},
		{"a subscription to a number", "subscriptions/listen", "", rpc("subscriptions/listen", meta+`,"notifications":{"resourceSubscriptions":[1]}`), denial.ParamsInvalid},
		{"a subscription to a space", "subscriptions/listen", "", rpc("subscriptions/listen", meta+`,"notifications":{"resourceSubscriptions":["a:b","a b"]}`), denial.ParamsInvalid},
		{
			"101 subscriptions", "subscriptions/listen", "",
			rpc("subscriptions/listen", meta+`,"notifications":{"resourceSubscriptions":["a:b"`+strings.Repeat(`,"a:b"`, 100)+`]}`), denial.ParamsInvalid,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, send(tt.body, modern(tt.method, tt.mirrored)), mcp.Rules{}, tt.want)
		})
	}
}

func TestHostileBatches(t *testing.T) {
	ping := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}` }
	many := make([]string, mcp.MaxBatch+1)
	for i := range many {
		many[i] = ping(fmt.Sprint(i))
	}
	allow := mcp.Rules{AllowBatch: true}
	tests := []struct {
		name  string
		body  string
		edits []edit
		rules mcp.Rules
		want  denial.Reason
	}{
		{"where none is allowed", `[` + ping("1") + `]`, nil, mcp.Rules{}, denial.RPCBatch},
		{"in a version without batches", `[` + ping("1") + `]`, []edit{version("2025-06-18")}, allow, denial.RPCBatch},
		{"in the oldest version", `[` + ping("1") + `]`, []edit{version("2024-11-05")}, allow, denial.RPCBatch},
		{"in an unknown version", `[` + ping("1") + `]`, []edit{version("2025-01-01")}, allow, denial.VersionUnsupported},
		{"below the oldest version allowed", `[` + ping("1") + `]`, nil, mcp.Rules{AllowBatch: true, MinVersion: "2025-06-18"}, denial.VersionUnsupported},
		{"two versions", `[` + ping("1") + `]`, []edit{version("2025-03-26"), version("2025-11-25")}, allow, denial.HeaderDuplicated},
		{"of nothing", `[]`, nil, allow, denial.RPCBatch},
		{"of 51", `[` + strings.Join(many, ",") + `]`, nil, allow, denial.RPCBatch},
		{"with a batch inside", `[[` + ping("1") + `]]`, nil, allow, denial.RPCInvalid},
		{"with a number inside", `[` + ping("1") + `,1]`, nil, allow, denial.RPCInvalid},
		{"with initialize inside", `[` + rpc("initialize", `"protocolVersion":"2025-03-26"`) + `]`, nil, allow, denial.RPCBatch},
		{"with one id for two requests", `[` + ping(`"a"`) + `,` + ping(`"\u0061"`) + `]`, nil, allow, denial.RPCBatch},
		{"with a bad message at the end", `[` + ping("1") + `,{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"NAME":"x"}}]`, nil, allow, denial.JSONCaseVariant},
		{"with a server's method", `[` + ping("1") + `,` + rpc("roots/list", "") + `]`, nil, allow, denial.MethodUnknown},
		{"with a new version inside", `[` + rpc("tools/list", meta) + `]`, nil, allow, denial.HeaderMissing},
		{"under one method in the header", `[` + ping("1") + `]`, []edit{with("Mcp-Method: ping")}, allow, denial.HeaderMismatch},
		{"with a header for an argument", `[` + rpc("tools/call", `"name":"a"`) + `]`, []edit{with("Mcp-Param-X: 1")}, allow, denial.HeaderUnverifiable},
		{"in a session that is none", `[` + ping("1") + `]`, []edit{with("Mcp-Session-Id: a b")}, allow, denial.HeaderInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call := refused(t, send(tt.body, tt.edits...), tt.rules, tt.want)
			if !call.ID.IsZero() {
				t.Errorf("the answer would go to %s alone", call.ID)
			}
		})
	}
}
