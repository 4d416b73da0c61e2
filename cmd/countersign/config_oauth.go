package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"countersign.dev/authz/exchange"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/trust"
)

// identityProviderConfig is one that says who a user is, in access tokens (RFC 9068) and ID tokens (OpenID Connect).
type identityProviderConfig struct {
	// Issuer is the exact `iss`: an https URL. Required.
	Issuer string `yaml:"issuer"`
	// Keys says where the public keys are.
	Keys providerKeysConfig `yaml:"keys"`
	// Algorithms are those the provider may use: RS256, ES256. Default both.
	Algorithms []string `yaml:"algorithms"`
	// Audiences are the client ids that its ID tokens may be for. Default: none, then its ID tokens are refused.
	Audiences []string `yaml:"audiences"`
	// Clients are the OAuth clients that its tokens may be issued to. Default: any.
	Clients []string `yaml:"clients"`
	// SubjectPrefix is put in front of `sub` to make the subject of a delegation. With several providers each needs one,
	// because the same `sub` may be somebody else there. Default: none.
	SubjectPrefix string `yaml:"subject_prefix"`
}

type providerKeysConfig struct {
	// File is a JWK Set. Either this, URL or Discovery.
	File string `yaml:"file"`
	// URL is the https address of a JWK Set.
	URL string `yaml:"url"`
	// Discovery asks the issuer where its keys are (OpenID Connect Discovery, RFC 8414). Default false.
	Discovery bool `yaml:"discovery"`
	// CA is a PEM file with the authorities for URL and Discovery. Default: the system's.
	CA string `yaml:"ca"`
	// Refresh is how often the keys are read. Default 5m.
	Refresh time.Duration `yaml:"refresh"`
	// Stale is how long keys are used when they cannot be read. Default 1h.
	Stale time.Duration `yaml:"stale"`
}

// tokenEndpointConfig is about the root tokens that begin delegations. All replicas need the same, because what one
// issues is presented to another.
type tokenEndpointConfig struct {
	// Issuer is the `iss` of root tokens that we issue: an https URL, below which listen.token is reached. Default: none,
	// then we issue none and accept none of our own.
	Issuer string `yaml:"issuer"`
	// Keys is a directory of private JWKs that root tokens are signed with, shared by all replicas, and another one than
	// tokens.keys: who steals a key that countersigns must not be able to begin delegations. Required with tokens.keys.
	// Default: like there, one key is generated at start.
	Keys string `yaml:"keys"`
	// SubjectPrefix is that of issuers, for the root tokens that we issue. Default: none.
	SubjectPrefix string `yaml:"subject_prefix"`
	// Audience is what `aud` of a user's access token must contain. Default: issuer.
	Audience string `yaml:"audience"`
	// TTL is the longest life of a root token. Default 15m, at most 1h.
	TTL time.Duration `yaml:"ttl"`
	// MaxDepth is how many hops a delegation may take. Default 3, or tokens.max_depth if that is less.
	MaxDepth int `yaml:"max_depth"`
}

func (p *identityProviderConfig) complete(dir string) {
	if p.Keys.File == "" {
		setDefault(&p.Keys.Refresh, trust.DefaultRefresh)
		setDefault(&p.Keys.Stale, max(trust.DefaultStale, p.Keys.Refresh))
	}
	if len(p.Algorithms) == 0 {
		p.Algorithms = []string{"RS256", "ES256"}
	}
	resolve(dir, &p.Keys.File)
	resolve(dir, &p.Keys.CA)
}

func (t *tokenEndpointConfig) complete(maxDepth int) {
	if t.Issuer == "" {
		return
	}
	setDefault(&t.Audience, t.Issuer)
	setDefault(&t.TTL, exchange.DefaultTTL)
	setDefault(&t.MaxDepth, min(exchange.DefaultMaxDepth, maxDepth))
}

func (c *config) checkTokenEndpoint(k *checker) {
	for i := range c.IdentityProviders {
		c.IdentityProviders[i].check(k, fmt.Sprintf("identity_providers[%d]", i))
	}
	if len(c.IdentityProviders) > 1 {
		if err := exchange.CheckPrefixes(c.subjectPrefixes()); err != nil {
			k.add("identity_providers", "%s (subject_prefix)", err)
		}
	}
	t := c.TokenEndpoint
	if c.Listen.Token != "" {
		k.hostPort("listen.token", c.Listen.Token)
		k.require(t.Issuer != "", "token_endpoint.issuer", "is required with listen.token")
		k.require(c.Identity.given(), "identity", "listen.token needs one: set workload_api, or certificate, key and bundle")
		k.require(len(c.IdentityProviders) > 0, "identity_providers", "listen.token needs at least one")
	}
	if t.Issuer == "" {
		k.require(t == tokenEndpointConfig{}, "token_endpoint", "has no effect without issuer")
		return
	}
	k.httpsURL("token_endpoint.issuer", t.Issuer)
	k.require(t.Issuer != c.Issuer, "token_endpoint.issuer", "must not be issuer: a token that begins a delegation is another than one that goes on with it")
	c.checkRootKeys(k)
	k.require(t.TTL >= time.Second && t.TTL <= exchange.MaxTTL, "token_endpoint.ttl", "must be between 1s and %s", exchange.MaxTTL)
	k.require(t.MaxDepth >= 1 && t.MaxDepth <= c.Tokens.MaxDepth, "token_endpoint.max_depth",
		"must be between 1 and tokens.max_depth, which is %d", c.Tokens.MaxDepth)
}

// checkRootKeys makes sure that the keys that begin delegations are in a place of their own. That no key is in both is
// checked when they are read.
func (c *config) checkRootKeys(k *checker) {
	root, hop := c.TokenEndpoint.Keys, c.Tokens.Keys
	switch {
	case hop != "" && root == "":
		k.add("token_endpoint.keys", "is required with tokens.keys: a directory of other keys than those there")
	case hop == "" && root != "":
		k.add("token_endpoint.keys", "is no use without tokens.keys: what it begins could not be continued after a restart")
	case root != "" && filepath.Clean(root) == filepath.Clean(hop):
		k.add("token_endpoint.keys", "must not be tokens.keys: who steals a key that countersigns could begin delegations")
	}
}

// checkSubjectPrefixes makes sure that policy can tell the users of all root issuers apart.
func (c *config) checkSubjectPrefixes(k *checker) {
	prefixes := map[string]string{}
	for i, issuer := range c.Issuers {
		switch {
		case issuer.Role == nil:
		case *issuer.Role == trust.Root:
			prefixes[issuer.Issuer] = issuer.SubjectPrefix
		case issuer.SubjectPrefix != "":
			k.add(fmt.Sprintf("issuers[%d].subject_prefix", i), "is for role root: who a user is, only a root says")
		}
	}
	if t := c.TokenEndpoint; t.Issuer != "" {
		prefixes[t.Issuer] = t.SubjectPrefix
	}
	if err := trust.CheckSubjectPrefixes(prefixes); err != nil {
		k.add("issuers", "%s (subject_prefix)", err)
	}
	k.require(len(prefixes) < 2 || !c.Tokens.SkipRootVerification, "tokens.skip_root_verification",
		"cannot be with several root issuers: any hop issuer could say whose user it is about")
}

func (p *identityProviderConfig) check(k *checker, at string) {
	k.httpsURL(at+".issuer", p.Issuer)
	places := 0
	for _, given := range []bool{p.Keys.File != "", p.Keys.URL != "", p.Keys.Discovery} {
		if given {
			places++
		}
	}
	k.require(places == 1, at+".keys", "say where the public keys are: file, url or discovery, one of them")
	if p.Keys.URL != "" {
		k.httpsURL(at+".keys.url", p.Keys.URL)
	}
	if p.Keys.File == "" {
		k.require(p.Keys.Refresh >= trust.MinRefresh, at+".keys.refresh", "must be at least %s", trust.MinRefresh)
		k.require(p.Keys.Stale >= p.Keys.Refresh, at+".keys.stale", "must not be shorter than refresh")
	} else {
		k.require(p.Keys.CA == "" && p.Keys.Refresh == 0 && p.Keys.Stale == 0, at+".keys", "ca, refresh and stale have no effect on a file")
	}
	for n, algorithm := range p.Algorithms {
		k.oneOf(fmt.Sprintf("%s.algorithms[%d]", at, n), algorithm, "RS256", "ES256")
	}
}

func (k *checker) httpsURL(path, text string) {
	u, err := url.Parse(text)
	k.require(err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && !strings.Contains(text, "#"),
		path, "%q: want an https URL", text)
}

func (c *config) subjectPrefixes() map[string]string {
	prefixes := make(map[string]string, len(c.IdentityProviders))
	for _, p := range c.IdentityProviders {
		prefixes[p.Issuer] = p.SubjectPrefix
	}
	return prefixes
}

// openUsers opens the identity providers. Their keys are kept apart from those of the issuers of delegations: who says
// who a user is may not say what may be done for that user.
func openUsers(ctx context.Context, c *config, open keyStore, log *slog.Logger) (*trust.Store, *oauth.Verifier, error) {
	issuers := make([]trust.IssuerConfig, 0, len(c.IdentityProviders))
	rules := make([]oauth.Provider, 0, len(c.IdentityProviders))
	for _, p := range c.IdentityProviders {
		issuers = append(issuers, trust.IssuerConfig{
			Issuer: p.Issuer, Role: trust.Entry, KeysFile: p.Keys.File, KeysURL: p.Keys.URL, Discovery: p.Keys.Discovery,
			CAFile: p.Keys.CA, Refresh: p.Keys.Refresh, Stale: p.Keys.Stale, Algorithms: p.Algorithms,
		})
		rules = append(rules, oauth.Provider{Issuer: p.Issuer, Audiences: p.Audiences, Clients: p.Clients})
	}
	keys, err := open(ctx, issuers, trust.Own{}, log)
	if err != nil {
		return nil, nil, fmt.Errorf("identity_providers: %w", err)
	}
	users, err := oauth.NewVerifier(oauth.Config{Keys: keys, Providers: rules})
	if err != nil {
		return nil, nil, err
	}
	return keys, users, nil
}

// reloadKeys reads the keys of issuers and identity providers that are in files again.
func (p *parts) reloadKeys(ctx context.Context) error {
	return errors.Join(p.issuers.Reload(ctx), p.providers.Reload(ctx))
}

func (p *parts) keyFiles() []string { return append(p.issuers.Files(), p.providers.Files()...) }
