package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"countersign.dev/authz/mcp"
)

// The maxima of what a server answers.
const (
	maxPages    = 100
	maxAnswers  = 16 << 20 // bytes of all answers together
	maxRedirect = 3
)

// Pull asks a server for its tools, as its own client would: with server/discover first (2026-07-28), else with initialize
// (up to 2025-11-25). All pages are joined. The tools are what the server wrote, and not what a client makes of it. Send
// is who the client is: its transport proves it and verifies the server. Redirects are followed within the same host
// only. The caller bounds the time with ctx.
func Pull(ctx context.Context, endpoint string, header http.Header, send *http.Transport, version string) (mcp.Pin, error) {
	at, err := url.Parse(endpoint)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || at.User != nil || at.Fragment != "" {
		return mcp.Pin{}, fmt.Errorf("%q is not the http or https URL of an MCP server", endpoint)
	}
	limited := &limitedTransport{next: send, header: header, left: maxAnswers}
	record := &recorder{Transport: &sdk.StreamableClientTransport{
		Endpoint: endpoint, MaxRetries: -1, DisableStandaloneSSE: true, MaxEventSize: maxAnswers,
		HTTPClient: &http.Client{Transport: limited, CheckRedirect: sameHost},
	}}
	client := sdk.NewClient(&sdk.Implementation{Name: "countersign", Version: version}, nil)
	session, err := client.Connect(ctx, record, nil)
	if err != nil {
		return mcp.Pin{}, fmt.Errorf("connecting to %s: %w", endpoint, limited.cause(err))
	}
	defer session.Close() //nolint:errcheck // everything was read
	pages, err := record.pages(ctx, session)
	if err != nil {
		return mcp.Pin{}, fmt.Errorf("listing the tools of %s: %w", endpoint, limited.cause(err))
	}
	list, err := join(pages)
	if err != nil {
		return mcp.Pin{}, fmt.Errorf("the tools of %s: %w", endpoint, err)
	}
	return mcp.Pin{
		Source: endpoint, PulledAt: time.Now().UTC().Truncate(time.Second),
		ProtocolVersion: session.InitializeResult().ProtocolVersion, Tools: list,
	}, nil
}

// pages asks for one page after the other and returns what the server answered.
func (r *recorder) pages(ctx context.Context, session *sdk.ClientSession) ([]jsontext.Value, error) {
	var pages []jsontext.Value
	params := &sdk.ListToolsParams{}
	for range maxPages {
		result, err := session.ListTools(ctx, params)
		if err != nil {
			return nil, err
		}
		pages = append(pages, r.take())
		if result.NextCursor == "" {
			return pages, nil
		}
		params.Cursor = result.NextCursor
	}
	return nil, fmt.Errorf("the list has more than %d pages", maxPages)
}

// join reads pages under the rules of a pinned list, as one.
func join(pages []jsontext.Value) ([]mcp.Tool, error) {
	all := mcp.Array{}
	for i, page := range pages {
		result, err := mcp.ParseObject(page)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", i+1, err)
		}
		v, _ := result.Get("tools")
		tools, ok := v.(mcp.Array)
		if !ok {
			return nil, fmt.Errorf("page %d has no list of tools", i+1)
		}
		all = append(all, tools...)
	}
	return mcp.ParseToolList(mcp.NewObject(mcp.Member{Name: "tools", Value: all}).AppendJSON(nil))
}

// sameHost lets a server send its clients to another path and nowhere else: whoever is behind another name would get
// the credentials, and could answer for the server.
func sameHost(request *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirect:
		return errors.New("too many redirects")
	case request.URL.Scheme != first.Scheme || request.URL.Host != first.Host:
		return fmt.Errorf("the server redirects to %q; name that URL if it is meant", request.URL.Redacted())
	}
	return nil
}

// recorder keeps what a server answered to tools/list as it was written: the client's own types drop what they do not
// know.
type recorder struct {
	sdk.Transport

	mu     sync.Mutex
	asked  map[jsonrpc.ID]bool
	answer jsontext.Value
}

// Connect implements the SDK's Transport.
func (r *recorder) Connect(ctx context.Context) (sdk.Connection, error) {
	connection, err := r.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	r.asked = map[jsonrpc.ID]bool{}
	return &recorded{connection, r}, nil
}

func (r *recorder) take() jsontext.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answer
}

type recorded struct {
	sdk.Connection
	to *recorder
}

// Write implements the SDK's Connection.
func (c *recorded) Write(ctx context.Context, m jsonrpc.Message) error {
	if request, ok := m.(*jsonrpc.Request); ok && request.Method == "tools/list" {
		c.to.mu.Lock()
		c.to.asked[request.ID] = true
		c.to.mu.Unlock()
	}
	return c.Connection.Write(ctx, m)
}

// Read implements the SDK's Connection.
func (c *recorded) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if response, ok := m.(*jsonrpc.Response); ok && err == nil {
		c.to.mu.Lock()
		if c.to.asked[response.ID] {
			c.to.answer = jsontext.Value(response.Result)
		}
		c.to.mu.Unlock()
	}
	return m, err
}

// limitedTransport adds header fields to every request and bounds what comes back.
type limitedTransport struct {
	next   http.RoundTripper
	header http.Header

	mu     sync.Mutex
	left   int64
	failed error
}

// RoundTrip implements http.RoundTripper.
func (t *limitedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, values := range t.header {
		request.Header[name] = values
	}
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, t.fail(err)
	}
	response.Body = &limitedBody{response.Body, t}
	if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
		_ = t.fail(fmt.Errorf("the server answered %s", response.Status))
	}
	return response, nil
}

func (t *limitedTransport) fail(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// cause adds the first thing that went wrong, which the client may have replaced by something of its own.
func (t *limitedTransport) cause(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil || errors.Is(err, t.failed) {
		return err
	}
	return fmt.Errorf("%w (%w)", t.failed, err)
}

type limitedBody struct {
	io.ReadCloser
	of *limitedTransport
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.of.mu.Lock()
	b.of.left -= int64(n)
	exceeded := b.of.left < 0
	b.of.mu.Unlock()
	if exceeded {
		return 0, b.of.fail(fmt.Errorf("the answers have more than %d bytes", maxAnswers))
	}
	return n, err
}
