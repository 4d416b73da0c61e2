package oauth

import (
	"countersign.dev/authz/denial"
	"countersign.dev/authz/jws"
	"countersign.dev/authz/mcp"
)

// joseHeader is the part of the JOSE header that counts.
type joseHeader struct {
	algorithm, keyID, typ string
}

// envelope is a compact JWS with a readable header, of which nothing is trusted yet.
type envelope struct {
	raw    jws.Compact
	header joseHeader
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
