package mcp_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
)

// edit changes a request that would be accepted.
type edit func(*mcp.Request)

// send returns a POST as a well-behaved client and proxy hand it over.
func send(body string, edits ...edit) mcp.Request {
	req := mcp.Request{
		Method: "POST", Header: header.NewFields(false),
		Body: []byte(body), HasBody: true, Size: int64(len(body)),
	}
	req.Header.Add("Content-Type", "application/json")
	req.Header.Add("Accept", "application/json, text/event-stream")
	req.Header.Add("Content-Length", strconv.Itoa(len(body)))
	req.Header.Add("X-Envoy-Auth-Partial-Body", "false")
	for _, e := range edits {
		e(&req)
	}
	return req
}

// bare returns a request without a body.
func bare(method string, edits ...edit) mcp.Request {
	req := mcp.Request{Method: method, Header: header.NewFields(false)}
	for _, e := range edits {
		e(&req)
	}
	return req
}

// with adds a header, written "Name: value".
func with(field string) edit {
	name, value, _ := strings.Cut(field, ":")
	return func(r *mcp.Request) { r.Header.Add(name, strings.TrimPrefix(value, " ")) }
}

// without removes a header.
func without(name string) edit {
	return func(r *mcp.Request) {
		kept := header.NewFields(false)
		for _, field := range r.Header.Names() {
			if strings.EqualFold(field, name) {
				continue
			}
			for _, value := range r.Header.All(field) {
				kept.Add(field, value)
			}
		}
		r.Header = kept
	}
}

// instead replaces a header.
func instead(field string) edit {
	name, _, _ := strings.Cut(field, ":")
	return func(r *mcp.Request) {
		without(name)(r)
		with(field)(r)
	}
}

func size(n int64) edit { return func(r *mcp.Request) { r.Size = n } }

// version names a legacy version.
func version(v string) edit { return with("MCP-Protocol-Version: " + v) }

// modern adds the headers of 2026-07-28; an empty name is left out.
func modern(method, name string) edit {
	return func(r *mcp.Request) {
		version(mcp.Version20260728)(r)
		with("Mcp-Method: " + method)(r)
		if name != "" {
			with("Mcp-Name: " + name)(r)
		}
	}
}

// meta is the part of params that every request of 2026-07-28 has.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// rpc returns a request with id 1.
func rpc(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + `}}`
}

// refused reads and expects a refusal.
func refused(t *testing.T, req mcp.Request, rules mcp.Rules, want denial.Reason) *mcp.Call {
	t.Helper()
	call, err := mcp.Read(req, rules)
	if err == nil {
		t.Fatalf("accepted, want %s", want)
	}
	if got := denial.ReasonOf(err); got != want {
		t.Fatalf("refused as %s (%v), want %s", got, err, want)
	}
	if call == nil {
		t.Fatal("no call to answer")
	}
	return call
}

// accepted reads and expects a call.
func accepted(t *testing.T, req mcp.Request, rules mcp.Rules) *mcp.Call {
	t.Helper()
	call, err := mcp.Read(req, rules)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return call
}

var byValue = cmp.Comparer(func(a, b mcp.ID) bool { return a == b })

// pins are the x-mcp-header annotations of pinned tools.
type pins map[string]map[string][]string

func (p pins) ParamHeaders(tool string) (map[string][]string, bool) {
	paths, pinned := p[tool]
	return paths, pinned
}
