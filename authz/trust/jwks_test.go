package trust_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

func TestKeysOfEveryAlgorithm(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			private := newKey(t, alg, "2026-11")
			c := fileIssuer(t, set(t, private))
			c.Algorithms = []string{alg}
			key, err := newStore(t, own(t), c).Key(t.Context(), tts, "2026-11")
			if err != nil {
				t.Fatal(err)
			}
			if key.Algorithm != alg || key.Use != "sig" || !key.IsPublic() || key.KeyID != "2026-11" {
				t.Errorf("got a key for %s, use %s, public %t", key.Algorithm, key.Use, key.IsPublic())
			}
			if !verifies(t, private, key) {
				t.Error("what the private key signs does not verify")
			}
		})
	}
}

func verifies(t *testing.T, private, public jose.JSONWebKey) bool {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(private.Algorithm), Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = signed.Verify(public)
	return err == nil
}

func public(key jose.JSONWebKey) jose.JSONWebKey { return key.Public() }

// edit changes members of the only key of a set; nil removes one.
func edit(t *testing.T, key jose.JSONWebKey, members map[string]any) string {
	t.Helper()
	data, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var jwk map[string]any
	if err := json.Unmarshal(data, &jwk); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if jwk[name] = value; value == nil {
			delete(jwk, name)
		}
	}
	if data, err = json.Marshal(jwk); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBadKeySetsAreRefused(t *testing.T) {
	es := newKey(t, "ES256", "k1")
	es256 := public(es)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one := func(jwk string) string { return `{"keys":[` + jwk + `]}` }
	many := make([]jose.JSONWebKey, trust.MaxKeys+1)
	for i := range many {
		many[i] = es256
		many[i].KeyID = fmt.Sprint(i)
	}
	for name, test := range map[string]struct{ set, want string }{
		"nothing":                       {"", "not a JWK Set"},
		"not JSON":                      {"-----BEGIN PUBLIC KEY-----", "not a JWK Set"},
		"trailing bytes":                {set(t, es) + "{}", "not a JWK Set"},
		"a list":                        {"[]", "not a JWK Set"},
		"null":                          {"null", "no keys"},
		"one key without a set":         {edit(t, es256, nil), "no keys"},
		"an empty set":                  {`{"keys":[]}`, "no keys"},
		"keys in another case":          {strings.Replace(set(t, es), `"keys"`, `"Keys"`, 1), "no keys"},
		"keys twice":                    {strings.TrimSuffix(set(t, es), "}") + `,"keys":[]}`, "not a JWK Set"},
		"a key that is null":            {one("null"), "kid is missing"},
		"a key that is a string":        {one(`"k1"`), "not a JWK"},
		"a key with a member twice":     {one(strings.Replace(edit(t, es256, nil), `{`, `{"use":"sig",`, 1)), "not a JWK"},
		"too many keys":                 {set(t, many...), "65 keys, at most 64"},
		"kid missing":                   {one(edit(t, es256, map[string]any{"kid": nil})), "kid is missing"},
		"kid empty":                     {one(edit(t, es256, map[string]any{"kid": ""})), "kid is missing"},
		"kid null":                      {one(strings.Replace(edit(t, es256, nil), `"k1"`, `null`, 1)), "kid is not a string"},
		"kid a number":                  {one(edit(t, es256, map[string]any{"kid": 1})), "kid is not a string"},
		"kid endless":                   {one(edit(t, es256, map[string]any{"kid": strings.Repeat("k", 257)})), "longer than 128"},
		"kid with a newline":            {one(edit(t, es256, map[string]any{"kid": "k\n1"})), "not printable ASCII"},
		"kid twice":                     {set(t, es, newKey(t, "ES256", "k1")), `kid "k1": this kid came before`},
		"a private EC key":              {one(edit(t, es, nil)), `kid "k1": member d: private and symmetric keys`},
		"a private Ed25519 key":         {one(edit(t, newKey(t, "EdDSA", "k1"), nil)), `kid "k1": member d: private and symmetric keys`},
		"a private RSA key":             {one(edit(t, newKey(t, "RS256", "k1"), nil)), "private and symmetric keys"},
		"RSA primes without exponent":   {one(edit(t, public(newKey(t, "RS256", "k1")), map[string]any{"p": "AQAB"})), "member p: private and symmetric keys"},
		"a symmetric key":               {one(`{"kty":"oct","kid":"k1","k":"c2VjcmV0"}`), `kid "k1": member k: private and symmetric keys`},
		"a symmetric key without value": {one(`{"kty":"oct","kid":"k1"}`), "reading the key"},
		"a key for encryption":          {one(edit(t, es256, map[string]any{"use": "enc"})), `use is "enc"`},
		"use empty":                     {one(edit(t, es256, map[string]any{"use": ""})), `use is ""`},
		"use a number":                  {one(edit(t, es256, map[string]any{"use": 1})), "use is not a string"},
		"an SVID bundle":                {one(edit(t, es256, map[string]any{"use": "jwt-svid"})), `use is "jwt-svid"`},
		"key_ops without verify":        {one(edit(t, es256, map[string]any{"key_ops": []string{"sign"}})), "key_ops does not list verify"},
		"key_ops a string":              {one(edit(t, es256, map[string]any{"key_ops": "verify"})), "key_ops is not a list"},
		"alg of another key":            {one(edit(t, es256, map[string]any{"alg": "RS256"})), `alg is "RS256", but a key of this type is for ES256`},
		"alg none":                      {one(edit(t, es256, map[string]any{"alg": "none"})), `alg is "none"`},
		"alg a number":                  {one(edit(t, es256, map[string]any{"alg": 1})), "reading the key"},
		"kty missing":                   {one(edit(t, es256, map[string]any{"kty": nil})), "reading the key"},
		"a point off the curve":         {one(edit(t, es256, map[string]any{"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})), "reading the key"},
		"another curve":                 {set(t, newKey(t, "P-384", "k1")), "the only ECDSA curve is P-256"},
		"RSA for an ES256 issuer":       {set(t, newKey(t, "RS256", "k1")), "a key for RS256, but the issuer may use only [ES256]"},
		"Ed25519 for an ES256 issuer":   {set(t, newKey(t, "EdDSA", "k1")), "a key for EdDSA, but the issuer may use only [ES256]"},
		"weak RSA":                      {set(t, jose.JSONWebKey{Key: &weak.PublicKey, KeyID: "k1"}), "an RSA key of 1024 bits"},
		"a good key beside a bad one":   {set(t, es, newKey(t, "P-384", "k2")), `keys[1], kid "k2"`},
		"too large":                     {set(t, es) + strings.Repeat(" ", trust.MaxKeySetSize), "larger than 262144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fileIssuer(t, test.set)
			_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, own(t), quiet)
			wantError(t, err, c.KeysFile, test.want)
		})
	}
}

func TestHarmlessExtrasInAKeySet(t *testing.T) {
	key := public(newKey(t, "ES256", "k1"))
	for name, jwk := range map[string]string{
		"no use":                  edit(t, key, map[string]any{"use": nil}),
		"no alg":                  edit(t, key, map[string]any{"alg": nil}),
		"key_ops with verify":     edit(t, key, map[string]any{"key_ops": []string{"verify"}}),
		"unknown members":         edit(t, key, map[string]any{"iat": 1, "exp": 2}),
		"a URL that nobody reads": edit(t, key, map[string]any{"x5u": "https://evil.example/chain"}),
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, own(t), fileIssuer(t, `{"keys":[`+jwk+`],"iss":"x"}`))
			key, err := store.Key(t.Context(), tts, "k1")
			if err != nil {
				t.Fatal(err)
			}
			if key.Algorithm != "ES256" || key.CertificatesURL != nil || key.Certificates != nil {
				t.Errorf("got %+v", key)
			}
		})
	}
}

func TestUnknownIssuersAndKeys(t *testing.T) {
	store := newStore(t, own(t), fileIssuer(t, set(t, newKey(t, "ES256", "k1"))))
	_, err := store.Key(t.Context(), "https://evil.example", "k1")
	wantDenied(t, err, denial.TokenUnknownIssuer, "https://evil.example")
	for _, kid := range []string{"", "k2", "K1", strings.Repeat("x", 4000)} {
		_, err = store.Key(t.Context(), tts, kid)
		wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		if len(err.Error()) > 300 {
			t.Errorf("the detail quotes %d bytes of the token", len(err.Error()))
		}
	}
	// The issuer's key under our name, and ours under the issuer's.
	_, err = store.Key(t.Context(), self, "k1")
	wantDenied(t, err, denial.TokenUnknownKey, "we have no key")
}

func TestReloadOfAFile(t *testing.T) {
	first, second := newKey(t, "ES256", "k1"), newKey(t, "ES256", "k2")
	c := fileIssuer(t, set(t, first))
	store := newStore(t, own(t), c)
	reload := func(content string) error {
		write(t, c.KeysFile, content)
		return store.Reload(t.Context())
	}
	usable := func(kid string) bool {
		_, err := store.Key(t.Context(), tts, kid)
		return err == nil
	}

	if err := reload(set(t, first, second)); err != nil {
		t.Fatal(err)
	}
	if !usable("k1") || !usable("k2") || store.Generation() != 0 {
		t.Errorf("after adding a key: generation %d", store.Generation())
	}

	wantError(t, reload("{"), tts, c.KeysFile, "not a JWK Set")
	status := store.Status()[0]
	if !usable("k1") || !usable("k2") || store.Generation() != 0 || !strings.Contains(status.Error, "not a JWK Set") {
		t.Errorf("a bad file took something away: status %+v", status)
	}

	if err := reload(set(t, second)); err != nil {
		t.Fatal(err)
	}
	status = store.Status()[0]
	if usable("k1") || !usable("k2") || store.Generation() != 1 || status.Error != "" || status.Updated.IsZero() {
		t.Errorf("after removing a key: generation %d, status %+v", store.Generation(), status)
	}

	if err := reload(set(t, newKey(t, "ES256", "k2"))); err != nil {
		t.Fatal(err)
	}
	if store.Generation() != 2 {
		t.Errorf("another key under the same kid: generation %d, want 2", store.Generation())
	}

	if err := os.Remove(c.KeysFile); err != nil {
		t.Fatal(err)
	}
	wantError(t, store.Reload(t.Context()), c.KeysFile)
	if !usable("k2") || store.Generation() != 2 {
		t.Error("a missing file took the keys away")
	}
}
