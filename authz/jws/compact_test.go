package jws_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/jws"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

var token = b64(`{"alg":"ES256"}`) + "." + b64(`{"sub":"alice","iss":"https://tts.acme.example"}`) + "." + b64("signature")

func TestSplit(t *testing.T) {
	c, err := jws.Split(token, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if c.Text != token || string(c.Header) != `{"alg":"ES256"}` || !strings.HasPrefix(string(c.Payload), `{"sub":"alice"`) {
		t.Errorf("got %+v", c)
	}
	other, err := jws.Split(token[:strings.LastIndex(token, ".")+1]+b64("another"), 1000)
	if err != nil || other.Hash != c.Hash {
		t.Errorf("the hash depends on the signature: %s and %s, %v", other.Hash, c.Hash, err)
	}
	if iss, err := c.Issuer(100); err != nil || iss != "https://tts.acme.example" {
		t.Errorf("issuer %q, %v", iss, err)
	}
}

func TestOnlyTheCanonicalSpelling(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               "",
		"one segment":           "a",
		"four segments":         token + ".a",
		"an empty signature":    token[:strings.LastIndex(token, ".")+1],
		"an empty header":       "." + b64("{}") + "." + b64("s"),
		"padding":               token + "=",
		"a line break":          token[:5] + "\n" + token[5:],
		"standard base64":       strings.Replace(token, "e", "+", 1),
		"bits that are not 0":   b64("{}") + "." + b64("{}") + ".QR",
		"a byte over the limit": token + strings.Repeat("A", 1001-len(token)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := jws.Split(text, 1000); err == nil || denial.ReasonOf(err) != denial.TokenMalformed {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIssuerOfOddPayloads(t *testing.T) {
	for name, payload := range map[string]string{
		"no object": `[1]`, "no JSON": `x`, "none": `{"sub":"a"}`, "a number": `{"iss":1}`, "cut off": `{"iss":`,
		"cut off in a name": `{"is`, "endless": `{"iss":"` + strings.Repeat("x", 200) + `"}`, "in another case": `{"ISS":"a"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if iss, err := (jws.Compact{Payload: []byte(payload)}).Issuer(100); err == nil || denial.ReasonOf(err) != denial.TokenMalformed {
				t.Errorf("got %q, %v", iss, err)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := jws.Split(text, 1000)
		if err != nil {
			return
		}
		encoded := base64.RawURLEncoding.EncodeToString(c.Header) + "." + base64.RawURLEncoding.EncodeToString(c.Payload) + "."
		if !strings.HasPrefix(text, encoded) {
			t.Errorf("%q has another spelling", text)
		}
		if iss, err := c.Issuer(10); err == nil && len(iss) > 10 {
			t.Errorf("an issuer of %d bytes", len(iss))
		}
	})
}
