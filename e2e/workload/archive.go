package main

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// newArchive is the MCP server with the documents.
func newArchive() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "archive", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{
		Name: "read_document", Description: "Read the document of a support case.",
		Annotations: readOnly(),
	}, func(_ context.Context, _ *mcp.CallToolRequest, in readDocument) (*mcp.CallToolResult, any, error) {
		return said("the receipt of case %s", in.CaseID), nil, nil
	})
	return s
}

type readDocument struct {
	CaseID string `json:"case_id" jsonschema:"the support case"`
}
