package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
	"countersign.dev/authz/verify/gosdk"
	"countersign.dev/e2e/workload/wire"
)

// serverConfig is what the MCP servers are told.
type serverConfig struct {
	listen, record, keys, countersign, audience, next string
	tls, trusting                                     bool
}

// serve runs an MCP server that accepts only requests which Countersign countersigned for it; a trusting one accepts
// all, as servers do that know nothing of tokens.
func (s serverConfig) serve(ctx context.Context, name string, credentials *credentials, out io.Writer) error {
	verifier, err := s.newVerifier(ctx, name, credentials)
	if err != nil {
		return err
	}
	var tools *mcp.Server
	switch name {
	case "crm":
		tools = newCRM(nextHop{"crm", s.next, credentials})
	case "ledger":
		tools = newLedger(nextHop{"ledger", s.next, credentials})
	default:
		tools = newArchive()
	}
	next := eachVersion(tools)
	if !s.trusting {
		tools.AddReceivingMiddleware(gosdk.Middleware(verifier))
		next = gosdk.Handler(verifier, next)
	}
	front := &witness{record: newRecorder(s.record), verifier: verifier, next: next}
	var config *tls.Config
	if s.tls {
		config = credentials.server()
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return listenAndServe(ctx, s.listen, config, front, credentials, out)
}

// newVerifier knows Countersign by the keys that it serves over mTLS.
func (s serverConfig) newVerifier(ctx context.Context, name string, c *credentials) (*verify.Verifier, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	countersign, err := spiffeid.FromString(s.countersign)
	if err != nil {
		return nil, fmt.Errorf("-countersign: %w", err)
	}
	var domains []spiffeid.TrustDomain
	for _, gateway := range c.gateways {
		domains = append(domains, gateway.TrustDomain())
	}
	return verify.New(ctx, verify.Config{
		Self: id, Server: name, Audience: s.audience, MaxBody: largest,
		Issuers: []trust.IssuerConfig{{
			Issuer: s.countersign, Role: trust.Hop, KeysURL: s.keys, KeysServer: countersign, Identity: c,
			ActorTrustDomains: domains,
		}},
	})
}

// eachVersion serves every protocol version: with sessions up to 2025-11-25, and without from 2026-07-28 on, which the
// SDK's handler does one or the other of.
func eachVersion(tools *mcp.Server) http.Handler {
	server := func(*http.Request) *mcp.Server { return tools }
	withSessions := mcp.NewStreamableHTTPHandler(server, nil)
	without := mcp.NewStreamableHTTPHandler(server, &mcp.StreamableHTTPOptions{Stateless: true})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Mcp-Protocol-Version") >= "2026-07-28" {
			without.ServeHTTP(w, req)
			return
		}
		withSessions.ServeHTTP(w, req)
	})
}

// listenAndServe serves HTTP until ctx ends, and says when it is ready.
func listenAndServe(
	ctx context.Context, address string, config *tls.Config, handler http.Handler, credentials *credentials, out io.Writer,
) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if err := json.NewEncoder(out).Encode(wire.Reply{Own: credentials.own()}); err != nil {
		return fmt.Errorf("saying that the server is ready: %w", err)
	}
	go func() {
		<-ctx.Done()
		_ = server.Close() // streams would keep a graceful shutdown waiting
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", address, err)
	}
	return nil
}
