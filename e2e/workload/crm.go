package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// crm is the MCP server with the support cases. Some of its tools need the ledger, on behalf of whoever called.
type crm struct{ ledger nextHop }

func newCRM(ledger nextHop) *mcp.Server {
	c := &crm{ledger}
	s := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{
		Name: "read_case", Description: "Read a support case.", Annotations: readOnly(),
	}, c.readCase)
	mcp.AddTool(s, &mcp.Tool{
		Name: "refund_case", Description: "Grant a refund up to a limit, after a look into the ledger.",
	}, c.refundCase)
	mcp.AddTool(s, &mcp.Tool{
		Name: "settle_case", Description: "Settle a case: have the ledger pay the money back.",
	}, c.settleCase)
	mcp.AddTool(s, &mcp.Tool{
		Name: "delete_case", Description: "Delete a case for good.",
	}, c.deleteCase)
	mcp.AddTool(s, &mcp.Tool{
		Name: "attach_note", Description: "Attach a text, of any length, to a case.",
		Annotations: &mcp.ToolAnnotations{DestructiveHint: new(false), OpenWorldHint: new(false)},
	}, c.attachNote)
	mcp.AddTool(s, &mcp.Tool{
		Name: "export_cases", Description: "Export cases one by one, and tell after each.", Annotations: readOnly(),
	}, c.exportCases)
	return s
}

type caseInput struct {
	CaseID string `json:"case_id" jsonschema:"the support case"`
}

type refundInput struct {
	CaseID    string `json:"case_id" jsonschema:"the support case"`
	MaxAmount int    `json:"max_amount" jsonschema:"the most to pay back, in whole euros"`
}

type noteInput struct {
	CaseID string `json:"case_id" jsonschema:"the support case"`
	Text   string `json:"text"`
}

type exportInput struct {
	Count int `json:"count" jsonschema:"how many cases"`
}

func (c *crm) readCase(_ context.Context, _ *mcp.CallToolRequest, in caseInput) (*mcp.CallToolResult, any, error) {
	return said("case %s: the customer wants the money back", in.CaseID), nil, nil
}

func (c *crm) refundCase(ctx context.Context, req *mcp.CallToolRequest, in refundInput) (*mcp.CallToolResult, any, error) {
	entry, err := c.ledger.ask(ctx, req, "read_entry", readEntry{CaseID: in.CaseID})
	if err != nil {
		return nil, nil, err
	}
	return said("case %s: refund of up to %d EUR granted; the ledger says %q", in.CaseID, in.MaxAmount, entry), nil, nil
}

func (c *crm) settleCase(ctx context.Context, req *mcp.CallToolRequest, in caseInput) (*mcp.CallToolResult, any, error) {
	entry, err := c.ledger.ask(ctx, req, "post_refund", postRefund{CaseID: in.CaseID, Amount: 120})
	if err != nil {
		return nil, nil, err
	}
	return said("case %s: settled; the ledger says %q", in.CaseID, entry), nil, nil
}

func (c *crm) deleteCase(_ context.Context, _ *mcp.CallToolRequest, in caseInput) (*mcp.CallToolResult, any, error) {
	return said("case %s: deleted", in.CaseID), nil, nil
}

func (c *crm) attachNote(_ context.Context, _ *mcp.CallToolRequest, in noteInput) (*mcp.CallToolResult, any, error) {
	sum := sha256.Sum256([]byte(in.Text))
	return said("case %s: note of %d bytes, SHA-256 %s", in.CaseID, len(in.Text), hex.EncodeToString(sum[:])), nil, nil
}

func (c *crm) exportCases(ctx context.Context, req *mcp.CallToolRequest, in exportInput) (*mcp.CallToolResult, any, error) {
	for i := range in.Count {
		if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: req.Params.GetProgressToken(), Message: fmt.Sprintf("case %d", i+1),
			Progress: float64(i + 1), Total: float64(in.Count),
		}); err != nil {
			return nil, nil, err
		}
	}
	return said("%d cases", in.Count), nil, nil
}
