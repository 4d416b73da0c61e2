package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fetchTimeout bounds one fetch of a key set, from the connection to the last byte.
const fetchTimeout = 5 * time.Second

// source is where the key set of an issuer comes from.
type source interface {
	load(ctx context.Context) (keySet, error)
}

type fileSource struct {
	path       string
	algorithms []jose.SignatureAlgorithm
}

func (s fileSource) load(context.Context) (keySet, error) {
	data, err := readBounded(s.path)
	if err != nil {
		return nil, err
	}
	return parseKeySet(s.path, data, s.algorithms)
}

type urlSource struct {
	url        string
	caFile     string
	algorithms []jose.SignatureAlgorithm
}

// newURLSource checks what can be checked without asking the server.
func newURLSource(c IssuerConfig, algorithms []jose.SignatureAlgorithm) (urlSource, error) {
	u, err := url.Parse(c.KeysURL)
	if err != nil {
		return urlSource{}, fmt.Errorf("the URL of the keys: %w", err)
	}
	switch {
	case u.Scheme != "https":
		return urlSource{}, fmt.Errorf("the URL of the keys is %q, must begin with https://", c.KeysURL)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return urlSource{}, errors.New("the URL of the keys must have a host and no user or fragment")
	}
	s := urlSource{url: c.KeysURL, caFile: c.CAFile, algorithms: algorithms}
	if _, err := s.roots(); err != nil {
		return urlSource{}, err
	}
	return s, nil
}

// roots reads the certificates that the server is verified with; nil means those of the system.
func (s urlSource) roots() (*x509.CertPool, error) {
	if s.caFile == "" {
		return nil, nil
	}
	data, err := readBounded(s.caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: no PEM certificate", s.caFile)
	}
	return pool, nil
}

// load fetches the set. A client is made for every fetch: fetches are rare, and so a changed CA file is seen and no
// idle connection is kept.
func (s urlSource) load(ctx context.Context) (keySet, error) {
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// A redirect would let the server choose whose keys we trust.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return nil, fmt.Errorf("%s: answered %s, and redirects are refused", s.url, response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: answered %s", s.url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, MaxKeySetSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: reading the answer: %w", s.url, err)
	}
	return parseKeySet(s.url, data, s.algorithms)
}
