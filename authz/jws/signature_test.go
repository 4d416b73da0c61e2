package jws_test

import (
	"context"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/jws"
	"countersign.dev/authz/trust"
)

const issuer = "https://tts.acme.example"

// oneKey is an issuer with one key.
type oneKey struct{ key jose.JSONWebKey }

func (k oneKey) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	if iss != issuer || kid != k.key.KeyID {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "no key %q", kid)
	}
	return k.key, nil
}

func TestCheckSignature(t *testing.T) {
	generate := func(alg string) jose.JSONWebKey {
		key, err := trust.GenerateKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, ed := generate("ES256"), generate("EdDSA")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.Key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"iss":"` + issuer + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	c, err := jws.Split(text, 1000)
	if err != nil {
		t.Fatal(err)
	}
	stranger := generate("ES256")
	stranger.KeyID = key.KeyID
	for _, tt := range []struct {
		name          string
		key           jose.JSONWebKey
		iss, kid, alg string
		want          denial.Reason // empty: genuine
	}{
		{"genuine", key.Public(), issuer, key.KeyID, "ES256", ""},
		{"of another issuer", key.Public(), "https://other.example", key.KeyID, "ES256", denial.TokenUnknownKey},
		{"with another kid", key.Public(), issuer, "other", "ES256", denial.TokenUnknownKey},
		{"a key for another algorithm", ed.Public(), issuer, ed.KeyID, "ES256", denial.TokenUnknownKey},
		{"an algorithm that the header does not have", ed.Public(), issuer, ed.KeyID, "EdDSA", denial.TokenMalformed},
		{"a stranger's key under the same kid", stranger.Public(), issuer, key.KeyID, "ES256", denial.TokenSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.CheckSignature(t.Context(), oneKey{tt.key}, tt.iss, tt.kid, tt.alg)
			if (err == nil) != (tt.want == "") || err != nil && denial.ReasonOf(err) != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
