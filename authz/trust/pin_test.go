package trust_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/trust/trusttest"
)

const partnerID = "spiffe://partner.example/countersign"

// serveKeys serves a key set over mTLS as a workload.
func serveKeys(t *testing.T, as trusttest.Identity, body string) (at string, clients chan string) {
	t.Helper()
	clients = make(chan string, 10)
	at = trusttest.Serve(t, as, func(w http.ResponseWriter, r *http.Request) {
		clients <- r.TLS.PeerCertificates[0].URIs[0].String()
		_, _ = w.Write([]byte(body))
	})
	return at + "/.well-known/jwks.json", clients
}

func TestKeysOverMTLSFromThePinnedWorkload(t *testing.T) {
	home, abroad, evil := trusttest.NewAuthority(t, "acme.example"), trusttest.NewAuthority(t, "partner.example"), trusttest.NewAuthority(t, "evil.example")
	us := home.Issue(t, self)
	keys := set(t, newKey(t, "ES256", "k1"))
	for _, c := range []struct {
		name   string
		server trusttest.Identity
		we     trusttest.Identity
		want   string // of the error; empty if the keys are taken
	}{
		{"the pinned workload", trusttest.Know(abroad.Issue(t, partnerID), home, abroad), trusttest.Know(us, home, abroad), ""},
		{"another workload of its trust domain", trusttest.Know(abroad.Issue(t, "spiffe://partner.example/ledger"), home, abroad), trusttest.Know(us, home, abroad), "unexpected ID"},
		{"one whose path goes on", trusttest.Know(abroad.Issue(t, partnerID+"/x"), home, abroad), trusttest.Know(us, home, abroad), "unexpected ID"},
		{"a workload of ours", trusttest.Know(home.Issue(t, "spiffe://acme.example/intern"), home, abroad), trusttest.Know(us, home, abroad), "unexpected ID"},
		{"the name from our own authority", trusttest.Know(home.Issue(t, partnerID), home, abroad), trusttest.Know(us, home, abroad), "certificate signed by unknown authority"},
		{"the name from anybody's authority", trusttest.Know(evil.Issue(t, partnerID), home, abroad), trusttest.Know(us, home, abroad), "certificate signed by unknown authority"},
		{"a trust domain that does not federate with us", trusttest.Know(abroad.Issue(t, partnerID), home, abroad), trusttest.Know(us, home), "partner.example"},
		{"a trust domain that we do not federate with", trusttest.Know(abroad.Issue(t, partnerID), abroad), trusttest.Know(us, home, abroad), "tls"},
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
	home := trusttest.NewAuthority(t, "acme.example")
	us := trusttest.Know(home.Issue(t, self), home)
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
	home := trusttest.NewAuthority(t, "acme.example")
	us := trusttest.Know(home.Issue(t, self), home)
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
