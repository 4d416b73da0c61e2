package e2e_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
	"countersign.dev/e2e/stage"
)

// keyOf is a private key of a house's Countersign: of keys, which countersign, or of root-keys, which begin.
func keyOf(t *testing.T, st *stage.Stage, directory string) jose.JSONWebKey {
	t.Helper()
	key, err := trust.LoadKey(filepath.Join(st.ConfigDir, directory, "signing.jwk"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Acme has an alice, and so has the partner. The partner's policies are about one of them, and a thief of the key that
// its Countersign goes on with can not be either.
func TestTwoAlices(t *testing.T) {
	f := federate(t, stage.Options{UpstreamTLS: true})
	planner, err := f.Partner.Client(f.Acme.SVIDs["planner"], "2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(planner.CloseIdleConnections)
	acmes := farGrant(t, f)
	// What the partner's token endpoint would give the planner for its own user.
	begun := func(user, directory string) string {
		c := claimsOf(t, acmes)
		c.set("iss", "https://countersign.partner.example")
		c.set("aud", f.Partner.Domain)
		c.set("sub", user)
		c.set("del_max_depth", 3)
		return forge(t, c, keyOf(t, f.Partner, directory))
	}
	partners := begun("alice", "root-keys")

	condition := `context.delegation.issuer == "https://tts.acme.example"`
	for _, c := range []struct {
		user, name, token string
		want              denial.Reason // empty: it is let through
	}{
		{`User::"acme:alice"`, "acme's", acmes, ""},
		{`User::"acme:alice"`, "the partner's", partners, denial.PolicyNoPermit},
		{`User::"acme:alice"`, "one who calls herself acme's", begun("acme:alice", "root-keys"), denial.TokenClaims},
		{`User::"alice"`, "acme's", acmes, denial.PolicyNoPermit},
		{`User::"alice"`, "the partner's", partners, ""},
		{`User::"alice"`, "one signed with a stolen hop key", begun("alice", "keys"), denial.TokenUnknownKey},
	} {
		t.Run(c.user+" and "+c.name, func(t *testing.T) {
			if next := "context.delegation.subject == " + c.user; next != condition {
				if err := f.Partner.EditPolicy(t.Context(), "ledger.cedar", condition, next); err != nil {
					t.Fatal(err)
				}
				condition = next
			}
			records := decided(t, f.Partner)
			got := readEntry(t, f, planner, c.token)
			first := stage.Record{}
			for _, r := range records() {
				if r.Peer == f.Acme.ID("planner") {
					first = r
				}
			}
			if (first.Decision == "allow") != (c.want == "") || first.Reason != string(c.want) {
				t.Errorf("got %d %s and record %+v, want reason %q", got.status, got.body, first, c.want)
			}
		})
	}
}

// What others verify hop tokens with does not verify what begins a delegation, and the other way round.
func TestKeysArePublishedApart(t *testing.T) {
	st := raise(t, stage.Options{})
	hop, root := keyOf(t, st, "keys").KeyID, keyOf(t, st, "root-keys").KeyID
	planner, countersign := st.SVIDs["planner"], spiffeid.RequireFromString(st.ID("countersign"))
	bundle, err := x509bundle.Load(countersign.TrustDomain(), planner.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	token := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificateOf(t, st, "planner")},
		// An SVID carries no host name. The SPIFFE ID is checked instead.
		InsecureSkipVerify:    true, //nolint:gosec // see above
		VerifyPeerCertificate: tlsconfig.VerifyPeerCertificate(bundle, tlsconfig.AuthorizeID(countersign)),
	}}}
	t.Cleanup(token.CloseIdleConnections)
	for url, want := range map[string]struct {
		client     *http.Client
		has, lacks string
	}{
		st.AdminURL + "/.well-known/jwks.json":                               {http.DefaultClient, hop, root},
		st.AdminURL + "/.well-known/root-jwks.json":                          {http.DefaultClient, root, hop},
		strings.TrimSuffix(st.TokenURL, "/token") + "/.well-known/jwks.json": {token, root, hop},
	} {
		got := rawCall{client: want.client, method: http.MethodGet, url: url, header: http.Header{}}.must(t)
		if got.status != http.StatusOK || !strings.Contains(got.body, want.has) || strings.Contains(got.body, want.lacks) ||
			strings.Contains(got.body, `"d"`) {
			t.Errorf("%s: got %d %s", url, got.status, got.body)
		}
	}
}
