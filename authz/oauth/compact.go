package oauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// joseHeader is the part of the JOSE header that counts.
type joseHeader struct {
	algorithm, keyID, typ string
}

// envelope is a compact JWS (RFC 7515, section 7.1) of which nothing is trusted yet.
type envelope struct {
	compact string
	header  joseHeader
	payload []byte
	hash    string // base64url SHA-256 of the signing input
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
	sum := sha256.Sum256([]byte(compact[:strings.LastIndexByte(compact, '.')]))
	return &envelope{compact, header, decoded[1], base64.RawURLEncoding.EncodeToString(sum[:])}, nil
}

// ignored are the members of the JOSE header that some providers set and that change nothing: they repeat which
// certificate the key has (RFC 7515, sections 4.1.7 and 4.1.8).
var ignored = map[string]bool{"x5t": true, "x5t#S256": true}

// readHeader accepts alg, kid and typ, and skips what is ignored. Everything else is refused: crit and b64 change how
// the token is read; jku, jwk, x5u and x5c offer a key; and of the rest nobody knows.
func readHeader(text []byte) (joseHeader, error) {
	o, err := mcp.ParseObject(text)
	if err != nil {
		return joseHeader{}, denial.New(denial.TokenMalformed, "header: %w", err)
	}
	var h joseHeader
	known := map[string]*string{"alg": &h.algorithm, "kid": &h.keyID, "typ": &h.typ}
	for name, value := range o.All() {
		to, ok := known[name]
		if !ok && ignored[name] {
			continue
		}
		if !ok {
			return joseHeader{}, denial.New(denial.TokenMalformed, "header: %.80q is not a member that it may have", name)
		}
		s, ok := value.(mcp.String)
		if !ok || s == "" || len(s) > MaxKeyID {
			return joseHeader{}, denial.New(denial.TokenMalformed, "header: %s is not a string of 1 to %d bytes", name, MaxKeyID)
		}
		*to = string(s)
	}
	if h.algorithm == "" || h.keyID == "" {
		return joseHeader{}, denial.New(denial.TokenMalformed, "header: alg and kid are needed")
	}
	return h, nil
}

// peekIssuer returns the iss of a payload whose signature was not checked yet: the key to check it with depends on it.
func peekIssuer(payload []byte) (string, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(payload))
	if t, err := dec.ReadToken(); err == nil && t.Kind() == '{' {
		for dec.PeekKind() == '"' {
			name, err := dec.ReadToken()
			if err != nil {
				break
			}
			isIssuer := name.String() == "iss"
			raw, err := dec.ReadValue()
			if err != nil {
				break
			}
			if !isIssuer {
				continue
			}
			iss, err := jsontext.AppendUnquote(nil, raw)
			if err != nil || len(iss) > MaxURI {
				return "", denial.New(denial.TokenMalformed, "iss is not a string of at most %d bytes", MaxURI)
			}
			return string(iss), nil
		}
	}
	return "", denial.New(denial.TokenMalformed, "the payload is not a JSON object with an iss")
}
