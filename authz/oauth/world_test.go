package oauth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/trust"
)

const (
	idp      = "https://login.acme.example"
	other    = "https://login.other.example"
	resource = "https://tts.acme.example"
	webApp   = "web-app"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// world is an identity provider with two keys, a second provider that may sign with ES256 only, and a root issuer that
// got among them by mistake.
type world struct {
	t        testing.TB
	ec, rsa  jose.JSONWebKey
	stranger jose.JSONWebKey // of the second provider
	keys     keys
	verifier *oauth.Verifier
}

type keys map[string]provider

type provider struct {
	issuer trust.Issuer
	keys   []jose.JSONWebKey
}

func (k keys) Issuer(iss string) (trust.Issuer, bool) { p, ok := k[iss]; return p.issuer, ok }

func (k keys) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	for _, key := range k[iss].keys {
		if key.KeyID == kid {
			return key, nil
		}
	}
	return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "no key %.40q", kid)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, ec: newKey(t, "ES256", "ec-1"), rsa: newKey(t, "RS256", "rsa-1"), stranger: newKey(t, "ES256", "ec-1")}
	both, ec := []jose.SignatureAlgorithm{jose.RS256, jose.ES256}, []jose.SignatureAlgorithm{jose.ES256}
	w.keys = keys{
		idp:   {trust.Issuer{ID: idp, Role: trust.Entry, Algorithms: both}, []jose.JSONWebKey{w.ec.Public(), w.rsa.Public()}},
		other: {trust.Issuer{ID: other, Role: trust.Entry, Algorithms: ec}, []jose.JSONWebKey{w.stranger.Public()}},
	}
	var err error
	w.verifier, err = oauth.NewVerifier(oauth.Config{Keys: w.keys, Providers: []oauth.Provider{
		{Issuer: idp, Audiences: []string{webApp, "mobile-app"}, Clients: []string{webApp, "cli"}},
		{Issuer: other},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newKey(t testing.TB, alg, kid string) jose.JSONWebKey {
	t.Helper()
	if alg == "RS256" {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return jose.JSONWebKey{Key: private, Algorithm: alg, KeyID: kid, Use: "sig"}
	}
	key, err := trust.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	key.KeyID = kid
	return key
}

type claims map[string]any

// accessClaims are those of a good access token of alice.
func accessClaims(change claims) claims {
	return merge(claims{
		"iss": idp, "sub": "alice", "aud": resource, "client_id": webApp, "jti": "at-1",
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "scope": "openid mcp:crm:refund_case",
		"auth_time": noon.Add(-time.Hour).Unix(), "acr": "urn:acme:mfa", "amr": []string{"pwd", "hwk"},
	}, change)
}

// idClaims are those of a good ID token of alice.
func idClaims(change claims) claims {
	return merge(claims{
		"iss": idp, "sub": "alice", "aud": webApp, "nonce": "n-1", "email": "alice@acme.example",
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(),
	}, change)
}

// merge takes a claim away where the change is nil.
func merge(c, change claims) claims {
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign signs claims as the provider would. The header is typ, alg and kid, and what extra has.
func (w *world) sign(key jose.JSONWebKey, typ string, c claims, extra ...any) string {
	w.t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.signText(key, typ, string(payload), extra...)
}

func (w *world) signText(key jose.JSONWebKey, typ, payload string, extra ...any) string {
	w.t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	for i := 0; i+1 < len(extra); i += 2 {
		options.WithHeader(jose.HeaderKey(extra[i].(string)), extra[i+1])
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		w.t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return compact
}

func (w *world) access(change claims) string { return w.sign(w.ec, "at+jwt", accessClaims(change)) }
func (w *world) id(change claims) string     { return w.sign(w.rsa, "JWT", idClaims(change)) }

// withHeader replaces the header text of a token. The signature stays what it was.
func withHeader(compact, header string) string {
	_, rest, _ := strings.Cut(compact, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

func wantDenied(t *testing.T, err error, want denial.Reason) {
	t.Helper()
	if err == nil || denial.ReasonOf(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
