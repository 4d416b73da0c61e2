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

	"countersign.dev/e2e/workload/wire"
)

// serverConfig is what the MCP servers are told.
type serverConfig struct {
	listen, record, keys, audience, ledger string
	tls                                    bool
}

// serve runs an MCP server that accepts only requests which Countersign countersigned for it.
func (s serverConfig) serve(ctx context.Context, name string, credentials *credentials, out io.Writer) error {
	id, err := credentials.id()
	if err != nil {
		return err
	}
	var tools *mcp.Server
	switch name {
	case "crm":
		tools = newCRM(s.ledger, credentials)
	default:
		tools = newLedger()
	}
	guard := &guard{
		record: newRecorder(s.record),
		tokens: newReceiver(s.keys, s.audience, id, name),
		next:   eachVersion(tools),
	}
	var config *tls.Config
	if s.tls {
		config = credentials.server()
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return listenAndServe(ctx, s.listen, config, guard, credentials, out)
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
