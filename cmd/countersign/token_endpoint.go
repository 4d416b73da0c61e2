package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/authz"
	"countersign.dev/authz/exchange"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// tokenEndpoint makes the RFC 8693 endpoint from the parts.
func (p *parts) tokenEndpoint(c *config, recorder authz.Recorder) (*exchange.Exchange, error) {
	peers, err := peer.NewReader(peer.Config{Source: peer.Certificate, TrustDomains: trustDomains(c.Peer.TrustDomains)})
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	t := c.TokenEndpoint
	root, _ := p.issuers.Issuer(t.Issuer)
	return exchange.New(exchange.Config{
		Issuer: t.Issuer, TrustDomain: c.TrustDomain, Audience: t.Audience, TTL: t.TTL, MaxDepth: t.MaxDepth,
		Prefixes: c.subjectPrefixes(), Users: p.users, Peers: peers, Policies: p.policies, Revocations: p.revocations,
		Recorder: recorder, Keys: p.rootKeys,
		SubjectPrefix: root.SubjectPrefix, ReservedPrefixes: root.ReservedPrefixes,
	})
}

// newTokenServer serves the endpoint over mTLS. Every workload whose authorities we know may connect: what it gets is a
// question to policy.
func newTokenServer(source trust.Identity, endpoint *exchange.Exchange, log *slog.Logger) *http.Server {
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeAny())
	config.MinVersion = tls.VersionTLS13
	// A resumed session is not verified again, so it could outlive the client's certificate and our bundles.
	config.SessionTicketsDisabled = true
	return &http.Server{
		Handler: endpoint.Handler(), TLSConfig: config, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}
