package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle/remote"
)

// parts are what a decision is made with, opened from the configuration.
type parts struct {
	peers       *peer.Reader
	servers     *authz.Servers
	policies    *cedar.Store
	bundle      *remote.Source     // where the policies come from; nil if they are files
	shadows     []shadow           // sets that are tried out
	keys        *trust.SigningKeys // those that countersign
	rootKeys    *trust.SigningKeys // those that begin delegations; nil if we begin none
	issuers     *trust.Store
	verifier    *delegation.Verifier
	providers   *trust.Store    // the keys of identity providers
	users       *oauth.Verifier // verifies their tokens
	revocations revocations
	owners      owners
	// inShadowMode are the servers that nothing is refused at.
	inShadowMode []string
	store        *redisstore.Store // nil without a shared engine
}

// keyStore opens the keys of issuers: [trust.NewStore], or [trust.CheckStore] where no host may be asked.
type keyStore func(context.Context, []trust.IssuerConfig, trust.Own, *slog.Logger) (*trust.Store, error)

// openParts opens everything that must be there for a start. Policies are not among it: without them the server
// starts, is not ready, and denies. The identity is for issuers whose keys come over mTLS.
func openParts(ctx context.Context, c *config, id trust.Identity, open keyStore, log *slog.Logger) (*parts, error) {
	p := &parts{shadows: openShadows(c, log), inShadowMode: c.inShadowMode()}
	var err error
	if p.policies, p.bundle, err = openPolicies(c, id, log); err != nil {
		return nil, err
	}
	if p.store, err = openStore(ctx, c.Store.Redis); err != nil {
		return nil, err
	}
	if p.peers, err = peer.NewReader(peer.Config{
		Source: c.Peer.Source, TrustDomains: trustDomains(c.Peer.TrustDomains), XFCCFrom: c.Peer.XFCCFrom,
	}); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if p.servers, err = authz.NewServers(c.authzServers()); err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	if p.keys, err = openKeys(c.Tokens.Keys, c.Tokens.Algorithm); err != nil {
		return nil, fmt.Errorf("tokens.keys: %w", err)
	}
	if c.TokenEndpoint.Issuer != "" {
		if p.rootKeys, err = openKeys(c.TokenEndpoint.Keys, c.Tokens.Algorithm); err != nil {
			return nil, fmt.Errorf("token_endpoint.keys: %w", err)
		}
	}
	if p.issuers, err = open(ctx, c.trustIssuers(id), c.ownIssuer(p.keys, p.rootKeys), log); err != nil {
		return nil, fmt.Errorf("issuers: %w", err)
	}
	if p.providers, p.users, err = openUsers(ctx, c, open, log); err != nil {
		return nil, err
	}
	if p.verifier, err = delegation.NewVerifier(delegation.Config{
		Audience: c.TrustDomain, Keys: p.issuers, RequireRoot: !c.Tokens.SkipRootVerification,
		MaxDepth: c.Tokens.MaxDepth, CacheSize: c.Tokens.Cache,
	}); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if p.revocations, err = openRevocations(c, p.store, p.issuers, log); err != nil {
		return nil, err
	}
	p.owners = openOwners(c, p.store)
	return p, nil
}

// openKeys reads the keys in a directory, or makes one where none is named.
func openKeys(dir, algorithm string) (*trust.SigningKeys, error) {
	if dir == "" {
		return trust.GenerateSigningKeys(algorithm)
	}
	return trust.LoadSigningKeys(dir)
}

// checkFiles opens everything once, policies included. What is behind URLs, keys or a bundle, is not asked for.
func checkFiles(ctx context.Context, c *config, log *slog.Logger) error {
	id, err := c.checkIdentity()
	if err != nil {
		return err
	}
	p, err := openParts(ctx, c, id, trust.CheckStore, log)
	if err != nil {
		return err
	}
	if p.bundle == nil {
		err = p.policies.Reload(ctx)
	}
	if err := errors.Join(err, p.reloadShadows(ctx)); err != nil {
		return err
	}
	for i := range c.Servers {
		err = errors.Join(err, c.Servers[i].checkPins())
	}
	return err
}

// authorizer puts the parts together.
func (p *parts) authorizer(c *config, recorder authz.Recorder) (*authz.Authorizer, error) {
	roots, err := p.roots(c)
	if err != nil {
		return nil, err
	}
	return authz.New(authz.Config{
		Users: p.users, Roots: roots,
		Peers: p.peers, Servers: p.servers, Policies: p.policies, Tokens: p.verifier, Revocations: p.revocations,
		Sessions: p.owners.sessions, Uses: p.owners.uses, Recorder: recorder, Shadows: p.shadowPolicies(), HopTTL: c.Tokens.HopTTL,
		Signer: delegation.NewSigner(c.Issuer, c.TrustDomain, p.keys),
	})
}

func (c *config) policySource() cedar.Config {
	tools := make(map[string]string, len(c.Servers))
	for _, s := range c.Servers {
		tools[s.Name] = s.Tools
	}
	from := cedar.Config{
		Policies: c.Policy.Directory, Entities: c.Policy.Entities, Tools: tools,
		OnError: c.Policy.OnError, VerifyIndex: c.Policy.VerifyIndex,
	}
	if c.Policy.Bundle != nil {
		from.Source = keptBundle{c.Policy.Bundle}
	}
	return from
}

func (c *config) authzServers() []authz.Server {
	servers := make([]authz.Server, 0, len(c.Servers))
	for _, s := range c.Servers {
		servers = append(servers, authz.Server{
			Name: s.Name, Backend: s.Backend, Mode: s.Mode, Denials: s.Denials, MinVersion: s.MinVersion, AllowBatch: s.AllowBatch,
			MaxBody: s.MaxBody, StripAuthorization: s.StripAuthorization, ResourceMetadata: s.ResourceMetadata,
			Bearer: c.authzBearer(s.Bearer), PlainHeaders: s.PlainHeaders,
			SingleUse: s.singleUse(), Handles: s.handles(),
			RecordArguments: s.RecordArguments, Hosts: s.Match.Hosts, Paths: s.Match.Paths,
		})
	}
	return servers
}

func (c *config) trustIssuers(id trust.Identity) []trust.IssuerConfig {
	issuers := make([]trust.IssuerConfig, 0, len(c.Issuers))
	for _, i := range c.Issuers {
		issuers = append(issuers, trust.IssuerConfig{
			Issuer: i.Issuer, Role: *i.Role, KeysFile: i.Keys.File, KeysURL: i.Keys.URL, CAFile: i.Keys.CA,
			KeysServer: i.Keys.SPIFFEID, Identity: id, Audiences: i.Audiences,
			Refresh: i.Keys.Refresh, Stale: i.Keys.Stale, Algorithms: i.Algorithms, MaxTTL: i.MaxTTL,
			ActorTrustDomains: trustDomains(i.ActorTrustDomains), MaxDepth: i.MaxDepth,
			SubjectPrefix: i.SubjectPrefix,
		})
	}
	return issuers
}

// ownIssuer makes us a hop issuer to ourselves: what we countersign for a backend comes back with its next call.
func (c *config) ownIssuer(keys, rootKeys *trust.SigningKeys) trust.Own {
	domains := map[string]bool{c.TrustDomain: true}
	for _, td := range c.Peer.TrustDomains {
		domains[td] = true
	}
	return trust.Own{
		Issuer: c.Issuer, Keys: keys, MaxTTL: c.Tokens.HopTTL, MaxDepth: c.Tokens.MaxDepth,
		Audiences: c.audiences(), ActorTrustDomains: trustDomains(slices.Sorted(maps.Keys(domains))),
		Root: trust.OwnRoot{
			Issuer: c.TokenEndpoint.Issuer, Keys: rootKeys, SubjectPrefix: c.TokenEndpoint.SubjectPrefix,
			MaxTTL: c.TokenEndpoint.TTL, MaxDepth: c.TokenEndpoint.MaxDepth,
		},
	}
}

// trustDomains converts names that were checked when the configuration was loaded.
func trustDomains(names []string) []spiffeid.TrustDomain {
	domains := make([]spiffeid.TrustDomain, 0, len(names))
	for _, name := range names {
		if td, err := spiffeid.TrustDomainFromString(name); err == nil {
			domains = append(domains, td)
		}
	}
	return domains
}

// maxBody is the largest body that any server takes.
func (c *config) maxBody() int {
	largest := 0
	for _, s := range c.Servers {
		largest = max(largest, s.MaxBody)
	}
	return largest
}
