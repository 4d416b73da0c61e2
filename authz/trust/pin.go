package trust

import (
	"crypto/tls"
	"errors"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Identity proves who we are in mTLS, and knows the X.509 authorities of our trust domain and of those that it
// federates with. Both may change at any time.
type Identity interface {
	x509svid.Source
	x509bundle.Source
}

// pin names the one workload that keys are fetched from. The zero value pins nobody.
type pin struct {
	server   spiffeid.ID
	identity Identity
}

// pin checks what says who serves the keys.
func (c IssuerConfig) pin() (pin, error) {
	switch {
	case c.KeysServer.IsZero():
		return pin{}, nil
	case c.KeysURL == "":
		return pin{}, errors.New("a SPIFFE ID is for keys behind a URL")
	case c.CAFile != "":
		return pin{}, errors.New("the server of the keys is known by a SPIFFE ID or through a CA file, not by both")
	case c.KeysServer.Path() == "":
		return pin{}, errors.New("a SPIFFE ID without a path names no server")
	case c.Identity == nil:
		return pin{}, errors.New("keys over mTLS need an identity of our own")
	}
	return pin{server: c.KeysServer, identity: c.Identity}, nil
}

// tlsConfig says how to connect. Over mTLS the host name does not count: the server is the workload that proves the
// SPIFFE ID, with a certificate of an authority of that trust domain and of no other.
func (s urlSource) tlsConfig() (*tls.Config, error) {
	if p := s.pin; !p.server.IsZero() {
		config := tlsconfig.MTLSClientConfig(p.identity, p.identity, tlsconfig.AuthorizeID(p.server))
		config.MinVersion = tls.VersionTLS13 // the other side is a Countersign
		return config, nil
	}
	roots, err := Authorities(s.caFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
