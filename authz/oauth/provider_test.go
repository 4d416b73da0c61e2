package oauth_test

import (
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/trust"
)

// A provider that is known by nothing but its name: where its keys are is asked, and its change of keys is followed.
func TestAProviderThatRotatesItsKeys(t *testing.T) {
	w := newWorld(t)
	var keys atomic.Pointer[jose.JSONWebKeySet]
	publish := func(key jose.JSONWebKey) {
		secret := newKey(t, "RS256", "enc")
		encryption := secret.Public()
		encryption.Use, encryption.Algorithm = "enc", "RSA-OAEP-256"
		keys.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{encryption, key.Public()}})
	}
	old, next := newKey(t, "RS256", "2025"), newKey(t, "RS256", "2026")
	publish(old)
	fetched := make(chan struct{}, 100)
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(rw).Encode(map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(rw).Encode(keys.Load())
			fetched <- struct{}{}
		}
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := trust.NewStore(t.Context(), []trust.IssuerConfig{{
		Issuer: server.URL, Role: trust.Entry, Discovery: true, CAFile: ca, Refresh: trust.MinRefresh, Stale: time.Hour,
	}}, trust.Own{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := oauth.NewVerifier(oauth.Config{Keys: store, Providers: []oauth.Provider{{Issuer: server.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(key jose.JSONWebKey) error {
		compact := w.sign(key, "at+jwt", accessClaims(claims{"iss": server.URL}))
		_, err := verifier.AccessToken(t.Context(), compact, resource, noon)
		return err
	}
	if err := verify(old); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, verify(next), denial.TokenUnknownKey)

	<-fetched
	publish(next)
	ctx := t.Context()
	go func() { _ = store.Run(ctx) }()
	<-fetched // of these two answers the first was taken when the second was asked for
	<-fetched
	if err := verify(next); err != nil {
		t.Error(err)
	}
	wantDenied(t, verify(old), denial.TokenUnknownKey)
}
