package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle/remote"
)

// bundleConfig is where policies, entities and pinned tools come from in one file, made with countersign bundle. Then
// policy.directory, policy.entities and servers[].tools are left out. The pins of a server are tools/<server>.json in it.
type bundleConfig struct {
	// URL is the https address of the bundle. Required.
	URL string `yaml:"url"`
	// Name is what the bundle has to be for, as said by countersign bundle build --name. Bundles of other names are refused,
	// even if they are signed with the same key. Default: bundles without a name.
	Name string `yaml:"name"`
	// Keys is a file with the public keys (JWK Set) of those who may sign. With it a bundle that is not signed is refused.
	// Default: none, and then whoever serves URL says what is allowed.
	Keys string `yaml:"keys"`
	// CA is a PEM file with the authorities for URL. Default: the system's.
	CA string `yaml:"ca"`
	// SPIFFEID is the SPIFFE ID of the workload that serves URL. The bundle is then fetched over mTLS with our identity, and
	// the host in URL does not count. Default: none.
	SPIFFEID spiffeid.ID `yaml:"spiffe_id"`
	// BearerFile is a file with a token that is sent along, read again for every fetch. Default: none.
	BearerFile string `yaml:"bearer_file"`
	// Poll is how often the server is asked for a newer bundle. Default 1m, at least 1s.
	Poll time.Duration `yaml:"poll"`
	// Timeout bounds one fetch. Default 30s, at most 5m.
	Timeout time.Duration `yaml:"timeout"`
	// State is a file where the last good bundle is kept, so that a restart needs no network and takes no older one. It is
	// made and replaced by this process, and no other may use it. Default: none, and then a restart forgets.
	State string `yaml:"state"`
}

func (c *config) completeBundle(dir string) {
	b := c.Policy.Bundle
	if b == nil {
		return
	}
	setDefault(&b.Poll, remote.DefaultPoll)
	setDefault(&b.Timeout, remote.DefaultTimeout)
	for _, path := range []*string{&b.Keys, &b.CA, &b.BearerFile, &b.State} {
		resolve(dir, path)
	}
}

// checkPolicySource checks that there is one place where policies are.
func (c *config) checkPolicySource(k *checker) {
	b := c.Policy.Bundle
	if b == nil {
		k.require(c.Policy.Directory != "", "policy.directory", "name the directory of the *.cedar files, or a bundle")
		return
	}
	k.require(c.Policy.Directory == "", "policy.directory", "the policies are in the bundle: set one of them")
	k.require(c.Policy.Entities == "", "policy.entities", "the entities are in the bundle: set one of them")
	for i, s := range c.Servers {
		k.require(s.Tools == "", fmt.Sprintf("servers[%d].tools", i), "the tools are in the bundle, as tools/%s.json: set one of them", s.Name)
	}
	const at = "policy.bundle"
	u, err := url.Parse(b.URL)
	k.require(err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && u.Fragment == "", at+".url",
		"%q: want an https URL with a host, and no user or fragment", b.URL)
	k.require(b.Poll >= remote.MinPoll, at+".poll", "must be at least %s", remote.MinPoll)
	k.require(b.Timeout >= time.Second && b.Timeout <= remote.MaxTimeout, at+".timeout", "must be between 1s and %s", remote.MaxTimeout)
	if !b.SPIFFEID.IsZero() {
		c.checkServer(k, at, b.SPIFFEID, b.CA)
	}
}

// remarks are what is to be known of bundles that are not as well guarded as they could be.
func (b *bundleConfig) remarks() []string {
	var all []string
	if b.Keys == "" {
		all = append(all, "warning: policy.bundle.keys is not set: whoever serves "+b.URL+" says what is allowed")
	}
	if b.State == "" {
		all = append(all, "warning: policy.bundle.state is not set: after a restart there are no policies until the server answers, "+
			"and it may give an older bundle than before")
	}
	return all
}

// openPolicies makes the store of what is in force, and the source of bundles behind it; nil for files. It asks no host.
func openPolicies(c *config, id trust.Identity, log *slog.Logger) (*cedar.Store, *remote.Source, error) {
	from := c.policySource()
	b := c.Policy.Bundle
	from.Accept = c.acceptance()
	if b == nil {
		return cedar.NewStore(from, log), nil, nil
	}
	source, err := remote.New(remote.Config{
		URL: b.URL, CAFile: b.CA, Server: b.SPIFFEID, Identity: id, BearerFile: b.BearerFile, KeysFile: b.Keys,
		Name: b.Name, StateFile: b.State, Poll: b.Poll, Timeout: b.Timeout,
	}, log)
	if err != nil {
		return nil, nil, err
	}
	from.Source = source
	return cedar.NewStore(from, log), source, nil
}
