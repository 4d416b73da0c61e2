package trust_test

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
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// authority issues X.509-SVIDs of one trust domain.
type authority struct {
	domain      spiffeid.TrustDomain
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newAuthority(t *testing.T, domain string) authority {
	t.Helper()
	a := authority{domain: spiffeid.RequireTrustDomainFromString(domain), key: ecKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		URIs: []*url.URL{{Scheme: "spiffe", Host: domain}}, NotAfter: time.Now().Add(time.Hour),
	}
	a.certificate = certify(t, template, template, a.key, a.key)
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certify(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
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

// issue is what this authority says about anybody, also about those of other trust domains.
func (a authority) issue(t *testing.T, id string) *x509svid.SVID {
	t.Helper()
	spiffeID := spiffeid.RequireFromString(id)
	key := ecKey(t)
	leaf := certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), KeyUsage: x509.KeyUsageDigitalSignature, URIs: []*url.URL{spiffeID.URL()},
		NotAfter: time.Now().Add(time.Hour),
	}, a.certificate, key, a.key)
	return &x509svid.SVID{ID: spiffeID, Certificates: []*x509.Certificate{leaf}, PrivateKey: key}
}

// identity is an X.509-SVID together with the authorities of some trust domains.
type identity struct {
	*x509svid.SVID
	*x509bundle.Set
}

func (i identity) GetX509SVID() (*x509svid.SVID, error) { return i.SVID, nil }

func know(svid *x509svid.SVID, authorities ...authority) identity {
	set := x509bundle.NewSet()
	for _, a := range authorities {
		set.Add(x509bundle.FromX509Authorities(a.domain, []*x509.Certificate{a.certificate}))
	}
	return identity{svid, set}
}

const partnerID = "spiffe://partner.example/countersign"

// serveKeys serves a key set over mTLS as a workload.
func serveKeys(t *testing.T, as identity, body string) (at string, clients chan string) {
	t.Helper()
	clients = make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clients <- r.TLS.PeerCertificates[0].URIs[0].String()
		_, _ = w.Write([]byte(body))
	}))
	// Not StartTLS, which has a certificate of its own.
	server.Listener = tls.NewListener(server.Listener, tlsconfig.MTLSServerConfig(as, as, tlsconfig.AuthorizeAny()))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return "https://" + server.Listener.Addr().String() + "/.well-known/jwks.json", clients
}

func TestKeysOverMTLSFromThePinnedWorkload(t *testing.T) {
	home, abroad, evil := newAuthority(t, "acme.example"), newAuthority(t, "partner.example"), newAuthority(t, "evil.example")
	us := home.issue(t, self)
	keys := set(t, newKey(t, "ES256", "k1"))
	for _, c := range []struct {
		name   string
		server identity
		we     identity
		want   string // of the error; empty if the keys are taken
	}{
		{"the pinned workload", know(abroad.issue(t, partnerID), home, abroad), know(us, home, abroad), ""},
		{"another workload of its trust domain", know(abroad.issue(t, "spiffe://partner.example/ledger"), home, abroad), know(us, home, abroad), "unexpected ID"},
		{"one whose path goes on", know(abroad.issue(t, partnerID+"/x"), home, abroad), know(us, home, abroad), "unexpected ID"},
		{"a workload of ours", know(home.issue(t, "spiffe://acme.example/intern"), home, abroad), know(us, home, abroad), "unexpected ID"},
		{"the name from our own authority", know(home.issue(t, partnerID), home, abroad), know(us, home, abroad), "certificate signed by unknown authority"},
		{"the name from anybody's authority", know(evil.issue(t, partnerID), home, abroad), know(us, home, abroad), "certificate signed by unknown authority"},
		{"a trust domain that does not federate with us", know(abroad.issue(t, partnerID), home, abroad), know(us, home), "partner.example"},
		{"a trust domain that we do not federate with", know(abroad.issue(t, partnerID), abroad), know(us, home, abroad), "tls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, clients := serveKeys(t, c.server, keys)
			store := newStore(t, own(t), trust.IssuerConfig{
				Issuer: partnerID, Role: trust.Hop, KeysURL: at,
				KeysServer: spiffeid.RequireFromString(partnerID), Identity: c.we,
			})
			status := store.Status()[0]
			if c.want != "" {
				if !strings.Contains(status.Error, c.want) || len(status.Keys) != 0 {
					t.Errorf("status %+v, want %q", status, c.want)
				}
				_, err := store.Key(t.Context(), partnerID, "k1")
				wantDenied(t, err, denial.TokenUnknownKey, "never arrived")
				return
			}
			if _, err := store.Key(t.Context(), partnerID, "k1"); err != nil {
				t.Fatalf("%v, status %+v", err, status)
			}
			if n, client := len(clients), <-clients; n != 1 || client != self {
				t.Errorf("%d asked, the first was %q, want us", n, client)
			}
		})
	}
}

// A web server with a certificate for the host name is nobody where a workload is pinned, and the other way round.
func TestAPinIsNotAHostName(t *testing.T) {
	home := newAuthority(t, "acme.example")
	us := know(home.issue(t, self), home)
	web := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	c := web.issuer()
	c.CAFile, c.KeysServer, c.Identity = "", spiffeid.RequireFromString("spiffe://acme.example/tts"), us
	if got := newStore(t, own(t), c).Status()[0]; len(got.Keys) != 0 || !strings.Contains(got.Error, "URI SAN") {
		t.Errorf("status %+v", got)
	}
	if n := web.fetches.Load(); n != 0 {
		t.Errorf("the web server was asked %d times", n)
	}
}

func TestPinErrors(t *testing.T) {
	home := newAuthority(t, "acme.example")
	us := know(home.issue(t, self), home)
	server := spiffeid.RequireFromString(partnerID)
	good := trust.IssuerConfig{
		Issuer: partnerID, Role: trust.Hop, KeysURL: "https://127.0.0.1:1/jwks.json", KeysServer: server, Identity: us,
	}
	for name, test := range map[string]struct {
		change func(*trust.IssuerConfig)
		want   string
	}{
		"a file":                 {func(c *trust.IssuerConfig) { c.KeysURL, c.KeysFile = "", "keys.json" }, "for keys behind a URL"},
		"a CA file as well":      {func(c *trust.IssuerConfig) { c.CAFile = "ca.pem" }, "not by both"},
		"a whole trust domain":   {func(c *trust.IssuerConfig) { c.KeysServer = server.TrustDomain().ID() }, "names no server"},
		"no identity of our own": {func(c *trust.IssuerConfig) { c.Identity = nil }, "need an identity"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			test.change(&c)
			_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, own(t), quiet)
			wantError(t, err, "issuers[0]", test.want)
		})
	}
}

func TestAudiencesAreTheIssuers(t *testing.T) {
	c := fileIssuer(t, set(t, newKey(t, "ES256", "k1")))
	c.Audiences = []string{"acme.example"}
	o := own(t)
	o.Audiences = []string{"partner.example", "acme.example"}
	store := newStore(t, o, c)
	for iss, want := range map[string]string{tts: "acme.example", self: "partner.example acme.example"} {
		if got, ok := store.Issuer(iss); !ok || strings.Join(got.Audiences, " ") != want {
			t.Errorf("%s signs for %q", iss, got.Audiences)
		}
	}
	c.Audiences = []string{""}
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, own(t), quiet)
	wantError(t, err, "an audience is empty")
}
