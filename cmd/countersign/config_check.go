package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/mcp"
)

// Limits of the configuration. They bound what a mistake can cost, not what is sensible.
const (
	maxBodyLimit   = 8 << 20
	maxHopTTL      = 5 * time.Minute
	maxDepthLimit  = 8
	minReloadDelay = 10 * time.Millisecond
)

// checker collects problems.
type checker struct{ found []problem }

func (k *checker) add(path, format string, args ...any) {
	k.found = append(k.found, problem{"$." + path, fmt.Sprintf(format, args...)})
}

// require adds a problem unless ok.
func (k *checker) require(ok bool, path, format string, args ...any) {
	if !ok {
		k.add(path, format, args...)
	}
}

// problems lists everything that is wrong with the values themselves. What files contain is checked when they are
// loaded.
func (c *config) problems() []problem {
	k := &checker{}
	k.trustDomain("trust_domain", c.TrustDomain)
	c.checkListen(k)
	c.checkPeer(k)
	c.checkFederation(k)
	k.require(len(c.Servers) > 0, "servers", "name at least one MCP server")
	for i := range c.Servers {
		c.Servers[i].check(k, fmt.Sprintf("servers[%d]", i))
	}
	c.checkBearers(k)
	c.checkTokens(k)
	for i := range c.Issuers {
		c.Issuers[i].check(k, fmt.Sprintf("issuers[%d]", i), c.TrustDomain)
	}
	c.checkTokenEndpoint(k)
	c.checkSubjectPrefixes(k)
	c.checkRevocations(k)
	c.checkPolicySource(k)
	k.require(c.Policy.VerifyIndex >= 0 && c.Policy.VerifyIndex <= 1, "policy.verify_index", "must be between 0 and 1")
	k.oneOf("policy.tests", c.Policy.Tests, testsRun, testsRequire, testsIgnore)
	c.checkShadows(k)
	c.checkOwners(k)
	k.require(c.Reload.Poll >= time.Second, "reload.poll", "must be at least 1s")
	k.require(c.Reload.Debounce >= minReloadDelay, "reload.debounce", "must be at least %s", minReloadDelay)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "json", "text")
	return k.found
}

func (c *config) checkListen(k *checker) {
	address := c.Listen.GRPC.Address
	onTCP := !strings.HasPrefix(address, "unix:")
	if onTCP {
		k.hostPort("listen.grpc.address", address)
	} else {
		k.require(strings.HasPrefix(address, "unix:///"), "listen.grpc.address", "a socket is written unix:///absolute/path")
	}
	k.require(c.Listen.GRPC.MaxConnectionAge >= 0, "listen.grpc.max_connection_age", "must not be negative")
	k.hostPort("listen.admin", c.Listen.Admin)
	if !onTCP {
		return
	}
	id := c.Identity
	files := 0
	for _, f := range []string{id.Certificate, id.Key, id.Bundle} {
		if f != "" {
			files++
		}
	}
	switch {
	case id.WorkloadAPI == "" && files == 0:
		k.add("identity", "over TCP an identity is needed: set workload_api, or certificate, key and bundle; or listen on unix://")
	case id.WorkloadAPI != "" && files > 0:
		k.add("identity", "set either workload_api, or certificate, key and bundle")
	case files > 0 && files < 3:
		k.add("identity", "certificate, key and bundle belong together")
	}
	k.require(len(id.Clients) > 0, "identity.clients",
		"list the SPIFFE IDs of the Envoys that may ask, e.g. spiffe://acme.example/gateway")
	if _, err := clientMatcher(id.Clients); len(id.Clients) > 0 && err != nil {
		k.add("identity.clients", "%s", err)
	}
}

func (c *config) checkPeer(k *checker) {
	for i, td := range c.Peer.TrustDomains {
		if td == c.TrustDomain { // the default, or already checked
			continue
		}
		k.trustDomain(fmt.Sprintf("peer.trust_domains[%d]", i), td)
	}
	isXFCC := c.Peer.Source.String() == "xfcc"
	k.require(!isXFCC || len(c.Peer.XFCCFrom) > 0, "peer.xfcc_from", "source xfcc needs the SPIFFE IDs of the proxies to believe")
	k.require(isXFCC || len(c.Peer.XFCCFrom) == 0, "peer.xfcc_from", "has no effect unless source is xfcc")
}

func (s *serverConfig) check(k *checker, at string) {
	k.require(s.Name != "", at+".name", "is required")
	k.require(s.Backend.IsZero() || s.Backend.Path() != "", at+".backend", "%s names a trust domain, not a workload", s.Backend)
	k.require(s.MaxBody > 0 && s.MaxBody <= maxBodyLimit, at+".max_body", "must be between 1 and %d bytes", maxBodyLimit)
	if s.MinVersion != "" {
		k.oneOf(at+".min_version", s.MinVersion, mcp.Versions()...)
	}
	for i, p := range s.Match.Paths {
		k.require(strings.HasPrefix(p, "/") && !strings.ContainsAny(p, "?#;"), fmt.Sprintf("%s.match.paths[%d]", at, i),
			"%q: a path begins with / and has no query", p)
	}
	for i, h := range s.Match.Hosts {
		k.require(h != "" && !strings.ContainsAny(h, ":/*"), fmt.Sprintf("%s.match.hosts[%d]", at, i),
			"%q: a host has no port, path or wildcard", h)
	}
}

func (c *config) checkTokens(k *checker) {
	t := c.Tokens
	k.oneOf("tokens.algorithm", t.Algorithm, "ES256", "EdDSA")
	k.require(t.HopTTL >= time.Second && t.HopTTL <= maxHopTTL, "tokens.hop_ttl", "must be between 1s and %s", maxHopTTL)
	k.require(t.MaxDepth >= 1 && t.MaxDepth <= maxDepthLimit, "tokens.max_depth", "must be between 1 and %d", maxDepthLimit)
	k.require(t.Cache >= 1 && t.Cache <= 1_000_000, "tokens.cache", "must be between 1 and 1000000")
}

func (i *issuerConfig) check(k *checker, at, ownDomain string) {
	k.require(i.Issuer != "", at+".issuer", "is required")
	k.require(i.Role != nil, at+".role", "is required: root if it begins delegations, hop if it only countersigns")
	switch {
	case i.Keys.File == "" && i.Keys.URL == "":
		k.add(at+".keys", "say where the public keys are: file or url")
	case i.Keys.File != "" && i.Keys.URL != "":
		k.add(at+".keys", "set either file or url")
	case i.Keys.URL != "":
		u, err := url.Parse(i.Keys.URL)
		k.require(err == nil && u.Scheme == "https" && u.Host != "", at+".keys.url", "%q: want an https URL", i.Keys.URL)
		k.require(i.Keys.Refresh >= time.Second, at+".keys.refresh", "must be at least 1s")
		k.require(i.Keys.Stale >= i.Keys.Refresh, at+".keys.stale", "must not be shorter than refresh")
	}
	k.require(i.MaxTTL >= time.Second && i.MaxTTL <= 24*time.Hour, at+".max_ttl", "must be between 1s and 24h")
	k.require(i.MaxDepth >= 1 && i.MaxDepth <= maxDepthLimit, at+".max_depth", "must be between 1 and %d", maxDepthLimit)
	for n, td := range i.ActorTrustDomains {
		if td == ownDomain { // the default, or already checked
			continue
		}
		k.trustDomain(fmt.Sprintf("%s.actor_trust_domains[%d]", at, n), td)
	}
}

func (k *checker) trustDomain(path, name string) {
	if name == "" {
		k.add(path, "is required, e.g. acme.example")
		return
	}
	if td, err := spiffeid.TrustDomainFromString(name); err != nil {
		k.add(path, "%q is not a SPIFFE trust domain: %s", name, err)
	} else if td.Name() != name {
		k.add(path, "%q: write the bare name %s", name, td.Name())
	}
}

func (k *checker) hostPort(path, address string) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		k.add(path, "%q: want host:port", address)
	}
}

func (k *checker) oneOf(path, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	k.add(path, "%q: use one of %s", value, strings.Join(allowed, ", "))
}
