package delegation

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// tokenType is the typ of every token (draft-ietf-oauth-transaction-tokens-11). It keeps other JWTs of the same
// issuer from being taken for one.
const tokenType = "txntoken+jwt" //nolint:gosec // a media type, no secret

// Header is the JOSE header. The profile has no other members.
type Header struct {
	Algorithm, KeyID, Type string
}

// envelope is a compact JWS (RFC 7515, section 7.1) of which nothing is trusted yet.
type envelope struct {
	compact string
	header  Header
	payload []byte
	// hash is the base64url SHA-256 of the signing input. The signature is not part of it: an ECDSA signature can be
	// changed into another valid one.
	hash string
}

// open splits a token and reads its header. Only the one canonical spelling of a token is accepted: base64url decoders
// skip line breaks and ignore unused bits, which would give one token many texts.
func open(compact string) (*envelope, error) {
	if len(compact) > MaxSize {
		return nil, denial.New(denial.TokenMalformed, "a token of %d bytes: at most %d", len(compact), MaxSize)
	}
	if n := strings.Count(compact, "."); n != 2 {
		return nil, denial.New(denial.TokenMalformed, "a compact JWS has 2 dots, this has %d", n)
	}
	var decoded [3][]byte
	for i, segment := range strings.Split(compact, ".") {
		var err error
		decoded[i], err = base64.RawURLEncoding.DecodeString(segment)
		if err != nil || segment == "" || base64.RawURLEncoding.EncodeToString(decoded[i]) != segment {
			return nil, denial.New(denial.TokenMalformed, "segment %d is not canonical base64url", i+1)
		}
	}
	header, err := readHeader(decoded[0])
	if err != nil {
		return nil, err
	}
	input := compact[:strings.LastIndexByte(compact, '.')]
	return &envelope{compact: compact, header: header, payload: decoded[1], hash: sha256Text([]byte(input))}, nil
}

// readHeader accepts exactly alg, kid and typ. So there is no crit, b64, jku, jwk, x5c or zip to get wrong.
func readHeader(text []byte) (Header, error) {
	o, err := mcp.ParseObject(text)
	if err != nil {
		return Header{}, denial.New(denial.TokenMalformed, "header: %w", err)
	}
	m := members{object: o, where: "header"}
	h := Header{
		Algorithm: m.text("alg", MaxIdentifier),
		KeyID:     m.text("kid", MaxKeyID),
		Type:      m.text("typ", MaxIdentifier),
	}
	if err := m.close(); err != nil {
		return Header{}, denial.New(denial.TokenMalformed, "%w", err)
	}
	if h.Type != tokenType {
		return Header{}, denial.New(denial.TokenMalformed, "typ is %.80q instead of %s", h.Type, tokenType)
	}
	return h, nil
}

// peekIssuer returns the iss of a payload whose signature was not checked yet: the key to check it with depends on it.
func peekIssuer(payload []byte) (string, error) {
	for name, raw := range rawMembers(payload) {
		if name != "iss" {
			continue
		}
		iss, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || len(iss) > MaxURI {
			return "", denial.New(denial.TokenMalformed, "iss is not a string of at most %d bytes", MaxURI)
		}
		return string(iss), nil
	}
	return "", denial.New(denial.TokenMalformed, "the payload is not a JSON object with an iss")
}

// rawMembers goes through the members of a JSON object and yields their values as they are written. It stops at the
// first error; whoever needs to know about it parses the whole text.
func rawMembers(text []byte) func(yield func(string, []byte) bool) {
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

// sha256Text is how hashes are written in tokens: base64url of SHA-256, without padding.
func sha256Text(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// isSHA256Text reports whether text is what sha256Text writes.
func isSHA256Text(text string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && base64.RawURLEncoding.EncodeToString(sum) == text
}
