package mcp_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
)

func args(members ...mcp.Member) mcp.Object { return mcp.NewObject(members...) }

// What clients of each version send, and what it is about.
func TestClientsOfEveryVersionAreUnderstood(t *testing.T) {
	refund := args(mcp.Member{Name: "case", Value: mcp.Int(4711)}, mcp.Member{Name: "note", Value: mcp.String("ok")})
	tests := []struct {
		name  string
		req   mcp.Request
		rules mcp.Rules
		want  mcp.Call
	}{
		{
			name: "a 2024-11-05 client calls a tool without naming its version",
			req:  send(rpc("tools/call", `"name":"refund_case","arguments":{"case":4711,"note":"ok"}`), with("Mcp-Session-Id: s-1")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "tools/call", ID: mcp.IntID(1), SessionID: "s-1",
				Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: "refund_case"}}, Arguments: refund,
			},
		},
		{
			name: "a client introduces itself",
			req:  send(rpc("initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}`)),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "initialize", ID: mcp.IntID(1), Version: "2025-11-25"},
		},
		{
			name: "a client from the future asks for a version that nobody here knows",
			req:  send(rpc("initialize", `"protocolVersion":"2031-01-01"`)),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "initialize", ID: mcp.IntID(1), Version: "2031-01-01"},
		},
		{
			name: "a client initializes again with the header of its old session",
			req:  send(rpc("initialize", `"protocolVersion":"2025-11-25"`), version("2025-06-18")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "initialize", ID: mcp.IntID(1), Version: "2025-11-25"},
		},
		{
			name: "initialized, a notification without params",
			req:  send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, version("2025-06-18")),
			want: mcp.Call{Kind: mcp.KindNotification, Method: "notifications/initialized", Version: "2025-06-18"},
		},
		{
			name: "a ping with a string id and no params",
			req:  send(` {"method":"ping","id":"a\u0062\"","jsonrpc":"2.0"} `+"\n", version("2025-03-26")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "ping", ID: mcp.StringID(`ab"`), Version: "2025-03-26"},
		},
		{
			name: "a client answers a server's question",
			req:  send(`{"jsonrpc":"2.0","id":9,"result":{"roots":[]}}`, version("2025-06-18"), with("Mcp-Session-Id: s-1")),
			want: mcp.Call{Kind: mcp.KindResponse, ID: mcp.IntID(9), Version: "2025-06-18", SessionID: "s-1"},
		},
		{
			name: "a client answers with an error",
			req:  send(`{"jsonrpc":"2.0","id":"q","error":{"code":-1,"message":"declined","data":[1]}}`, version("2025-06-18")),
			want: mcp.Call{Kind: mcp.KindResponse, ID: mcp.StringID("q"), Version: "2025-06-18"},
		},
		{
			name: "reading a resource",
			req:  send(rpc("resources/read", `"uri":"file:///crm/42?x=ä"`), version("2025-06-18")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "resources/read", ID: mcp.IntID(1), Version: "2025-06-18",
				Targets: []mcp.Target{{Kind: mcp.TargetResource, Name: "file:///crm/42?x=ä"}},
			},
		},
		{
			name: "subscribing to a resource",
			req:  send(rpc("resources/subscribe", `"uri":"crm://case/1"`), version("2025-11-25")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "resources/subscribe", ID: mcp.IntID(1), Version: "2025-11-25",
				Targets: []mcp.Target{{Kind: mcp.TargetResource, Name: "crm://case/1"}},
			},
		},
		{
			name: "completing an argument of a prompt",
			req:  send(rpc("completion/complete", `"ref":{"type":"ref/prompt","name":"brief us"},"argument":{"name":"a","value":"b"}`), version("2025-06-18")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "completion/complete", ID: mcp.IntID(1), Version: "2025-06-18",
				Targets: []mcp.Target{{Kind: mcp.TargetPrompt, Name: "brief us"}},
			},
		},
		{
			name: "completing a resource template",
			req:  send(rpc("completion/complete", `"ref":{"type":"ref/resource","uri":"crm://case/{id}"}`), version("2025-06-18")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "completion/complete", ID: mcp.IntID(1), Version: "2025-06-18",
				Targets: []mcp.Target{{Kind: mcp.TargetResource, Name: "crm://case/{id}"}},
			},
		},
		{
			name: "asking for the result of a task",
			req:  send(rpc("tasks/result", `"taskId":"t-1"`), version("2025-11-25")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "tasks/result", ID: mcp.IntID(1), Version: "2025-11-25",
				Targets: []mcp.Target{{Kind: mcp.TargetTask, Name: "t-1"}},
			},
		},
		{
			name: "a gateway mirrors the method of an old client",
			req:  send(rpc("tools/call", `"name":"a"`), with("Mcp-Method: tools/call"), with("Mcp-Name: a")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "tools/call", ID: mcp.IntID(1), Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: "a"}},
			},
		},
		{
			name: "the version in _meta agrees with the header of an old version",
			req:  send(rpc("tools/list", `"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}`), version("2025-11-25")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "tools/list", ID: mcp.IntID(1), Version: "2025-11-25"},
		},
		{
			name: "2026-07-28 discovers a server; a session header is of no meaning",
			req:  send(rpc("server/discover", meta), modern("server/discover", ""), with("Mcp-Session-Id: not\u00e9 valid")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "server/discover", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true},
		},
		{
			name: "2026-07-28 calls a tool again with what it was asked for",
			req: send(rpc("tools/call", meta+`,"name":"refund_case","arguments":{"note":"ok","case":4711},"inputResponses":{"a":{}},"requestState":"x"`),
				modern("tools/call", "refund_case")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "tools/call", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true,
				Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: "refund_case"}}, Arguments: refund,
			},
		},
		{
			name: "2026-07-28 gets a prompt whose name needs base64",
			req:  send(rpc("prompts/get", meta+`,"name":"日本語"`), modern("prompts/get", "=?base64?5pel5pys6Kqe?=")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "prompts/get", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true,
				Targets: []mcp.Target{{Kind: mcp.TargetPrompt, Name: "日本語"}},
			},
		},
		{
			name: "2026-07-28 listens to two resources",
			req: send(rpc("subscriptions/listen", meta+`,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["crm://1","crm://2"]}`),
				modern("subscriptions/listen", "")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "subscriptions/listen", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true,
				Targets: []mcp.Target{{Kind: mcp.TargetResource, Name: "crm://1"}, {Kind: mcp.TargetResource, Name: "crm://2"}},
			},
		},
		{
			name: "2026-07-28 listens to the server only",
			req:  send(rpc("subscriptions/listen", meta+`,"notifications":{"toolsListChanged":true}`), modern("subscriptions/listen", "")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "subscriptions/listen", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true},
		},
		{
			name: "2026-07-28 updates a task",
			req:  send(rpc("tasks/update", meta+`,"taskId":"t-1"`), modern("tasks/update", "t-1")),
			want: mcp.Call{
				Kind: mcp.KindRequest, Method: "tasks/update", ID: mcp.IntID(1), Version: "2026-07-28", Modern: true,
				Targets: []mcp.Target{{Kind: mcp.TargetTask, Name: "t-1"}},
			},
		},
		{
			name: "2026-07-28 cancels by notification, as SDKs with several transports do",
			req: send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`,
				modern("notifications/cancelled", "")),
			want: mcp.Call{Kind: mcp.KindNotification, Method: "notifications/cancelled", Version: "2026-07-28", Modern: true},
		},
		{
			name: "a stream", req: bare("GET", with("Mcp-Session-Id: s-1"), version("2025-06-18"), with("Last-Event-ID: 7")),
			want: mcp.Call{Kind: mcp.KindStream, Version: "2025-06-18", SessionID: "s-1"},
		},
		{
			name: "the end of a session, from a proxy that cannot tell sizes",
			req:  bare("DELETE", with("Mcp-Session-Id: s-1"), size(-1), with("Content-Length: 0")),
			want: mcp.Call{Kind: mcp.KindEnd, SessionID: "s-1"},
		},
		{
			name: "a browser's preflight to a server that allows only 2026-07-28", req: bare("OPTIONS"),
			rules: mcp.Rules{MinVersion: mcp.Version20260728},
			want:  mcp.Call{Kind: mcp.KindPreflight},
		},
		{
			name: "HTTP/2 from a proxy that says the size but passes no Content-Length",
			req:  send(rpc("ping", ""), without("Content-Length"), without("X-Envoy-Auth-Partial-Body")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "ping", ID: mcp.IntID(1)},
		},
		{
			name: "HTTP/1.1 chunked",
			req:  send(rpc("ping", ""), without("Content-Length"), with("Transfer-Encoding: chunked")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "ping", ID: mcp.IntID(1)},
		},
		{
			name: "a proxy that never knows the size, with the client's Content-Length",
			req:  send(rpc("ping", ""), size(-1), without("X-Envoy-Auth-Partial-Body")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "ping", ID: mcp.IntID(1)},
		},
		{
			name: "content type with a charset, coding identity",
			req:  send(rpc("ping", ""), instead(`Content-Type: Application/JSON; charset="UTF-8"`), with("Content-Encoding: identity")),
			want: mcp.Call{Kind: mcp.KindRequest, Method: "ping", ID: mcp.IntID(1)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.BodyHash = sha256.Sum256(tt.req.Body)
			got := accepted(t, tt.req, tt.rules)
			if diff := cmp.Diff(&tt.want, got, byValue); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBatchIsReadMessageByMessage(t *testing.T) {
	body := `[` + rpc("tools/call", `"name":"read_case","arguments":{}`) + `,
		{"jsonrpc":"2.0","id":1,"result":{}}, {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}},
		{"jsonrpc":"2.0","id":"1","method":"tools/list"}, {"jsonrpc":"2.0","method":"notifications/initialized"}]`
	for _, edits := range [][]edit{{}, {version("2025-03-26")}} {
		call := accepted(t, send(body, append(edits, with("Mcp-Session-Id: s-1"))...), mcp.Rules{AllowBatch: true})
		if call.Kind != mcp.KindBatch || call.Method != "" || call.SessionID != "s-1" || len(call.Batch) != 5 {
			t.Fatalf("got %+v", call)
		}
		if got := call.Batch[0]; got.Targets[0].Name != "read_case" || got.Arguments.IsZero() || got.SessionID != "s-1" ||
			got.BodyHash != call.BodyHash || got.ID != mcp.IntID(1) {
			t.Errorf("first message: %+v", got)
		}
		if got := call.Batch[3]; got.Method != "tools/list" || got.ID != mcp.StringID("1") {
			t.Errorf("fourth message: %+v", got)
		}
	}
}

// A refusal must be addressed to the request that it refuses, and to no other.
func TestRefusalsKeepWhatIsNeededForTheAnswer(t *testing.T) {
	tests := []struct {
		name   string
		req    mcp.Request
		want   denial.Reason
		id     mcp.ID
		method string
		kind   mcp.Kind
	}{
		{
			"the broken rule comes after the id", send(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"x":1,"X":2}}`),
			denial.JSONCaseVariant, mcp.StringID("a"), "tools/call", mcp.KindInvalid,
		},
		{
			"the broken rule comes before the id", send(`{"jsonrpc":"2.0","params":{"x":1,"x":2},"id":1,"method":"tools/call"}`),
			denial.JSONDuplicateKey, mcp.ID{}, "", mcp.KindInvalid,
		},
		{
			"two ids: none is certain", send(`{"jsonrpc":"2.0","id":1,"method":"ping","id":2}`),
			denial.JSONDuplicateKey, mcp.ID{}, "ping", mcp.KindInvalid,
		},
		{
			"two ids by case", send(`{"jsonrpc":"2.0","id":1,"method":"ping","ID":2}`),
			denial.JSONCaseVariant, mcp.ID{}, "ping", mcp.KindInvalid,
		},
		{
			"two methods", send(`{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}`),
			denial.JSONCaseVariant, mcp.IntID(1), "", mcp.KindInvalid,
		},
		{
			"an id further down is not the id", send(`{"jsonrpc":"2.0","params":{"id":5,"method":"ping","a":1,"a":1}}`),
			denial.JSONDuplicateKey, mcp.ID{}, "", mcp.KindInvalid,
		},
		{
			"an id that is none", send(`{"jsonrpc":"2.0","id":{},"method":7,"a":[1,]}`),
			denial.JSONSyntax, mcp.ID{}, "", mcp.KindInvalid,
		},
		{
			"half of the body", send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`),
			denial.JSONSyntax, mcp.IntID(1), "tools/call", mcp.KindInvalid,
		},
		{
			"an unknown method", send(rpc("admin/reset", "")),
			denial.MethodUnknown, mcp.IntID(1), "admin/reset", mcp.KindRequest,
		},
		{
			"a batch has no id", send(`[` + rpc("ping", "") + `]`),
			denial.RPCBatch, mcp.ID{}, "", mcp.KindBatch,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			version("2025-11-25")(&tt.req)
			call := refused(t, tt.req, mcp.Rules{}, tt.want)
			if call.ID != tt.id || call.Method != tt.method || call.Kind != tt.kind || call.Version != "2025-11-25" {
				t.Errorf("got id %s, method %q, %s, version %q", call.ID, call.Method, call.Kind, call.Version)
			}
			if call.BodyHash != sha256.Sum256(tt.req.Body) {
				t.Error("the hash is not that of the body")
			}
		})
	}
}

func TestUnsupportedVersionIsKeptForTheAnswer(t *testing.T) {
	call := refused(t, send(rpc("ping", ""), version("2031-01-01")), mcp.Rules{}, denial.VersionUnsupported)
	if call.Version != "2031-01-01" || call.ID != mcp.IntID(1) {
		t.Errorf("got %+v", call)
	}
}

// The oldest version allowed holds for every way to begin.
func TestOldestVersion(t *testing.T) {
	initialize := func(v string) mcp.Request { return send(rpc("initialize", `"protocolVersion":"`+v+`"`)) }
	tests := []struct {
		name   string
		req    mcp.Request
		oldest string
		ok     bool
	}{
		{"no header stands for 2025-03-26", send(rpc("ping", "")), "2025-06-18", false},
		{"no header, and that is enough", send(rpc("ping", "")), "2025-03-26", true},
		{"an old header", send(rpc("ping", ""), version("2025-06-18")), "2025-11-25", false},
		{"the same header", send(rpc("ping", ""), version("2025-11-25")), "2025-11-25", true},
		{"an old stream", bare("GET"), "2025-06-18", false},
		{"an old end", bare("DELETE", version("2024-11-05")), "2025-06-18", false},
		{"an old response", send(`{"jsonrpc":"2.0","id":1,"result":{}}`), "2025-06-18", false},
		{"asking for an old version", initialize("2025-03-26"), "2025-06-18", false},
		{"asking for a new enough one", initialize("2025-06-18"), "2025-06-18", true},
		{"asking for one from the future", initialize("2031-01-01"), "2025-11-25", true},
		{"asking for one without a date", initialize("DRAFT-2031"), "2025-06-18", false},
		{"asking for one without a date where any will do", initialize("DRAFT-2031"), "", true},
		{"going back to initialize with the name of the new version", initialize("2026-07-28"), "2026-07-28", false},
		{"going back to initialize with a future version", initialize("2031-01-01"), "2026-07-28", false},
		{"the new version", send(rpc("tools/list", meta), modern("tools/list", "")), "2026-07-28", true},
		{"a bound that is no version lets nothing through", send(rpc("ping", ""), version("2025-11-25")), "2020-01-01", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rules := mcp.Rules{MinVersion: tt.oldest}
			if tt.ok {
				accepted(t, tt.req, rules)
			} else {
				refused(t, tt.req, rules, denial.VersionUnsupported)
			}
		})
	}
}

// Which version has which method, after the schemas.
func TestMethodsOfEveryVersion(t *testing.T) {
	params := map[string]string{
		"initialize": `"protocolVersion":"2025-11-25"`, "tools/call": `"name":"a"`, "prompts/get": `"name":"a"`,
		"resources/read": `"uri":"a:b"`, "resources/subscribe": `"uri":"a:b"`, "resources/unsubscribe": `"uri":"a:b"`,
		"completion/complete":  `"ref":{"type":"ref/prompt","name":"a"}`,
		"subscriptions/listen": `"notifications":{}`,
		"tasks/get":            `"taskId":"a"`, "tasks/result": `"taskId":"a"`, "tasks/cancel": `"taskId":"a"`, "tasks/update": `"taskId":"a"`,
	}
	names := map[string]string{
		"tools/call": "a", "prompts/get": "a", "resources/read": "a:b", "tasks/get": "a", "tasks/cancel": "a", "tasks/update": "a",
	}
	const legacy, tasks, now = "2024-11-05 2025-03-26 2025-06-18 2025-11-25", "2025-11-25", "2026-07-28"
	const always = legacy + " " + now
	methods := map[string]string{
		"initialize": legacy, "ping": legacy, "tools/list": always, "tools/call": always, "prompts/list": always,
		"prompts/get": always, "resources/list": always, "resources/templates/list": always, "resources/read": always,
		"resources/subscribe": legacy, "resources/unsubscribe": legacy, "completion/complete": always,
		"logging/setLevel": legacy, "server/discover": now, "subscriptions/listen": now,
		"tasks/get": tasks + " " + now, "tasks/result": tasks, "tasks/list": tasks, "tasks/cancel": tasks + " " + now,
		"tasks/update":           now,
		"sampling/createMessage": "", "elicitation/create": "", "roots/list": "", "tools/Call": "", "Tools/call": "", "": "",
		"rpc.discover": "",
	}
	for method, has := range methods {
		for _, v := range mcp.Versions() {
			t.Run(method+" in "+v, func(t *testing.T) {
				var req mcp.Request
				if v == mcp.Version20260728 {
					req = send(rpc(method, meta+","+`"x":0`+comma(params[method])), modern(method, names[method]))
				} else {
					req = send(rpc(method, params[method]), version(v))
				}
				switch {
				case strings.Contains(has, v):
					if call := accepted(t, req, mcp.Rules{}); call.Method != method {
						t.Errorf("read as %q", call.Method)
					}
				case method == "":
					refused(t, req, mcp.Rules{}, denial.RPCInvalid)
				default:
					refused(t, req, mcp.Rules{}, denial.MethodUnknown)
				}
			})
		}
	}
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return "," + s
}

func TestNotificationsOfEveryVersion(t *testing.T) {
	const legacy = "2024-11-05 2025-03-26 2025-06-18 2025-11-25"
	for method, has := range map[string]string{
		"notifications/initialized": legacy, "notifications/progress": legacy, "notifications/roots/list_changed": legacy,
		"notifications/cancelled": legacy + " 2026-07-28", "notifications/tasks/status": "2025-11-25",
		"notifications/message": "", "notifications/tools/list_changed": "", "notifications/resources/updated": "",
		"notifications/elicitation/complete": "", "notifications/tasks": "", "notifications/subscriptions/acknowledged": "",
	} {
		for _, v := range mcp.Versions() {
			req := send(`{"jsonrpc":"2.0","method":"`+method+`"}`, version(v), with("Mcp-Method: "+method))
			if strings.Contains(has, v) {
				accepted(t, req, mcp.Rules{})
			} else {
				refused(t, req, mcp.Rules{}, denial.MethodUnknown)
			}
		}
	}
}

// In the joined form of the header section a comma may hide a second field.
func TestJoinedHeaders(t *testing.T) {
	for name, want := range map[string]denial.Reason{
		"Mcp-Method: tools/list,tools/call":           denial.HeaderDuplicated,
		"Mcp-Name: a,b":                               denial.HeaderDuplicated,
		"MCP-Protocol-Version: 2025-06-18,2025-11-25": denial.HeaderDuplicated,
		"Mcp-Session-Id: a,b":                         denial.HeaderDuplicated,
		"Content-Encoding: identity,gzip":             denial.HeaderDuplicated,
	} {
		t.Run(name, func(t *testing.T) {
			req := send(rpc("tools/list", ""))
			joined := header.NewFields(true)
			joined.Add("Content-Type", "application/json")
			req.Header = joined
			with(name)(&req)
			refused(t, req, mcp.Rules{}, want)
		})
	}
}

func TestKindsAndTargetsHaveNames(t *testing.T) {
	for kind, want := range map[mcp.Kind]string{
		mcp.KindInvalid: "invalid", mcp.KindRequest: "request", mcp.KindNotification: "notification",
		mcp.KindResponse: "response", mcp.KindStream: "stream", mcp.KindEnd: "end", mcp.KindPreflight: "preflight",
		mcp.KindBatch: "batch", -1: "invalid", 99: "invalid",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", int(kind), got, want)
		}
	}
	for kind, want := range map[mcp.TargetKind]string{
		mcp.TargetNone: "", mcp.TargetTool: "tool", mcp.TargetPrompt: "prompt", mcp.TargetResource: "resource",
		mcp.TargetTask: "task", -1: "", 99: "",
	} {
		if got := kind.String(); got != want {
			t.Errorf("target %d is %q, want %q", int(kind), got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	if got := (mcp.ID{}); got.JSON() != nil || got.String() != "" || !got.IsZero() {
		t.Errorf("the zero id is %q", got.JSON())
	}
	if got := string(mcp.IntID(-7).JSON()); got != "-7" {
		t.Errorf("got %s", got)
	}
	if got := string(mcp.StringID("a\"\n").JSON()); got != `"a\"\n"` {
		t.Errorf("got %s", got)
	}
	if mcp.IntID(7) == mcp.StringID("7") {
		t.Error("7 and \"7\" are one id")
	}
}
