package exchange

import (
	"crypto/x509"
	"mime"
	"net/http"
	"net/netip"
	"strings"

	"countersign.dev/authz/denial"
)

// Request is one HTTP request to the token endpoint.
type Request struct {
	// Certificate is the leaf that the mTLS peer proved to have; nil if there was none.
	Certificate *x509.Certificate
	// Source is the peer's address; zero when unknown.
	Source netip.Addr
	// Method, Host and Path are those of HTTP. Query is the raw query.
	Method, Host, Path, Query string
	// Header is the header section.
	Header http.Header
	// Body is the body, cut off behind [MaxBody] + 1 bytes. BodyError is what went wrong when it was read.
	Body      []byte
	BodyError error
}

// checkHTTP checks what is around the form.
func (r *Request) checkHTTP() error {
	types := r.Header.Values("Content-Type")
	switch {
	case r.Method != http.MethodPost:
		return denial.New(denial.HTTPMethod, "%.20q: the token endpoint takes POST", r.Method)
	case r.Query != "":
		return denial.New(denial.ExchangeMalformed, "the URL has a query: parameters belong into the body")
	case len(r.Header.Values("Authorization")) > 0:
		return denial.New(denial.ExchangeClient, "header Authorization: clients authenticate with mTLS alone")
	case len(r.Header.Values("Content-Encoding")) > 0:
		return denial.New(denial.BodyEncoded, "header Content-Encoding is set")
	case len(types) != 1:
		return denial.New(denial.ContentType, "%d headers Content-Type", len(types))
	}
	media, parameters, err := mime.ParseMediaType(types[0])
	charset, named := parameters["charset"]
	if err != nil || media != "application/x-www-form-urlencoded" || named && !strings.EqualFold(charset, "utf-8") {
		return denial.New(denial.ContentType, "Content-Type is %.80q, must be application/x-www-form-urlencoded", types[0])
	}
	switch {
	case len(r.Body) > MaxBody:
		return denial.New(denial.BodyTooLarge, "the body has more than %d bytes", MaxBody)
	case r.BodyError != nil:
		return denial.New(denial.BodyPartial, "reading the body: %w", r.BodyError)
	}
	return nil
}
