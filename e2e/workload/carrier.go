package main

import (
	"net/http"
	"sync"

	"countersign.dev/e2e/workload/wire"
)

// tokenHeader carries the delegation (draft-ietf-oauth-transaction-tokens-11).
const tokenHeader = "Txn-Token"

// carrier sends the requests of one MCP session over mTLS, each with the session's token.
type carrier struct {
	credentials *credentials
	transport   *http.Transport
	header      http.Header

	mu     sync.Mutex
	token  string
	peer   wire.Certificate
	status int
	// challenges came since they were last told.
	challenges []wire.Challenge
}

// newCarrier has its own connections, so that a new session uses the newest X.509-SVIDs.
func newCarrier(c *credentials, version string, header http.Header) *carrier {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(version != "2")
	protocols.SetHTTP2(version != "1.1")
	return &carrier{
		credentials: c,
		transport:   &http.Transport{TLSClientConfig: c.client(), Protocols: protocols},
		header:      header,
	}
}

func (c *carrier) client() *http.Client { return &http.Client{Transport: c} }

func (c *carrier) close() { c.transport.CloseIdleConnections() }

func (c *carrier) setToken(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = token
}

// describe tells what the newest answer to a message was, and between which certificates it came.
func (c *carrier) describe(reply *wire.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply.Own, reply.Gateway, reply.Status = c.credentials.own(), c.peer, c.status
	reply.Challenges, c.challenges = c.challenges, nil
}

// asked notes what the user was asked for because of the newest challenge.
func (c *carrier) asked(scope string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.challenges) - 1; last >= 0 {
		c.challenges[last].Asked = scope
	}
}

// RoundTrip implements [http.RoundTripper].
func (c *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for name, values := range c.header {
		req.Header[name] = values
	}
	c.mu.Lock()
	if c.token != "" {
		req.Header.Set(tokenHeader, c.token)
	}
	c.mu.Unlock()
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.Method == http.MethodPost {
		c.status = resp.StatusCode
		if challenge := resp.Header.Get("WWW-Authenticate"); challenge != "" {
			c.challenges = append(c.challenges, wire.Challenge{Status: resp.StatusCode, Header: challenge})
		}
	}
	c.peer = wire.Certificate{}
	if resp.TLS != nil {
		leaf := resp.TLS.PeerCertificates[0]
		c.peer = wire.Certificate{Serial: leaf.SerialNumber.Text(16), Expires: leaf.NotAfter}
		if len(leaf.URIs) > 0 {
			c.peer.ID = leaf.URIs[0].String()
		}
	}
	return resp, nil
}
