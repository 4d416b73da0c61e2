package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"countersign.dev/e2e/workload/wire"
)

// callback is where the identity provider sends the user back to. Nobody listens there: the redirect is read instead.
const callback = "http://127.0.0.1:1/callback"

// browser is the user's browser at the identity provider, and what an MCP client reads metadata with.
type browser struct {
	provider string
	there    http.RoundTripper // to the identity provider, as anybody
	carrier  *carrier          // to all others, as this workload
}

// newLogin is the SDK's own OAuth client. It learns from the challenges of the MCP server, and of nobody else, where to log
// in and what to ask for.
func newLogin(l wire.Login, c *carrier) (auth.OAuthHandler, error) {
	bundle, err := os.ReadFile(l.Bundle)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of the identity provider: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	b := browser{provider: l.Provider, carrier: c, there: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, DisableKeepAlives: true,
	}}
	client := &http.Client{
		Transport:     b,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "agent", RedirectURIs: []string{callback}},
		},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return b.approve(ctx, client, args.URL)
		},
		Client: client,
	})
}

// RoundTrip implements [http.RoundTripper].
func (b browser) RoundTrip(req *http.Request) (*http.Response, error) {
	if "https://"+req.URL.Host == b.provider {
		return b.there.RoundTrip(req)
	}
	return b.carrier.RoundTrip(req)
}

// approve opens the page on which the identity provider asks the user, who is logged in and approves.
func (b browser) approve(ctx context.Context, client *http.Client, address string) (*auth.AuthorizationResult, error) {
	page, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading where to log in: %w", err)
	}
	b.carrier.asked(page.Query().Get("scope"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking to log in: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking to log in: %w", err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("logging in: %s: %w", resp.Status, err)
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}
