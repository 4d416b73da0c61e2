package trust

import (
	"context"
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
	foreign    bool // keys of no use to us may be in it
}

func (s fileSource) load(context.Context) (keySet, error) {
	data, err := readBounded(s.path)
	if err != nil {
		return nil, err
	}
	return parseKeySet(s.path, data, s.algorithms, s.foreign)
}

// oneSource reports whether there is exactly one place where the keys are.
func (c IssuerConfig) oneSource() bool {
	places := 0
	for _, given := range []bool{c.KeysFile != "", c.KeysURL != "", c.Discovery} {
		if given {
			places++
		}
	}
	return places == 1
}

// remote is the source of keys that are fetched.
func (c IssuerConfig) remote(i Issuer) (source, error) {
	if c.Discovery {
		return newDiscoverySource(c, i)
	}
	return newURLSource(c, i)
}

type urlSource struct {
	url        string
	caFile     string
	pin        pin
	algorithms []jose.SignatureAlgorithm
	foreign    bool // keys of no use to us may be in it
}

// newURLSource checks what can be checked without asking the server.
func newURLSource(c IssuerConfig, i Issuer) (urlSource, error) {
	if err := checkKeysURL(c.KeysURL); err != nil {
		return urlSource{}, err
	}
	p, err := c.pin()
	if err != nil {
		return urlSource{}, err
	}
	s := urlSource{url: c.KeysURL, caFile: c.CAFile, pin: p, algorithms: i.Algorithms, foreign: i.Role == Entry}
	if _, err := Authorities(s.caFile); err != nil {
		return urlSource{}, err
	}
	return s, nil
}

func checkKeysURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("the URL of the keys: %w", err)
	}
	switch {
	case u.Scheme != "https":
		return fmt.Errorf("the URL of the keys is %.200q, must begin with https://", text)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("the URL of the keys must have a host and no user or fragment")
	}
	return nil
}

// load fetches the set.
func (s urlSource) load(ctx context.Context) (keySet, error) {
	data, err := s.get(ctx, s.url, "application/jwk-set+json, application/json")
	if err != nil {
		return nil, err
	}
	return parseKeySet(s.url, data, s.algorithms, s.foreign)
}

// statusError is an HTTP status that is not 200.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("answered %d %s", int(e), http.StatusText(int(e)))
}

// get fetches a document of at most [MaxKeySetSize] bytes. A client is made for every fetch: fetches are rare, and so a
// changed CA file is seen and no idle connection is kept.
func (s urlSource) get(ctx context.Context, from, accept string) ([]byte, error) {
	config, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Accept", accept)
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        config,
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
		return nil, fmt.Errorf("%s: answered %s, and redirects are refused", from, response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %w", from, statusError(response.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, MaxKeySetSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: reading the answer: %w", from, err)
	case len(data) > MaxKeySetSize:
		return nil, fmt.Errorf("%s: larger than %d bytes", from, MaxKeySetSize)
	}
	return data, nil
}
