package verify_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

// keyFile writes the public half of a key as a JWK Set.
func keyFile(t testing.TB, file string, keys ...jose.JSONWebKey) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, key := range keys {
		set.Keys = append(set.Keys, key.Public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfigurationErrors(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		change func(*verify.Config)
		want   string
	}{
		"no SPIFFE ID":           {func(c *verify.Config) { c.Self = "crm" }, `self is "crm"`},
		"a trust domain":         {func(c *verify.Config) { c.Self = "spiffe://acme.example" }, "names a trust domain and no workload"},
		"no server":              {func(c *verify.Config) { c.Server = "" }, "no server"},
		"a negative body":        {func(c *verify.Config) { c.MaxBody = -1 }, "must not be negative"},
		"no keys":                {func(c *verify.Config) { c.Keys = nil }, "either issuers or keys"},
		"keys twice":             {func(c *verify.Config) { c.Issuers = w.issuers() }, "either issuers or keys"},
		"a negative depth":       {func(c *verify.Config) { c.MaxDepth = -1 }, "greatest depth"},
		"the role was forgotten": {issuers(trust.IssuerConfig{Issuer: countersign, KeysFile: "x"}), "Countersign itself has role hop"},
		"a root that is not required": {func(c *verify.Config) {
			c.Keys, c.Issuers = nil, w.issuers()
		}, "issuers of role root are for RequireRoot"},
		"a root that is required and missing": {func(c *verify.Config) {
			c.Keys, c.Issuers, c.RequireRoot = nil, w.issuers()[1:], true
		}, "it needs one"},
		"a role that signs nothing": {issuers(trust.IssuerConfig{Issuer: countersign, Role: 7, KeysFile: "x"}), "signs no tokens for a backend"},
		"a file that is missing":    {issuers(trust.IssuerConfig{Issuer: countersign, Role: trust.Hop, KeysFile: "missing.json"}), "missing.json"},
		"keys over plain http":      {issuers(trust.IssuerConfig{Issuer: countersign, Role: trust.Hop, KeysURL: "http://countersign.acme.example/jwks"}), "https://"},
	} {
		t.Run(name, func(t *testing.T) {
			config := verify.Config{Self: crmID, Server: "crm", Keys: w.fixed(), Log: quiet}
			test.change(&config)
			if _, err := verify.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if _, err := verify.New(t.Context(), verify.Config{Self: crmID, Server: "crm", Keys: w.fixed()}); err != nil {
		t.Errorf("the smallest configuration: %v", err)
	}
}

func issuers(i ...trust.IssuerConfig) func(*verify.Config) {
	return func(c *verify.Config) { c.Keys, c.Issuers = nil, i }
}

func TestFixedKeys(t *testing.T) {
	td := []spiffeid.TrustDomain{acme}
	private := newKey(t)
	good := private.Public()
	bare := good
	bare.Algorithm = ""
	nameless := good
	nameless.KeyID = ""
	long := good
	long.KeyID = strings.Repeat("k", trust.MaxKeyIDLength+1)
	for name, test := range map[string]struct {
		issuer trust.Issuer
		keys   []jose.JSONWebKey
		want   string
	}{
		"no issuer":         {trust.Issuer{ActorTrustDomains: td}, []jose.JSONWebKey{good}, "need an issuer"},
		"no trust domains":  {trust.Issuer{ID: countersign}, []jose.JSONWebKey{good}, "the trust domains of its actors"},
		"no keys":           {trust.Issuer{ID: countersign, ActorTrustDomains: td}, nil, "at least one key"},
		"a private key":     {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{private}, "not a public key"},
		"a symmetric key":   {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "k", Algorithm: "HS256"}}, "not a public key"},
		"a kid twice":       {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{good, good}, "came before"},
		"no kid":            {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{nameless}, "a kid of 0 bytes"},
		"a long kid":        {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{long}, "a kid of 129 bytes"},
		"no alg":            {trust.Issuer{ID: countersign, ActorTrustDomains: td}, []jose.JSONWebKey{bare}, `alg is ""`},
		"an alg not listed": {trust.Issuer{ID: countersign, ActorTrustDomains: td, Algorithms: []jose.SignatureAlgorithm{jose.EdDSA}}, []jose.JSONWebKey{good}, `alg is "ES256"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verify.FixedKeys(test.issuer, jose.JSONWebKeySet{Keys: test.keys}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	keys, err := verify.FixedKeys(trust.Issuer{ID: countersign, ActorTrustDomains: td}, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{good}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Key(t.Context(), countersign, "other"); reason(err) != denial.TokenUnknownKey {
		t.Errorf("another kid: %v", err)
	}
	if _, err := keys.Key(t.Context(), tts, good.KeyID); reason(err) != denial.TokenUnknownIssuer {
		t.Errorf("another issuer: %v", err)
	}
	if issuer, ok := keys.Issuer(countersign); !ok || issuer.Role != trust.Hop || issuer.MaxTTL != trust.DefaultHopMaxTTL || issuer.MaxDepth != trust.DefaultMaxDepth {
		t.Errorf("issuer %+v", issuer)
	}
}
