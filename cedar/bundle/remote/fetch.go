package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar/bundle"
)

const (
	maxBearer    = 8 << 10 // bytes
	maxRedirects = 3
	mediaType    = "application/gzip" // RFC 6713
)

var (
	// entityTag is RFC 9110, section 8.8.3, without what is not ASCII, and of a length worth sending back.
	entityTag = regexp.MustCompile(`^(?:W/)?"[!#-~]{0,256}"$`)
	// bearerToken is b64token of RFC 6750, section 2.1.
	bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)
)

// answer is what the server said.
type answer struct {
	unchanged bool // and no data
	data      []byte
	tag       string // empty if there is none to ask with
}

// fetch asks for the bundle, or with a tag for one that has another. A client is made for every fetch: fetches are rare, and
// so changed files are seen and no idle connection is kept.
func (c Config) fetch(ctx context.Context, tag string) (answer, error) {
	config, err := c.tlsConfig()
	if err != nil {
		return answer{}, err
	}
	token, err := c.bearer()
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return answer{}, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Accept", mediaType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        config,
			DisableKeepAlives:      true,
			DisableCompression:     true, // of what is compressed already, and so that the limit counts
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: stayThere,
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("fetching: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return read(ctx, response, tag)
}

// stayThere follows redirects within the server that was configured: another one would get the bearer token, or say what is
// allowed.
func stayThere(to *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case to.URL.Scheme != first.Scheme || to.URL.Host != first.Host:
		return fmt.Errorf("redirected to %.200q, and redirects to other servers are refused", to.URL.Scheme+"://"+to.URL.Host)
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

func read(ctx context.Context, response *http.Response, asked string) (answer, error) {
	tag := response.Header.Get("ETag")
	if !entityTag.MatchString(tag) {
		tag = ""
	}
	switch response.StatusCode {
	case http.StatusNotModified:
		switch {
		case asked == "":
			return answer{}, errors.New("the server answers 304 Not Modified, and was not asked whether anything is")
		case tag != "" && strings.TrimPrefix(tag, "W/") != strings.TrimPrefix(asked, "W/"):
			return answer{}, fmt.Errorf("the server answers 304 Not Modified with ETag %s to the question about %s", tag, asked)
		}
		return answer{unchanged: true, tag: asked}, nil
	case http.StatusOK:
	default:
		return answer{}, fmt.Errorf("the server answers %.100q", response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, bundle.MaxSize+1))
	if err == nil {
		err = ctx.Err() // the server may have ended the answer because we were leaving
	}
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	case len(data) > bundle.MaxSize:
		return answer{}, fmt.Errorf("the answer has more than %d bytes", bundle.MaxSize)
	}
	return answer{data: data, tag: tag}, nil
}

// tlsConfig says how to connect.
func (c Config) tlsConfig() (*tls.Config, error) {
	if !c.Server.IsZero() {
		config := tlsconfig.MTLSClientConfig(c.Identity, c.Identity, tlsconfig.AuthorizeID(c.Server))
		config.MinVersion = tls.VersionTLS12
		return config, nil
	}
	roots, err := trust.Authorities(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// bearer returns the token to send, empty for none.
func (c Config) bearer() (string, error) {
	if c.BearerFile == "" {
		return "", nil
	}
	data, err := readFile(c.BearerFile, maxBearer)
	if err != nil {
		return "", fmt.Errorf("reading the bearer token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if !bearerToken.MatchString(token) {
		return "", fmt.Errorf("%s: not a bearer token", c.BearerFile) // and not in a log
	}
	return token, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return data, nil
}
