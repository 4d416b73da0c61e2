package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

const (
	tts  = "https://tts.acme.example"
	self = "spiffe://acme.example/countersign"
)

var acme = []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}

var quiet = slog.New(slog.DiscardHandler)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// newKey returns a private key; a non-empty kid replaces the thumbprint.
func newKey(t *testing.T, alg, kid string) jose.JSONWebKey {
	t.Helper()
	var key jose.JSONWebKey
	var err error
	switch alg {
	case "RS256":
		var private *rsa.PrivateKey
		private, err = rsa.GenerateKey(rand.Reader, 2048)
		key = jose.JSONWebKey{Key: private, Algorithm: alg, Use: "sig"}
	case "P-384":
		var private *ecdsa.PrivateKey
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		key = jose.JSONWebKey{Key: private, Use: "sig"}
	default:
		key, err = trust.GenerateKey(alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	if kid != "" {
		key.KeyID = kid
	}
	return key
}

// set encodes the public halves of keys as a JWK Set.
func set(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	var public jose.JSONWebKeySet
	for _, key := range keys {
		public.Keys = append(public.Keys, key.Public())
	}
	data, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signingFile writes a private key as an operator would.
func signingFile(t *testing.T, path string, key jose.JSONWebKey, notBefore time.Time) {
	t.Helper()
	data, err := trust.EncodeSigningKey(key, notBefore)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(data))
}

func own(t *testing.T) trust.Own {
	t.Helper()
	keys, err := trust.GenerateSigningKeys("ES256")
	if err != nil {
		t.Fatal(err)
	}
	return trust.Own{Issuer: self, Keys: keys}
}

func newStore(t *testing.T, o trust.Own, issuers ...trust.IssuerConfig) *trust.Store {
	t.Helper()
	store, err := trust.NewStore(t.Context(), issuers, o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fileIssuer returns a root issuer whose set is in a new file.
func fileIssuer(t *testing.T, content string) trust.IssuerConfig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tts.jwks.json")
	write(t, path, content)
	return trust.IssuerConfig{Issuer: tts, KeysFile: path}
}

// wantDenied checks the reason, and that the detail says what an operator needs.
func wantDenied(t *testing.T, err error, reason denial.Reason, detail string) {
	t.Helper()
	if err == nil || denial.ReasonOf(err) != reason || !strings.Contains(err.Error(), detail) {
		t.Fatalf("got %v, want %s with %q", err, reason, detail)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}
