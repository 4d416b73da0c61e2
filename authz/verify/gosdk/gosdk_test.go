package gosdk_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/authz/verify"
	"countersign.dev/authz/verify/gosdk"
)

// whoami answers with what a tool knows about the call that it serves.
func whoami(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	text := "nobody"
	if call, ok := verify.FromContext(ctx); ok {
		text = strings.Join([]string{call.Tool, call.Subject, call.Task, call.Peer}, " ")
	}
	if req.Extra != nil && req.Extra.Header.Get("Txn-Token") != "" {
		text += " and the token"
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
}

func newServer(v *verify.Verifier) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, whoami)
	server.AddReceivingMiddleware(gosdk.Middleware(v))
	return server
}

func sdkHandler(server *mcp.Server, stateless bool) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: stateless})
}

// connect opens a session through the gateway.
func connect(t *testing.T, g *gateway, handler http.Handler, version string) (*mcp.ClientSession, error) {
	t.Helper()
	crm := httptest.NewServer(handler)
	t.Cleanup(crm.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	client := mcp.NewClient(&mcp.Implementation{Name: "planner", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: crm.URL, HTTPClient: &http.Client{Transport: g}, MaxRetries: -1,
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func call(ctx context.Context, session *mcp.ClientSession) (string, error) {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami", Arguments: map[string]any{}})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

// In a session, each call is its own: not that of the request that opened the session.
func TestToolsKnowWhomTheyServe(t *testing.T) {
	for _, version := range []string{"2025-03-26", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			g := newGateway(t)
			v := g.verifier()
			session, err := connect(t, g, gosdk.Handler(v, sdkHandler(newServer(v), version == "2026-07-28")), version)
			if err != nil {
				t.Fatal(err)
			}
			for user, want := range map[string]string{
				"alice": "whoami alice case-4711 " + plannerID,
				"bob":   "whoami bob case-4711 " + plannerID,
				"":      "whoami   " + plannerID,
			} {
				g.user = user
				if got, err := call(t.Context(), session); err != nil || got != want {
					t.Errorf("for %q: %q, %v", user, got, err)
				}
			}
		})
	}
}

func TestWhatIsNotCountersignedDoesNotReachTheTool(t *testing.T) {
	for name, spoil := range map[string]func(*http.Request){
		"no token":              func(r *http.Request) { r.Header.Del("Txn-Token") },
		"two tokens":            func(r *http.Request) { r.Header.Add("Txn-Token", "x") },
		"a call made up inside": func(r *http.Request) { r.Header.Del("Txn-Token"); r.Header.Set("X-Countersign-Call", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			v := g.verifier()
			session, err := connect(t, g, gosdk.Handler(v, sdkHandler(newServer(v), false)), "")
			if err != nil {
				t.Fatal(err)
			}
			g.spoil = spoil
			if got, err := call(t.Context(), session); err == nil {
				t.Errorf("the tool answered %q", got)
			}
			g.spoil = nil // for the end of the session
		})
	}
}

// Half of the set-up is not enough: it must not look as if it were.
func TestWithoutTheHandler(t *testing.T) {
	g := newGateway(t)
	v := g.verifier()
	for name, handler := range map[string]http.Handler{
		"none at all":              sdkHandler(newServer(v), true),
		"that of net/http instead": v.Handler(sdkHandler(newServer(v), true)),
		"that of another verifier": gosdk.Handler(g.verifier(), sdkHandler(newServer(v), true)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, g, handler, "2025-11-25")
			refusal, ok := errors.AsType[*jsonrpc.Error](err)
			if !ok || refusal.Code != gosdk.CodeRefused {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What the SDK makes of the bytes must be what was countersigned. The HTTP side, which reads them itself, would refuse
// the same; so here a call goes to the tool by another way.
func TestTheSDKReadsAnotherCall(t *testing.T) {
	g := newGateway(t)
	v := g.verifier()
	listTools := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
	other := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"other","arguments":{}}}`
	batch := `[` + listTools + `]`
	for name, test := range map[string]struct {
		body string
		want string
	}{
		"another method":       {listTools, "not countersigned"},
		"another tool":         {other, "not countersigned"},
		"the batch that it is": {batch, "whoami"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := g.countersign(t.Context(), http.MethodPost, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			verified, err := v.Verify(t.Context(), http.MethodPost, http.Header{"Txn-Token": {token}}, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			v.Seal(verified, h)
			req := &mcp.ServerRequest[*mcp.CallToolParamsRaw]{
				Params: &mcp.CallToolParamsRaw{Name: "whoami"}, Extra: &mcp.RequestExtra{Header: h},
			}
			next := func(context.Context, string, mcp.Request) (mcp.Result, error) { return nil, errors.New("whoami") }
			if _, err := gosdk.Middleware(v)(next)(t.Context(), "tools/call", req); !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Over other transports there is no HTTP, and so no token.
func TestOtherTransports(t *testing.T) {
	g := newGateway(t)
	a, b := mcp.NewInMemoryTransports()
	serving, err := newServer(g.verifier()).Connect(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serving.Close() })
	session, err := mcp.NewClient(&mcp.Implementation{Name: "planner", Version: "1"}, nil).Connect(t.Context(), b, nil)
	if err == nil {
		_ = session.Close()
		t.Error("a session without any token")
	}
}
