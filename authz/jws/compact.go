// Package jws takes a compact JWS (RFC 7515, section 7.1) apart before anything in it is trusted, and checks its signature.
// It interprets nothing but iss: what a token may be is for the package that knows its profile.
package jws

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
)

// Compact is a compact JWS of which nothing is trusted yet.
type Compact struct {
	// Text is the whole of it.
	Text string
	// Header and Payload are the decoded JOSE header and payload.
	Header, Payload []byte
	// Hash is the base64url SHA-256 of the signing input. The signature is not part of it: an ECDSA signature can be
	// changed into another valid one.
	Hash string
}

// Split takes a compact JWS of at most limit bytes apart. Only the one canonical spelling is accepted: base64url decoders
// skip line breaks and ignore unused bits, which would give one token many texts. Every error is
// [denial.TokenMalformed].
func Split(text string, limit int) (Compact, error) {
	if len(text) > limit {
		return Compact{}, denial.New(denial.TokenMalformed, "a token of %d bytes: at most %d", len(text), limit)
	}
	if n := strings.Count(text, "."); n != 2 {
		return Compact{}, denial.New(denial.TokenMalformed, "a compact JWS has 2 dots, this has %d", n)
	}
	var decoded [3][]byte
	for i, segment := range strings.Split(text, ".") {
		var err error
		decoded[i], err = base64.RawURLEncoding.DecodeString(segment)
		if err != nil || segment == "" || base64.RawURLEncoding.EncodeToString(decoded[i]) != segment {
			return Compact{}, denial.New(denial.TokenMalformed, "segment %d is not canonical base64url", i+1)
		}
	}
	sum := sha256.Sum256([]byte(text[:strings.LastIndexByte(text, '.')]))
	return Compact{
		Text: text, Header: decoded[0], Payload: decoded[1], Hash: base64.RawURLEncoding.EncodeToString(sum[:]),
	}, nil
}

// Issuer returns the iss of a payload whose signature was not checked yet, at most limit bytes: the key to check it with
// depends on it.
func (c Compact) Issuer(limit int) (string, error) {
	for name, raw := range RawMembers(c.Payload) {
		if name != "iss" {
			continue
		}
		iss, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || len(iss) > limit {
			return "", denial.New(denial.TokenMalformed, "iss is not a string of at most %d bytes", limit)
		}
		return string(iss), nil
	}
	return "", denial.New(denial.TokenMalformed, "the payload is not a JSON object with an iss")
}

// RawMembers goes through the members of a JSON object and yields their values as they are written. It stops at the
// first error; whoever needs to know about it parses the whole text.
func RawMembers(text []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(text))
		if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
			return
		}
		for dec.PeekKind() == '"' {
			t, err := dec.ReadToken()
			if err != nil {
				return
			}
			name := t.String()
			raw, err := dec.ReadValue()
			if err != nil || !yield(name, raw) {
				return
			}
		}
	}
}
