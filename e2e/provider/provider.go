// Package provider is a small OAuth authorization server for the end-to-end tests: a user's identity provider, as MCP
// clients know it.
//
// It has the authorization code grant with PKCE (RFC 7636), resource indicators (RFC 8707), dynamic client registration
// (RFC 7591), the issuer in its answers (RFC 9207) and metadata (RFC 8414), and issues JWT access tokens (RFC 9068). Its
// one user is always logged in and approves whatever is asked for.
package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
)

// tokenLife is how long access tokens are valid.
const tokenLife = 10 * time.Minute

// Provider is a running authorization server.
type Provider struct {
	// Issuer is its name, which is also its URL.
	Issuer string
	// User is the one user.
	User string

	key    jose.JSONWebKey
	server *http.Server

	mu      sync.Mutex
	clients map[string][]string // redirect URIs by client
	codes   map[string]grant
	asked   []string // scopes, as they were asked for
}

// grant is what the user approved.
type grant struct{ client, redirect, challenge, resource, scope string }

// Start runs an authorization server with a certificate on a loopback port.
func Start(ctx context.Context, certificate tls.Certificate, user string) (*Provider, error) {
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		return nil, fmt.Errorf("making the key of the identity provider: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening as the identity provider: %w", err)
	}
	p := &Provider{
		Issuer: "https://" + listener.Addr().String(), User: user, key: key,
		clients: map[string][]string{}, codes: map[string]grant{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", p.metadata)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.jwks()) })
	mux.HandleFunc("POST /register", p.register)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }() // until Close
	return p, nil
}

// Close ends it.
func (p *Provider) Close() { _ = p.server.Close() }

// Asked lists the scopes that clients asked the user for, in order.
func (p *Provider) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

func (p *Provider) jwks() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}}
}

// JWKS is the public key set.
func (p *Provider) JWKS() ([]byte, error) {
	data, err := json.Marshal(p.jwks())
	if err != nil {
		return nil, fmt.Errorf("encoding the keys of the identity provider: %w", err)
	}
	return data, nil
}

func (p *Provider) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"registration_endpoint": p.Issuer + "/register", "jwks_uri": p.Issuer + "/jwks",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (p *Provider) register(w http.ResponseWriter, r *http.Request) {
	var client struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&client); err != nil || len(client.RedirectURIs) == 0 {
		refuse(w, "invalid_client_metadata")
		return
	}
	id := "client-" + rand.Text()
	p.mu.Lock()
	p.clients[id] = client.RedirectURIs
	p.mu.Unlock()
	answer(w, http.StatusCreated, map[string]any{
		"client_id": id, "redirect_uris": client.RedirectURIs, "token_endpoint_auth_method": "none",
	})
}

// authorize approves in the user's name and sends the code back.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g := grant{
		client: q.Get("client_id"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		resource: q.Get("resource"), scope: q.Get("scope"),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := false
	for _, uri := range p.clients[g.client] {
		known = known || uri == g.redirect
	}
	back, err := url.Parse(g.redirect)
	if !known || err != nil || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		g.challenge == "" || g.resource == "" || q.Get("state") == "" {
		refuse(w, "invalid_request")
		return
	}
	p.asked = append(p.asked, g.scope)
	code := rand.Text()
	p.codes[code] = g
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		refuse(w, "invalid_request")
		return
	}
	form := r.PostForm
	p.mu.Lock()
	g, ok := p.codes[form.Get("code")]
	delete(p.codes, form.Get("code")) // once
	p.mu.Unlock()
	verifier := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !ok || form.Get("grant_type") != "authorization_code" || form.Get("client_id") != g.client ||
		form.Get("redirect_uri") != g.redirect || form.Get("resource") != g.resource ||
		base64.RawURLEncoding.EncodeToString(verifier[:]) != g.challenge {
		refuse(w, "invalid_grant")
		return
	}
	token, err := p.Issue(Claims{Client: g.client, Audience: g.resource, Scope: g.scope})
	if err != nil {
		refuse(w, "server_error")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "scope": g.scope,
	})
}

// Claims are those of an access token that vary.
type Claims struct {
	// Client is client_id, Scope is scope.
	Client, Scope string
	// Audience is aud: a string or a list of them.
	Audience any
	// Expires is exp; some minutes from now if zero.
	Expires time.Time
}

// Issue signs an access token for the user.
func (p *Provider) Issue(c Claims) (string, error) {
	now := time.Now()
	if c.Expires.IsZero() {
		c.Expires = now.Add(tokenLife)
	}
	payload, err := json.Marshal(map[string]any{
		"iss": p.Issuer, "sub": p.User, "aud": c.Audience, "client_id": c.Client, "scope": c.Scope, "jti": rand.Text(),
		"iat": min(now.Unix(), c.Expires.Add(-time.Second).Unix()), "exp": c.Expires.Unix(), "auth_time": now.Unix(),
	})
	signer, signerErr := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, new(jose.SignerOptions).WithType("at+jwt"))
	if err := errors.Join(err, signerErr); err != nil {
		return "", fmt.Errorf("preparing an access token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", err)
	}
	return jws.CompactSerialize()
}

func refuse(w http.ResponseWriter, code string) {
	answer(w, http.StatusBadRequest, map[string]string{"error": code})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client is gone if this fails
}
