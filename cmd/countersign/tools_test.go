package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestLiveScript runs stories with an MCP server at $SERVER, which wants the token "s3cret" below /private.
func TestLiveScript(t *testing.T) {
	server := httptest.NewServer(crmServer())
	t.Cleanup(server.Close)
	runScripts(t, "testdata/script/live", map[string]string{"SERVER": server.URL})
}

func crmServer() http.Handler {
	tools := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, &mcp.ServerOptions{PageSize: 1})
	for name, schema := range map[string]string{
		"search": `{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}`,
		"refund": `{"type":"object","properties":{"amount":{"type":"number"}},"required":["amount"]}`,
	} {
		tools.AddTool(&mcp.Tool{
			Name: name, Description: "The " + name + " tool.", InputSchema: json.RawMessage(schema),
			Annotations: &mcp.ToolAnnotations{ReadOnlyHint: name == "search"},
		}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{}, nil
		})
	}
	one := func(*http.Request) *mcp.Server { return tools }
	modern := mcp.NewStreamableHTTPHandler(one, &mcp.StreamableHTTPOptions{Stateless: true})
	legacy := mcp.NewStreamableHTTPHandler(one, nil)
	mux := http.NewServeMux()
	mux.Handle("/mcp", modern)
	mux.Handle("/legacy", legacy)
	mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		modern.ServeHTTP(w, r)
	})
	return mux
}
