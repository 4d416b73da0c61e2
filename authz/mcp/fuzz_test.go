package mcp_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// lax is how a careless backend decodes a request: names in any case, the last duplicate wins, bad UTF-8 is replaced.
type lax struct {
	ID     any    `json:"id"`
	Method string `json:"method"`
	Params struct {
		Name      string         `json:"name"`
		URI       string         `json:"uri"`
		TaskID    string         `json:"taskId"`
		Arguments map[string]any `json:"arguments"`
	} `json:"params"`
}

func decodeLax(text []byte) (lax, error) {
	var v lax
	err := json.Unmarshal(text, &v, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
	return v, err
}

// What we decide about is what a careless backend does.
func FuzzReadBody(f *testing.F) {
	for _, body := range []string{
		rpc("tools/call", `"name":"read_case","arguments":{"case":4711,"f":1.5,"l":[1,"2",null]}`),
		rpc("tools/call", `"name":"read_case","NAME":"delete_all"`),
		rpc("resources/read", `"uri":"crm://1"`), rpc("tasks/get", `"taskId":"t"`),
		rpc("tools/list", meta), rpc("prompts/get", `"name":"😀","arguments":{"a":"\ud83d\ude00"}`),
		`{"jsonrpc":"2.0","id":"\u0061","result":{}}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","paramſ":{"name":"x"}}`,
		`[` + rpc("ping", "") + `,` + strings.Replace(rpc("tools/list", ""), `:1`, `:2`, 1) + `]`,
		rpc("subscriptions/listen", `"notifications":{"resourceSubscriptions":["a:b"]}`),
		rpc("completion/complete", `"ref":{"type":"ref/prompt","name":"a"}`),
		"\ufeff{}", `{"a":"\ud800"}`, `{"a":1e400}`, `[[[[]]]]`, ``,
	} {
		for _, v := range []string{"", mcp.Version20251125, mcp.Version20260728} {
			f.Add([]byte(body), v)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, v string) {
		req := send(string(body))
		if v != "" {
			version(v)(&req)
		}
		rules := mcp.Rules{AllowBatch: true}
		call, err := mcp.Read(req, rules)
		if call.Modern && denial.ReasonOf(err) == denial.HeaderMissing {
			// Fill in what a client derives from the body, and read again.
			with("Mcp-Method: " + call.Method)(&req)
			if call.Targets != nil {
				with("Mcp-Name: " + call.Targets[0].Name)(&req)
			}
			call, err = mcp.Read(req, rules)
		}
		if err != nil {
			if r := denial.ReasonOf(err); r.Class() != denial.ClassMalformed {
				t.Fatalf("refused as %s, which is not about the request", r)
			}
			if !call.ID.IsZero() && !jsontext.Value(call.ID.JSON()).IsValid() {
				t.Fatalf("the id of the answer is %q", call.ID.JSON())
			}
			return
		}
		if call.BodyHash != sha256.Sum256(body) {
			t.Fatal("the hash is not that of the body")
		}
		if call.Kind == mcp.KindBatch {
			var messages []jsontext.Value
			if err := json.Unmarshal(body, &messages); err != nil || len(messages) != len(call.Batch) {
				t.Fatalf("%d messages, %d read: %v", len(messages), len(call.Batch), err)
			}
			for i, m := range call.Batch {
				compare(t, m, messages[i])
			}
			return
		}
		compare(t, call, body)
	})
}

func compare(t *testing.T, call *mcp.Call, text []byte) {
	t.Helper()
	backend, err := decodeLax(text)
	if err != nil && len(call.Targets) > 0 && call.Method == "tools/call" {
		t.Fatalf("a careless backend cannot read what we accept: %v", err)
	}
	if err != nil {
		return // a free member has another type than our struct; the backend refuses
	}
	if backend.Method != call.Method {
		t.Fatalf("we read the method %q, the backend %q", call.Method, backend.Method)
	}
	for _, target := range call.Targets {
		var seen string
		switch call.Method {
		case "tools/call", "prompts/get":
			seen = backend.Params.Name
		case "resources/read", "resources/subscribe", "resources/unsubscribe":
			seen = backend.Params.URI
		case "tasks/get", "tasks/result", "tasks/cancel", "tasks/update":
			seen = backend.Params.TaskID
		default:
			continue
		}
		if seen != target.Name {
			t.Fatalf("we read the target %q, the backend %q", target.Name, seen)
		}
	}
	if call.Method == "tools/call" || call.Method == "prompts/get" {
		if got := len(backend.Params.Arguments); got != call.Arguments.Len() {
			t.Fatalf("we read %d arguments, the backend %d", call.Arguments.Len(), got)
		}
		for name, v := range call.Arguments.All() {
			if s, ok := v.(mcp.String); ok && backend.Params.Arguments[name] != string(s) {
				t.Fatalf("we read the argument %s as %q, the backend as %v", name, s, backend.Params.Arguments[name])
			}
		}
	}
	back, err := mcp.ParseObject(call.Arguments.AppendJSON(nil))
	if !call.Arguments.IsZero() && (err != nil || !back.Equal(call.Arguments)) {
		t.Fatalf("the arguments come back as %s: %v", back.AppendJSON(nil), err)
	}
}

// Headers can only confirm what the body says, never change it.
func FuzzReadHeaders(f *testing.F) {
	body := rpc("tools/call", meta+`,"name":"read_case","arguments":{"case":42,"region":" eu","dry":true}`)
	rules := mcp.Rules{ParamHeaders: pins{"read_case": {"case": {"case"}, "region": {"region"}, "dry": {"dry"}}}}
	f.Add("2026-07-28", "tools/call", "read_case", "42", "=?base64?IGV1?=", "application/json", "s")
	f.Add("2026-07-28", "tools/call", "=?base64?cmVhZF9jYXNl?=", "42.0", "=?base64?IGV1?=", "application/json;charset=utf-8", "")
	f.Add("2026-07-28", "tools/call", "=?base64?cmVhZF9jYXNl", "4.2e1", " eu", "text/json", "")
	f.Add("2025-11-25", "tools/list", "READ_CASE", "0x2a", "=?BASE64?IGV1?=", "application/json", "a b")
	f.Fuzz(func(t *testing.T, v, method, name, number, region, contentType, session string) {
		req := send(body, instead("Content-Type: "+contentType), version(v), with("Mcp-Method: "+method),
			with("Mcp-Name: "+name), with("Mcp-Param-Case: "+number), with("Mcp-Param-Region: "+region), with("Mcp-Param-Dry: true"),
			with("Mcp-Session-Id: "+session))
		call, err := mcp.Read(req, rules)
		if call == nil {
			t.Fatal("no call to answer")
		}
		if err != nil {
			if r := denial.ReasonOf(err); r.Class() != denial.ClassMalformed {
				t.Fatalf("refused as %s, which is not about the request", r)
			}
			return
		}
		trim := func(s string) string { return strings.Trim(s, " \t") }
		if call.Method != "tools/call" || call.Targets[0].Name != "read_case" {
			t.Fatalf("the headers made it %s %v", call.Method, call.Targets)
		}
		if trim(v) != mcp.Version20260728 || !call.Modern || call.SessionID != "" {
			t.Fatalf("accepted as version %q with session %q", call.Version, call.SessionID)
		}
		if trim(method) != "tools/call" {
			t.Fatalf("accepted with the method %q", method)
		}
		if n := trim(name); n != "read_case" && n != "=?base64?cmVhZF9jYXNl?=" {
			t.Fatalf("accepted with the name %q", name)
		}
		if trim(region) != "=?base64?IGV1?=" {
			t.Fatalf("accepted with the region %q", region)
		}
		if !strings.HasPrefix(strings.ToLower(trim(contentType)), "application/json") {
			t.Fatalf("accepted with the type %q", contentType)
		}
	})
}

// A list that is accepted has tools that can be called, and headers that can be sent.
func FuzzToolList(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "tools.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	pinned, err := os.ReadFile(filepath.Join("testdata", "pin.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pinned)
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`))
	f.Add([]byte(`{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"b":{"type":"string","x-mcp-header":"C"}}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tools, err := mcp.ParseToolList(data)
		if err != nil {
			return
		}
		text, err := mcp.Pin{Tools: tools}.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := mcp.ParsePin(text); err != nil || len(again.Tools) != len(tools) {
			t.Fatalf("the pin is not read back: %v\n%s", err, text)
		}
		known := pins{}
		for _, tool := range tools {
			known[tool.Name] = tool.ParamHeaders
		}
		if len(known) != len(tools) {
			t.Fatal("two tools of one name")
		}
		for _, tool := range tools {
			if !utf8.ValidString(tool.Name) || tool.InputSchema.IsZero() {
				t.Fatalf("got %+v", tool)
			}
			name, _ := mcp.NewObject(mcp.Member{Name: "name", Value: mcp.String(tool.Name)}).MarshalJSON()
			body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":` + string(name) + `}`
			if _, err := mcp.Read(send(body), mcp.Rules{ParamHeaders: known}); err != nil {
				t.Fatalf("the tool %q cannot be called: %v", tool.Name, err)
			}
			for suffix, path := range tool.ParamHeaders {
				if suffix != strings.ToLower(suffix) || len(path) == 0 {
					t.Fatalf("the header %q mirrors %q", suffix, path)
				}
				// Without the argument the header is known, and wrong.
				_, err := mcp.Read(send(body, with("Mcp-Param-"+suffix+": 1")), mcp.Rules{ParamHeaders: known})
				if denial.ReasonOf(err) != denial.HeaderMismatch {
					t.Fatalf("the header %q: %v", suffix, err)
				}
			}
		}
	})
}
