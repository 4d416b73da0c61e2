package exchange

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/go-json-experiment/json"
)

// jwksCaching is how long others may keep our public keys.
const jwksCaching = "max-age=300"

// metadata is the document of RFC 8414, section 2.
type metadata struct {
	Issuer        string   `json:"issuer"`
	TokenEndpoint string   `json:"token_endpoint"`
	KeysURL       string   `json:"jwks_uri"`
	GrantTypes    []string `json:"grant_types_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	DetailTypes   []string `json:"authorization_details_types_supported"`
}

// Handler serves the endpoint over a TLS listener that demands a verified client certificate: POST of <issuer>/token,
// and for everybody who may connect the metadata (RFC 8414, section 3) and <issuer>/.well-known/jwks.json.
func (e *Exchange) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(e.base+"/token", e.token)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server"+e.base, e.metadata)
	mux.HandleFunc("GET "+e.base+"/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", jwksCaching)
		write(w, http.StatusOK, e.Keys.Public())
	})
	return mux
}

func (e *Exchange) token(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), timeLimit)
	defer cancel()
	req := &Request{Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		req.Certificate = r.TLS.PeerCertificates[0]
	}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		req.Source = from.Addr()
	}
	req.Body, req.BodyError = io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	outcome := e.Decide(ctx, req)

	// RFC 6749, section 5.1.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if outcome.Token == "" {
		status, body := outcome.failure()
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		write(w, status, body)
		return
	}
	write(w, http.StatusOK, success{
		AccessToken: outcome.Token, IssuedTokenType: TypeTxnToken, TokenType: "N_A",
		ExpiresIn: int64(outcome.Lifetime.Seconds()), Scope: outcome.Scope.String(),
		DroppedScope: outcome.Dropped.String(), DecisionID: outcome.ID,
	})
}

func (e *Exchange) metadata(w http.ResponseWriter, _ *http.Request) {
	issuer := strings.TrimSuffix(e.Issuer, "/")
	w.Header().Set("Cache-Control", jwksCaching)
	write(w, http.StatusOK, metadata{
		Issuer: e.Issuer, TokenEndpoint: issuer + "/token", KeysURL: issuer + "/.well-known/jwks.json",
		GrantTypes: []string{GrantType}, ResponseTypes: []string{},
		AuthMethods: []string{"tls_client_auth"}, DetailTypes: []string{"mcp_tools"},
	})
}

func write(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // none of the values above makes one
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
}
