package delegation

import (
	"crypto/sha256"
	"encoding/base64"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/jws"
	"countersign.dev/authz/mcp"
)

// tokenType is the typ of every token (draft-ietf-oauth-transaction-tokens-11). It keeps other JWTs of the same
// issuer from being taken for one.
const tokenType = "txntoken+jwt" //nolint:gosec // a media type, no secret

// Header is the JOSE header. The profile has no other members.
type Header struct {
	Algorithm, KeyID, Type string
}

// envelope is a compact JWS with a readable header, of which nothing is trusted yet.
type envelope struct {
	raw    jws.Compact
	header Header
}

// open splits a token and reads its header.
func open(compact string) (*envelope, error) {
	c, err := jws.Split(compact, MaxSize)
	if err != nil {
		return nil, err
	}
	header, err := readHeader(c.Header)
	if err != nil {
		return nil, err
	}
	return &envelope{c, header}, nil
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

// isSHA256Text reports whether text is a hash as tokens have them: base64url of SHA-256, without padding.
func isSHA256Text(text string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && base64.RawURLEncoding.EncodeToString(sum) == text
}
