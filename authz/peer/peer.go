// Package peer establishes who is calling: the SPIFFE ID of the workload at the other end of the mTLS connection.
//
// The evidence comes from Envoy, never from a header that the caller wrote. Three sources are supported:
//
//   - the peer principal that Envoy extracted from the certificate. Envoy reports only the first URI SAN, or falls
//     back to a DNS name or the subject, so whatever is not a SPIFFE ID is refused, and the certificate is checked
//     too whenever Envoy sends it;
//   - the certificate alone;
//   - the x-forwarded-client-cert header (XFCC), where a listed proxy in front of Envoy terminates mTLS.
//
// The rules are those of the SPIFFE ID and X.509-SVID standards: exactly one URI SAN, a leaf, a well-formed ID with
// a path, in an allowed trust domain. Chain and validity period were checked by the TLS stack that took the
// certificate; this package does not repeat that.
package peer

import (
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Source says which evidence names the caller.
type Source int

const (
	// Principal is the peer principal that Envoy reports. It is the default.
	Principal Source = iota
	// Certificate is the client certificate that Envoy sends along (include_peer_certificate).
	Certificate
	// XFCC is the last element of x-forwarded-client-cert, written by a listed proxy.
	XFCC
)

var sources = []string{"principal", "certificate", "xfcc"}

// String returns the name used in the configuration.
func (s Source) String() string {
	if s < 0 || int(s) >= len(sources) {
		return fmt.Sprintf("Source(%d)", int(s))
	}
	return sources[s]
}

// MarshalText implements encoding.TextMarshaler. An unknown source is an error.
func (s Source) MarshalText() ([]byte, error) {
	if s < 0 || int(s) >= len(sources) {
		return nil, fmt.Errorf("unknown peer source %d", int(s))
	}
	return []byte(sources[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Source) UnmarshalText(text []byte) error {
	for i, name := range sources {
		if string(text) == name {
			*s = Source(i)
			return nil
		}
	}
	return fmt.Errorf("unknown peer source %q: use one of principal, certificate, xfcc", text)
}

// Evidence is what Envoy knows about the other end of the connection. All of it may be empty.
type Evidence struct {
	// Principal is source.principal of the CheckRequest.
	Principal string
	// Certificate is source.certificate of the CheckRequest: the leaf as URL-encoded PEM.
	Certificate string
	// XFCC are the values of the x-forwarded-client-cert fields, in the order in which they came.
	XFCC []string
}

// Peer is a workload whose identity is established.
type Peer struct {
	// ID is the SPIFFE ID. It always has a path and is in an allowed trust domain.
	ID spiffeid.ID
	// CertificateHash is the SHA-256 of the DER-encoded leaf in base64url without padding, as in the x5t#S256
	// confirmation method (RFC 8705, section 3.1). It is empty when neither a certificate nor its hash was seen.
	CertificateHash string
}
