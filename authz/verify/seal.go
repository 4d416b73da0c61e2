package verify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// sealHeader carries a call from the HTTP side of a framework to where its handlers run. Countersign removes fields of
// this prefix from requests, and only a Verifier can make a value that it opens again.
const sealHeader = "X-Countersign-Call"

// seals encrypts tokens under a key that never leaves the process, so that what a handler may print is no token.
type seals struct{ aead cipher.AEAD }

func newSeals() seals {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails, see crypto/rand
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("verify: a key of 32 bytes is refused: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("verify: AES is refused: %v", err))
	}
	return seals{aead}
}

// Seal writes a verified call into a header section, for frameworks that hand a handler the header of its request but
// not the request's context. [Verifier.Unseal] of the same Verifier gets it back.
// A call that no Verifier made is not written.
func (v *Verifier) Seal(call *Call, h http.Header) {
	h.Del(sealHeader)
	if call.token == nil {
		return
	}
	sealed := v.seals.aead.Seal(nil, nil, []byte(*call.token), nil) //nolint:gosec // this AEAD makes a random nonce itself
	h.Set(sealHeader, base64.RawURLEncoding.EncodeToString(sealed))
}

// Unseal returns the call that [Verifier.Seal] wrote into a header section. It refuses as [denial.TokenMissing] when
// there is none of this Verifier, and as [denial.TokenExpired] when its time is over.
func (v *Verifier) Unseal(h http.Header) (*Call, error) {
	values := h.Values(sealHeader)
	if len(values) != 1 {
		return nil, denial.New(denial.TokenMissing, "%d verified calls in the header: the request did not come through the verifier", len(values))
	}
	sealed, err := base64.RawURLEncoding.DecodeString(values[0])
	if err != nil {
		return nil, denial.New(denial.TokenMissing, "reading a sealed call: %w", err)
	}
	compact, err := v.seals.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, denial.New(denial.TokenMissing, "opening a sealed call: %w", err)
	}
	token, err := delegation.Parse(string(compact))
	if err != nil {
		return nil, err
	}
	if now := v.clock(); !now.Before(token.Claims.Expiry) {
		return nil, denial.New(denial.TokenExpired, "expired at %s, it is %s", token.Claims.Expiry, now.UTC().Truncate(time.Second))
	}
	rootIssuer := token.Claims.Issuer
	if token.Root != nil {
		rootIssuer = token.Root.Claims.Issuer
	}
	return newCall(&token.Claims, rootIssuer, string(compact)), nil
}
