package verify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

// Header is the header field that carries the token, in and out (draft-ietf-oauth-transaction-tokens-11).
const Header = "Txn-Token"

// Verify checks that a request was countersigned for this backend, and says what the token tells about it. Method is
// the HTTP method, h the header section, and body the exact bytes that came. Every failure is a [denial.Error]. Besides
// the reasons of [delegation.Verifier.Verify] there are
//
//   - [denial.TokenMissing] and [denial.HeaderDuplicated] if there is not exactly one token, and [denial.HeaderInvalid]
//   - [denial.TokenUnbound] if the token is bound to no request: it is a root token
//   - [denial.TokenServer] and [denial.TokenRequestHash] if it is bound to another server or other bytes
//   - [denial.TokenMethod] and [denial.TokenTool] if it names another method or tool than the request
//   - those of [countersign.dev/authz/mcp.ParseObject] if the body is not strict JSON
func (v *Verifier) Verify(ctx context.Context, method string, h http.Header, body []byte) (*Call, error) {
	compact, err := single(h)
	if err != nil {
		return nil, err
	}
	token, err := v.tokens.Verify(ctx, compact, v.self, v.clock())
	if err != nil {
		return nil, err
	}
	claims := token.Claims()
	if err := v.bound(claims.Request.MCP, method, body); err != nil {
		return nil, err
	}
	return newCall(&claims, token.RootIssuer(), compact), nil
}

// single returns the value of the one Txn-Token. Names are compared without regard to case, also where somebody filled
// the map by hand.
func single(h http.Header) (string, error) {
	fields := header.NewFields(false)
	for name, values := range h {
		if strings.EqualFold(name, Header) {
			for _, value := range values {
				fields.Add(Header, value)
			}
		}
	}
	compact, present, err := fields.One(Header)
	if err == nil && !present {
		return "", denial.New(denial.TokenMissing, "no %s", Header)
	}
	return compact, err
}

// bound compares the request that the token was made for with the one that came. The bytes are compared before they are
// read.
func (v *Verifier) bound(b *delegation.Binding, method string, body []byte) error {
	if b == nil {
		return denial.New(denial.TokenUnbound, "no rctx.mcp: not the token of a request")
	}
	if b.Server != v.server {
		return denial.New(denial.TokenServer, "for server %.80q, this is %s", b.Server, v.server)
	}
	sum := sha256.Sum256(body)
	if got := base64.RawURLEncoding.EncodeToString(sum[:]); got != b.RequestHash {
		return denial.New(denial.TokenRequestHash, "for a body with SHA-256 %s, that of the %d bytes received is %s",
			b.RequestHash, len(body), got)
	}
	m, err := readMessage(method, body)
	switch {
	case err != nil:
		return err
	case m.method != b.Method:
		return denial.New(denial.TokenMethod, "for %.80q, the request is %.80q", b.Method, m.method)
	case m.tool != b.Tool:
		return denial.New(denial.TokenTool, "for tool %.80q, the request is for %.80q", b.Tool, m.tool)
	}
	return nil
}
