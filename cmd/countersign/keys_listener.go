package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"countersign.dev/authz/trust"
)

// publicKeysPath is where the keys that countersign are, on every listener that has them. rootKeysPath is where those that
// begin delegations are, on the admin listener; for others they are at the jwks_uri of the token endpoint.
const (
	publicKeysPath = "/.well-known/jwks.json"
	rootKeysPath   = "/.well-known/root-jwks.json"
)

// newKeysServer serves our public keys over mTLS. The keys are no secret: what counts is that whoever asks knows that
// they are ours. Any workload whose authorities we know may ask.
func newKeysServer(source trust.Identity, jwks http.HandlerFunc) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+publicKeysPath, jwks)
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeAny())
	config.MinVersion = tls.VersionTLS13
	// A resumed session is not verified again, so it could outlive the client's certificate and our bundles.
	config.SessionTicketsDisabled = true
	return &http.Server{
		Handler: mux, TLSConfig: config, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// checkIdentity returns an identity for commands that only look at the configuration: that in files, or none. The
// Workload API would say who we are to it, which is not who serve will be.
func (c *config) checkIdentity() (trust.Identity, error) {
	if c.Identity.Certificate == "" {
		return noIdentity{}, nil
	}
	files, err := openSVIDFiles(c.Identity)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return files, nil
}

// noIdentity is nobody who knows nobody.
type noIdentity struct{}

var errNoIdentity = errors.New("there is no identity of our own here")

// GetX509SVID implements x509svid.Source.
func (noIdentity) GetX509SVID() (*x509svid.SVID, error) { return nil, errNoIdentity }

// GetX509BundleForTrustDomain implements x509bundle.Source.
func (noIdentity) GetX509BundleForTrustDomain(spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	return nil, errNoIdentity
}

// Close implements io.Closer.
func (noIdentity) Close() error { return nil }
