package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/e2e/workload/wire"
)

// agent is an MCP client that does as it is told.
type agent struct {
	credentials *credentials
	sessions    map[int]*session
	last        int
}

// session is one MCP session of an agent.
type session struct {
	*mcp.ClientSession
	carrier *carrier

	// progress has room for more than any tool tells.
	progress chan string
}

// mostProgress is the most notifications that a call may cause.
const mostProgress = 1000

func newAgent(c *credentials) *agent { return &agent{credentials: c, sessions: map[int]*session{}} }

// serve carries out commands until there are no more.
func (a *agent) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	commands, replies := json.NewDecoder(in), json.NewEncoder(out)
	if err := replies.Encode(wire.Reply{Own: a.credentials.own()}); err != nil {
		return fmt.Errorf("saying that the agent is ready: %w", err)
	}
	for {
		var c wire.Command
		switch err := commands.Decode(&c); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading a command: %w", err)
		}
		reply, err := a.do(ctx, c)
		if err != nil {
			reply.Error = err.Error()
			if refusal, ok := errors.AsType[*jsonrpc.Error](err); ok && refusal.Code != codeTransport {
				reply.Refusal = &wire.Refusal{Code: refusal.Code, Message: refusal.Message, Data: refusal.Data}
			}
		}
		if err := replies.Encode(reply); err != nil {
			return fmt.Errorf("answering a command: %w", err)
		}
	}
}

// codeTransport is the code by which the SDK says that there was no JSON-RPC answer at all.
const codeTransport = -32005

func (a *agent) do(ctx context.Context, c wire.Command) (wire.Reply, error) {
	switch c.Op {
	case wire.Open:
		return a.open(ctx, c)
	case wire.Exchange:
		return a.exchange(ctx, c)
	}
	s, ok := a.sessions[c.Session]
	if !ok {
		return wire.Reply{}, fmt.Errorf("no session %d", c.Session)
	}
	if c.Token != "" {
		s.carrier.setToken(c.Token)
	}
	var (
		reply wire.Reply
		err   error
	)
	switch c.Op {
	case wire.List:
		reply, err = s.list(ctx)
	case wire.Call:
		reply, err = s.call(ctx, c)
	case wire.Close:
		delete(a.sessions, c.Session)
		err = s.end()
	default:
		err = fmt.Errorf("unknown operation %q", c.Op)
	}
	s.carrier.describe(&reply)
	return reply, err
}

// open connects, which sends the handshake of the protocol version with the token.
func (a *agent) open(ctx context.Context, c wire.Command) (wire.Reply, error) {
	s := &session{carrier: newCarrier(a.credentials, c.HTTP, c.Header), progress: make(chan string, mostProgress)}
	s.carrier.setToken(c.Token)
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, n *mcp.ProgressNotificationClientRequest) {
			s.progress <- n.Params.Message
		},
	})
	transport := &mcp.StreamableClientTransport{Endpoint: c.URL, HTTPClient: s.carrier.client(), MaxRetries: -1}
	if c.Login != nil {
		handler, err := newLogin(*c.Login, s.carrier)
		if err != nil {
			return wire.Reply{}, err
		}
		transport.OAuthHandler = handler
	}
	opened, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: c.Version})
	var reply wire.Reply
	s.carrier.describe(&reply)
	if err != nil {
		s.carrier.close()
		return reply, err
	}
	s.ClientSession = opened
	if version := opened.InitializeResult().ProtocolVersion; c.Version != "" && version != c.Version {
		return reply, errors.Join(fmt.Errorf("the server speaks %s, not %s", version, c.Version), s.end())
	}
	a.last++
	a.sessions[a.last] = s
	reply.Session = a.last
	return reply, nil
}

func (s *session) list(ctx context.Context) (wire.Reply, error) {
	var reply wire.Reply
	for tool, err := range s.Tools(ctx, nil) {
		if err != nil {
			return reply, err
		}
		reply.Tools = append(reply.Tools, tool.Name)
	}
	return reply, nil
}

func (s *session) call(ctx context.Context, c wire.Command) (wire.Reply, error) {
	params := &mcp.CallToolParams{Name: c.Tool, Arguments: c.Arguments}
	if c.Arguments == nil {
		params.Arguments = map[string]any{}
	}
	params.SetProgressToken("p")
	result, err := s.CallTool(ctx, params)
	if err != nil {
		return wire.Reply{}, err
	}
	reply := wire.Reply{Text: text(result), ToolError: result.IsError}
	// The SDK may hand over the last of them after the result.
	for len(reply.Progress) < c.Notifications {
		select {
		case message := <-s.progress:
			reply.Progress = append(reply.Progress, message)
		case <-ctx.Done():
			return reply, fmt.Errorf("waiting for notification %d: %w", len(reply.Progress)+1, ctx.Err())
		}
	}
	return reply, nil
}

func (s *session) end() error {
	err := s.Close()
	s.carrier.close()
	return err
}

// text joins the text contents of a result.
func text(result *mcp.CallToolResult) string {
	var parts []string
	for _, content := range result.Content {
		if t, ok := content.(*mcp.TextContent); ok {
			parts = append(parts, t.Text)
		}
	}
	return strings.Join(parts, "\n")
}
