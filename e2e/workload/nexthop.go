package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/authz/verify"
)

// nextHop is another MCP server that a server needs, on behalf of whoever called.
type nextHop struct {
	self        string // name of the server that asks
	url         string // empty if there is none
	credentials *credentials
}

// ask calls a tool. The only credential is the token of the call being served, which the transport finds in ctx and sends
// on as it came.
func (n nextHop) ask(ctx context.Context, req *mcp.CallToolRequest, tool string, arguments any) (string, error) {
	connections := &http.Transport{TLSClientConfig: n.credentials.client()}
	defer connections.CloseIdleConnections()
	transport, err := verify.NewTransport(connections, n.url)
	if err != nil {
		return "", err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: n.self, Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: n.url, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1,
	}, &mcp.ClientSessionOptions{ProtocolVersion: req.ProtocolVersion()})
	if err != nil {
		return "", fmt.Errorf("connecting for %s: %w", tool, err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", fmt.Errorf("asking for %s: %w", tool, err)
	}
	if result.IsError {
		return "", fmt.Errorf("%s failed: %s", tool, text(result))
	}
	return text(result), nil
}
