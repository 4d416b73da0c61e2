// Package trusttest has workloads for tests: authorities of trust domains, the X.509-SVIDs that they issue, and servers
// that are known by them.
package trusttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Authority issues X.509-SVIDs of one trust domain.
type Authority struct {
	domain      spiffeid.TrustDomain
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// NewAuthority makes the authority of a trust domain, for an hour.
func NewAuthority(t testing.TB, domain string) Authority {
	t.Helper()
	a := Authority{domain: spiffeid.RequireTrustDomainFromString(domain), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		URIs: []*url.URL{{Scheme: "spiffe", Host: domain}}, NotAfter: time.Now().Add(time.Hour),
	}
	a.certificate = certify(t, template, template, a.key, a.key)
	return a
}

// Issue is what the authority says about anybody, also about those of other trust domains.
func (a Authority) Issue(t testing.TB, id string) *x509svid.SVID {
	t.Helper()
	spiffeID := spiffeid.RequireFromString(id)
	key := newKey(t)
	leaf := certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), KeyUsage: x509.KeyUsageDigitalSignature, URIs: []*url.URL{spiffeID.URL()},
		NotAfter: time.Now().Add(time.Hour),
	}, a.certificate, key, a.key)
	return &x509svid.SVID{ID: spiffeID, Certificates: []*x509.Certificate{leaf}, PrivateKey: key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certify(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// Identity is an X.509-SVID together with the authorities of some trust domains.
type Identity struct {
	*x509svid.SVID
	*x509bundle.Set
}

// GetX509SVID implements [x509svid.Source].
func (i Identity) GetX509SVID() (*x509svid.SVID, error) { return i.SVID, nil }

// Know is a workload that knows authorities.
func Know(svid *x509svid.SVID, authorities ...Authority) Identity {
	set := x509bundle.NewSet()
	for _, a := range authorities {
		set.Add(x509bundle.FromX509Authorities(a.domain, []*x509.Certificate{a.certificate}))
	}
	return Identity{svid, set}
}

// Serve serves over mTLS as a workload, to any workload that it knows, and returns the URL.
func Serve(t testing.TB, as Identity, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	// Not StartTLS, which has a certificate of its own.
	server.Listener = tls.NewListener(server.Listener, tlsconfig.MTLSServerConfig(as, as, tlsconfig.AuthorizeAny()))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return "https://" + server.Listener.Addr().String()
}
