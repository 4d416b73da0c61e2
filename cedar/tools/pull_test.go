package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/cedar/tools"
)

// newServer is an MCP server with some tools, of which it lists two on a page.
func newServer(n int) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "crm", Version: "1"}, &sdk.ServerOptions{PageSize: 2})
	for i := range n {
		s.AddTool(&sdk.Tool{Name: fmt.Sprintf("tool-%d", i), InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) { return nil, nil })
	}
	return s
}

// serve serves one era: without sessions from 2026-07-28 on, with them before.
func serve(t *testing.T, s *sdk.Server, stateless bool) string {
	t.Helper()
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s }, &sdk.StreamableHTTPOptions{Stateless: stateless})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func pull(t *testing.T, url string, header http.Header) (names []string, version string, err error) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	p, err := tools.Pull(t.Context(), url, header, transport, "test")
	for _, tool := range p.Tools {
		names = append(names, tool.Name)
	}
	return names, p.ProtocolVersion, err
}

// Both eras are spoken, and all pages are read.
func TestPullReadsAllPagesInBothEras(t *testing.T) {
	for _, tc := range []struct {
		name, version string
		stateless     bool
	}{{"without sessions", "2026-07-28", true}, {"with sessions", "2025-11-25", false}} {
		t.Run(tc.name, func(t *testing.T) {
			names, version, err := pull(t, serve(t, newServer(5), tc.stateless), nil)
			if err != nil {
				t.Fatal(err)
			}
			if version != tc.version || strings.Join(names, " ") != "tool-0 tool-1 tool-2 tool-3 tool-4" {
				t.Errorf("%s: %v", version, names)
			}
		})
	}
}

// answering is a server that says what it is told to about its tools, after a handshake of the old era.
func answering(t *testing.T, list func(cursor string) string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct{ Cursor string }
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch m.Method {
		case "initialize":
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}}`, m.ID)
		case "notifications/initialized":
			w.WriteHeader(http.StatusAccepted)
		case "tools/list":
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, list(m.Params.Cursor))
		default:
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func always(list string) func(string) string { return func(string) string { return list } }

// What a server wrote is pinned, and not what a client's types make of it.
func TestPullKeepsWhatTheServerWrote(t *testing.T) {
	const tool = `{"name":"a","x-unknown":{"y":[1.50,9007199254740993]},"description":"A.","inputSchema":{"type":"object","properties":{"n":{"const":1.0}}}}`
	server := answering(t, always(`{"tools":[`+tool+`]}`))
	p, err := tools.Pull(t.Context(), server.URL, nil, &http.Transport{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if p.ProtocolVersion != "2025-06-18" || p.Source != server.URL || p.PulledAt.IsZero() {
		t.Errorf("%+v", p)
	}
	want := parse(t, `{"tools":[`+tool+`]}`)[0]
	if !p.Tools[0].Definition.Equal(want.Definition) {
		t.Errorf("%s", p.Tools[0].Definition.AppendJSON(nil))
	}
}

// A server that does not behave cannot make us wait, fill memory, or pin what is no list of tools.
func TestPullIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		list func(cursor string) string
		want string
	}{
		"pages without end":     {func(cursor string) string { return `{"tools":[],"nextCursor":"` + cursor + `x"}` }, "more than 100 pages"},
		"an answer without end": {always(`{"tools":[],"_meta":{"x":"` + strings.Repeat("x", 17<<20) + `"}}`), "more than 16777216 bytes"},
		"a name twice":          {always(`{"tools":[],"tools":[]}`), "json_duplicate_key"},
		"the same tool twice": {func(cursor string) string {
			return `{"tools":[{"name":"a","inputSchema":{"type":"object"}}]` + map[bool]string{true: `,"nextCursor":"1"`}[cursor == ""] + `}`
		}, "two of that name"},
		"a tool without a name":  {always(`{"tools":[{"inputSchema":{"type":"object"}}]}`), "/tools/0/name"},
		"no list":                {always(`{}`), "has no list of tools"},
		"nothing that is a list": {always(`7`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			names, _, err := pull(t, answering(t, tc.list).URL, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, %v", names, err)
			}
		})
	}
}

// Nobody else gets the credentials, and nobody else answers for the server.
func TestPullFollowsRedirectsWithinTheHostOnly(t *testing.T) {
	here := answering(t, always(`{"tools":[]}`))
	for name, tc := range map[string]struct {
		to   func(own string) string
		want string
	}{
		"to another path":        {func(string) string { return "/mcp" }, ""},
		"to another host":        {func(string) string { return here.URL }, "redirects to"},
		"to itself":              {func(string) string { return "/" }, "too many redirects"},
		"to another scheme here": {func(own string) string { return strings.Replace(own, "http:", "https:", 1) }, "redirects to"},
	} {
		t.Run(name, func(t *testing.T) {
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/mcp" {
					here.Config.Handler.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Location", tc.to(server.URL))
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			defer server.Close()
			_, _, err := pull(t, server.URL, nil)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A refusal says what the server answered, and no error has the token.
func TestPullProvesWhoAsks(t *testing.T) {
	tools := answering(t, always(`{"tools":[]}`))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("X-Tenant") != "acme" {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		tools.Config.Handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	if _, _, err := pull(t, server.URL, http.Header{"Authorization": {"Bearer s3cret"}, "X-Tenant": {"acme"}}); err != nil {
		t.Error(err)
	}
	_, _, err := pull(t, server.URL, http.Header{"Authorization": {"Bearer other"}})
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized") || strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
}

// Only a URL of a server is asked.
func TestPullRefusesOtherURLs(t *testing.T) {
	for _, url := range []string{"", "crm.acme.example/mcp", "ftp://acme.example", "https://user:pass@acme.example/", "https://acme.example/#x", "%"} {
		if _, _, err := pull(t, url, nil); err == nil || !strings.Contains(err.Error(), "is not the http or https URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if _, _, err := pull(t, closed.URL, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}
