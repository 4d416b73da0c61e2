package gosdk_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
	"countersign.dev/authz/verify/gosdk"
)

// An MCP server that takes only what was countersigned for it. Its tools know whom they serve, and call the ledger on
// behalf of the same user.
func Example() {
	ctx := context.Background()
	identity, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		log.Fatal(err)
	}
	gateway := spiffeid.RequireFromString("spiffe://acme.example/gateway")

	verifier, err := verify.New(ctx, verify.Config{
		Self: "spiffe://acme.example/crm", Server: "crm",
		Issuers: []trust.IssuerConfig{{
			Issuer: "spiffe://acme.example/countersign", Role: trust.Hop,
			KeysURL:    "https://countersign:9193/.well-known/jwks.json",
			KeysServer: spiffeid.RequireFromString("spiffe://acme.example/countersign"), Identity: identity,
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	onward, err := verify.NewTransport(&http.Transport{
		TLSClientConfig: tlsconfig.MTLSClientConfig(identity, identity, tlsconfig.AuthorizeID(gateway)),
	}, "https://ledger.acme.example/mcp")
	if err != nil {
		log.Fatal(err)
	}
	ledger := &http.Client{Transport: onward} // for requests in the context of a tool

	server := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, nil)
	server.AddReceivingMiddleware(gosdk.Middleware(verifier))
	mcp.AddTool(server, &mcp.Tool{Name: "read_case"},
		func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			call, _ := verify.FromContext(ctx)
			return nil, fmt.Sprintf("for %s, to do %s", call.Subject, call.Task), askLedger(ctx, ledger)
		})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	if err := http.ListenAndServe("127.0.0.1:8080", gosdk.Handler(verifier, handler)); err != nil {
		log.Fatal(err)
	}
}

func askLedger(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://ledger.acme.example/mcp", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
