package stage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"countersign.dev/e2e/provider"
)

// loginConfig has the crm take access tokens.
type loginConfig struct {
	// Provider is the issuer of the tokens, Resource what they are for.
	Provider, Resource string
}

// loginUser is who logs in: alice, who is in support.
const loginUser = "alice"

// startProvider runs the identity provider of the house's people.
func (s *Stage) startProvider(ctx context.Context) error {
	// It is no workload. As on the web, an authority of its own vouches for its host name.
	ca, err := NewCA(filepath.Join(s.Dir, "idp"), "idp."+s.Domain)
	if err != nil {
		return err
	}
	svid, err := ca.Issue("idp", forLoopback)
	if err != nil {
		return err
	}
	s.ProviderBundle = svid.Bundle
	certificate, err := tls.LoadX509KeyPair(svid.Certificate, svid.Key)
	if err != nil {
		return fmt.Errorf("loading the certificate of the identity provider: %w", err)
	}
	if s.Provider, err = provider.Start(ctx, certificate, loginUser); err != nil {
		return err
	}
	s.ended = append(s.ended, s.Provider.Close)
	return nil
}

// Login returns an access token of a user for the token endpoint, from where the people of the house log in.
func (s *Stage) Login(user string) (string, error) {
	if s.Provider == nil {
		return s.People.Login(user)
	}
	if user != s.Provider.User {
		return "", fmt.Errorf("%s cannot log in: the identity provider knows only %s", user, s.Provider.User)
	}
	return s.Provider.Issue(provider.Claims{Client: "workbench", Audience: tokenIssuer(TrustDomain), Scope: "openid"})
}

// trustProvider gives Countersign the keys of the identity provider.
func (s *Stage) trustProvider() error {
	if s.Provider == nil {
		return nil
	}
	keys, err := s.Provider.JWKS()
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(s.ConfigDir, "issuers/idp.jwks.json"), keys)
}

// Browser returns an HTTP client for OAuth in the name of a workload: it reaches Envoy as that workload, and the identity
// provider as anybody. It follows no redirects, so that whoever uses it sees what the provider answers. It needs the files
// of the stage's own CA.
func (s *Stage) Browser(workload string) (*http.Client, error) {
	svid := s.SVIDs[workload]
	envoy, err := s.Client(svid, "1.1")
	if err != nil {
		return nil, err
	}
	bundle, err := os.ReadFile(s.ProviderBundle)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of the identity provider: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	return &http.Client{
		Transport: split{
			provider: s.Provider.Issuer,
			there:    &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}},
			here:     envoy.Transport,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// split sends requests to the identity provider one way, and all others another.
type split struct {
	provider    string
	there, here http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (s split) RoundTrip(req *http.Request) (*http.Response, error) {
	if "https://"+req.URL.Host == s.provider {
		return s.there.RoundTrip(req)
	}
	return s.here.RoundTrip(req)
}
