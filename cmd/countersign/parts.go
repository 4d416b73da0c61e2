package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
)

// parts are what a decision is made with, opened from the configuration.
type parts struct {
	peers       *peer.Reader
	servers     *authz.Servers
	policies    *cedar.Store
	keys        *trust.SigningKeys
	issuers     *trust.Store
	verifier    *delegation.Verifier
	revocations revocations
	sessions    *session.Table
}

// revocations is a deny-list that can be read again.
type revocations interface {
	authz.Revocations
	Reload(ctx context.Context) error
	Files() []string
	Len() int
}

// openParts opens everything that must be there for a start. Policies are not among it: without them the server
// starts, is not ready, and denies.
func openParts(ctx context.Context, c *config, log *slog.Logger) (*parts, error) {
	p := &parts{policies: cedar.NewStore(c.policySource(), log)}
	var err error
	if p.peers, err = peer.NewReader(peer.Config{
		Source: c.Peer.Source, TrustDomains: trustDomains(c.Peer.TrustDomains), XFCCFrom: c.Peer.XFCCFrom,
	}); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if p.servers, err = authz.NewServers(c.authzServers()); err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	if c.Tokens.Keys == "" {
		p.keys, err = trust.GenerateSigningKeys(c.Tokens.Algorithm)
	} else {
		p.keys, err = trust.LoadSigningKeys(c.Tokens.Keys)
	}
	if err != nil {
		return nil, fmt.Errorf("tokens.keys: %w", err)
	}
	if p.issuers, err = trust.NewStore(ctx, c.trustIssuers(), c.ownIssuer(p.keys), log); err != nil {
		return nil, fmt.Errorf("issuers: %w", err)
	}
	if p.verifier, err = delegation.NewVerifier(delegation.Config{
		Audience: c.TrustDomain, Keys: p.issuers, RequireRoot: !c.Tokens.SkipRootVerification,
		MaxDepth: c.Tokens.MaxDepth, CacheSize: c.Tokens.Cache,
	}); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	p.revocations = revoke.None()
	if c.Revocations != "" {
		if p.revocations, err = revoke.OpenFile(c.Revocations); err != nil {
			return nil, fmt.Errorf("revocations: %w", err)
		}
	}
	p.sessions = session.NewTable(session.Config{TTL: c.Sessions.TTL, PerPeer: c.Sessions.PerPeer, Total: c.Sessions.Total})
	return p, nil
}

// checkFiles opens everything once, policies included.
func checkFiles(ctx context.Context, c *config, log *slog.Logger) error {
	p, err := openParts(ctx, c, log)
	if err != nil {
		return err
	}
	if err := p.policies.Reload(ctx); err != nil {
		return err
	}
	if c.Identity.Certificate != "" {
		_, err = openSVIDFiles(c.Identity.Certificate, c.Identity.Key, c.Identity.Bundle)
	}
	return err
}

// authorizer puts the parts together.
func (p *parts) authorizer(c *config, recorder authz.Recorder) (*authz.Authorizer, error) {
	return authz.New(authz.Config{
		Peers: p.peers, Servers: p.servers, Policies: p.policies, Tokens: p.verifier, Revocations: p.revocations,
		Sessions: p.sessions, Recorder: recorder, HopTTL: c.Tokens.HopTTL,
		Signer: delegation.NewSigner(c.Issuer, c.TrustDomain, p.keys),
	})
}

func (c *config) policySource() cedar.Config {
	tools := make(map[string]string, len(c.Servers))
	for _, s := range c.Servers {
		tools[s.Name] = s.Tools
	}
	return cedar.Config{Policies: c.Policy.Directory, Entities: c.Policy.Entities, Tools: tools}
}

func (c *config) authzServers() []authz.Server {
	servers := make([]authz.Server, 0, len(c.Servers))
	for _, s := range c.Servers {
		servers = append(servers, authz.Server{
			Name: s.Name, Backend: s.Backend, Denials: s.Denials, MinVersion: s.MinVersion, AllowBatch: s.AllowBatch,
			MaxBody: s.MaxBody, StripAuthorization: s.StripAuthorization, ResourceMetadata: s.ResourceMetadata,
			RecordArguments: s.RecordArguments, Hosts: s.Match.Hosts, Paths: s.Match.Paths,
		})
	}
	return servers
}

func (c *config) trustIssuers() []trust.IssuerConfig {
	issuers := make([]trust.IssuerConfig, 0, len(c.Issuers))
	for _, i := range c.Issuers {
		issuers = append(issuers, trust.IssuerConfig{
			Issuer: i.Issuer, Role: *i.Role, KeysFile: i.Keys.File, KeysURL: i.Keys.URL, CAFile: i.Keys.CA,
			Refresh: i.Keys.Refresh, Stale: i.Keys.Stale, Algorithms: i.Algorithms, MaxTTL: i.MaxTTL,
			ActorTrustDomains: trustDomains(i.ActorTrustDomains), MaxDepth: i.MaxDepth,
		})
	}
	return issuers
}

// ownIssuer makes us a hop issuer to ourselves: what we countersign for a backend comes back with its next call.
func (c *config) ownIssuer(keys *trust.SigningKeys) trust.Own {
	domains := map[string]bool{c.TrustDomain: true}
	for _, td := range c.Peer.TrustDomains {
		domains[td] = true
	}
	return trust.Own{
		Issuer: c.Issuer, Keys: keys, MaxTTL: c.Tokens.HopTTL, MaxDepth: c.Tokens.MaxDepth,
		ActorTrustDomains: trustDomains(slices.Sorted(maps.Keys(domains))),
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
