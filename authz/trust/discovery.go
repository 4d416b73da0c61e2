package trust

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
)

// discoverySource asks an issuer where its keys are, anew for every load: an issuer may move them.
type discoverySource struct {
	issuer    string
	documents []string // where the metadata may be, in the order in which they are asked for
	keys      urlSource
}

func newDiscoverySource(c IssuerConfig, i Issuer) (discoverySource, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" {
		return discoverySource{}, fmt.Errorf("discovery needs an issuer that is an https URL, not %q", c.Issuer)
	}
	s := discoverySource{issuer: c.Issuer, keys: urlSource{caFile: c.CAFile, algorithms: i.Algorithms, foreign: i.Role == Entry}}
	// OpenID Connect appends, RFC 8414 inserts.
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := "https://" + u.Host
	s.documents = []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}
	_, err = Authorities(s.keys.caFile)
	return s, err
}

// load reads the first document that is there, and the keys that it names.
func (s discoverySource) load(ctx context.Context) (keySet, error) {
	for _, document := range s.documents {
		data, err := s.keys.get(ctx, document, "application/json")
		if status, ok := errors.AsType[statusError](err); ok && int(status) == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		at, err := s.keysURL(document, data)
		if err != nil {
			return nil, err
		}
		keys := s.keys
		keys.url = at
		return keys.load(ctx)
	}
	return nil, fmt.Errorf("the issuer publishes no metadata: not found at %s", strings.Join(s.documents, " and "))
}

// keysURL reads jwks_uri. Metadata whose issuer is another one is an impersonation (RFC 8414, section 3.3).
func (s discoverySource) keysURL(document string, data []byte) (string, error) {
	var metadata struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	// This decoder compares names exactly and refuses duplicate names and trailing bytes.
	if err := json.Unmarshal(data, &metadata); err != nil {
		return "", fmt.Errorf("%s: not the metadata of an issuer: %w", document, err)
	}
	if metadata.Issuer != s.issuer {
		return "", fmt.Errorf("%s: is about issuer %.80q, not %q", document, metadata.Issuer, s.issuer)
	}
	if err := checkKeysURL(metadata.KeysURL); err != nil {
		return "", fmt.Errorf("%s: jwks_uri: %w", document, err)
	}
	return metadata.KeysURL, nil
}
