package trust

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// FuzzKeySet holds that nothing but public keys for the allowed algorithms comes out of a set, each under its own
// kid, and that what comes out is read the same again.
func FuzzKeySet(f *testing.F) {
	for _, alg := range []string{"ES256", "EdDSA"} {
		key, err := GenerateKey(alg)
		if err != nil {
			f.Fatal(err)
		}
		for _, k := range []jose.JSONWebKey{key, key.Public()} {
			data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k}})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","kid":"o","k":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[null],"keys":[]}`))
	allowed := []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeySet("fuzz", data, allowed, false)
		if err != nil {
			if keys != nil {
				t.Fatal("keys in spite of an error")
			}
			return
		}
		if len(keys) == 0 || len(keys) > MaxKeys {
			t.Fatalf("%d keys", len(keys))
		}
		var again jose.JSONWebKeySet
		for kid, key := range keys {
			if key.KeyID != kid || checkKeyID(kid) != nil || key.Use != "sig" || !key.IsPublic() || !key.Valid() ||
				!slices.Contains(allowed, jose.SignatureAlgorithm(key.Algorithm)) || key.CertificatesURL != nil {
				t.Fatalf("a key that must not pass: %+v", key)
			}
			again.Keys = append(again.Keys, key)
		}
		text, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseKeySet("fuzz", text, allowed, false)
		if err != nil || len(back) != len(keys) || lost(keys, back) {
			t.Fatalf("not read the same again: %v", err)
		}
	})
}

// FuzzSigningKey holds that a key that loads can sign, is named by its thumbprint, and is written and read the same.
func FuzzSigningKey(f *testing.F) {
	for _, alg := range []string{"ES256", "EdDSA"} {
		key, err := GenerateKey(alg)
		if err != nil {
			f.Fatal(err)
		}
		for _, at := range []time.Time{{}, time.Unix(1795305600, 0)} {
			data, err := EncodeSigningKey(key, at)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(`{"kty":"oct","k":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseSigningKey(data)
		if err != nil {
			return
		}
		kid, err := thumbprint(key.JSONWebKey)
		if err != nil || kid != key.KeyID || key.IsPublic() || key.notBefore < 0 {
			t.Fatalf("a key that must not pass: %s, nbf %d, %v", key.KeyID, key.notBefore, err)
		}
		text, err := EncodeSigningKey(key.JSONWebKey, time.Unix(key.notBefore, 0))
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseSigningKey(text)
		if err != nil || back.KeyID != key.KeyID || back.notBefore != key.notBefore {
			t.Fatalf("not read the same again: %v", err)
		}
	})
}
