package main

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// newLedger is the MCP server with the books. Where there is an archive, an entry comes with its document.
func newLedger(archive nextHop) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "ledger", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{
		Name: "read_entry", Description: "Read the ledger entry of a support case.",
		Annotations: readOnly(),
	}, func(ctx context.Context, req *mcp.CallToolRequest, in readEntry) (*mcp.CallToolResult, any, error) {
		if archive.url == "" {
			return said("case %s: paid 120 EUR", in.CaseID), nil, nil
		}
		document, err := archive.ask(ctx, req, "read_document", readDocument(in))
		if err != nil {
			return nil, nil, err
		}
		return said("case %s: paid 120 EUR, with %s", in.CaseID, document), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{
		Name: "post_refund", Description: "Pay money back.",
	}, func(_ context.Context, _ *mcp.CallToolRequest, in postRefund) (*mcp.CallToolResult, any, error) {
		return said("case %s: paid back %d EUR", in.CaseID, in.Amount), nil, nil
	})
	return s
}

type readEntry struct {
	CaseID string `json:"case_id" jsonschema:"the support case"`
}

type postRefund struct {
	CaseID string `json:"case_id" jsonschema:"the support case"`
	Amount int    `json:"amount" jsonschema:"in whole euros"`
}

// readOnly are the hints of a tool that changes nothing.
func readOnly() *mcp.ToolAnnotations {
	return &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: new(false)}
}

// said is a result of one sentence.
func said(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
