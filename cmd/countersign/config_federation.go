package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// checkFederation checks what has to do with other trust domains, and with keys that travel over mTLS.
func (c *config) checkFederation(k *checker) {
	id := c.Identity
	k.require(len(id.Federated) == 0 || id.WorkloadAPI == "", "identity.federated",
		"is for an identity in files: the Workload API gives the bundles of federated trust domains by itself")
	for _, td := range slices.Sorted(maps.Keys(id.Federated)) {
		at := "identity.federated." + td
		if td == c.TrustDomain {
			k.add("identity.federated", "%s is our own trust domain: its authorities are in bundle", td)
			continue
		}
		k.trustDomain(at, td)
		k.require(id.Federated[td] != "", at, "name the PEM file with its authorities")
	}
	for i, pattern := range id.Clients {
		if client, _, err := parseClientPattern(pattern); err == nil && client.TrustDomain().Name() != c.TrustDomain {
			k.add(fmt.Sprintf("identity.clients[%d]", i), "%s is of another trust domain: only Envoys of our own may ask", pattern)
		}
	}
	if c.Listen.Keys != "" {
		k.hostPort("listen.keys", c.Listen.Keys)
		k.require(id.given(), "identity", "listen.keys needs one: set workload_api, or certificate, key and bundle")
	}
	for i := range c.Issuers {
		c.checkIssuerFederation(k, fmt.Sprintf("issuers[%d]", i), &c.Issuers[i])
	}
}

func (c *config) checkIssuerFederation(k *checker, at string, issuer *issuerConfig) {
	for n, td := range issuer.Audiences {
		if td == c.TrustDomain { // the default, or already checked
			continue
		}
		k.trustDomain(fmt.Sprintf("%s.audiences[%d]", at, n), td)
	}
	server := issuer.Keys.SPIFFEID
	if server.IsZero() {
		return
	}
	k.require(issuer.Keys.URL != "", at+".keys.spiffe_id", "has no effect without url")
	c.checkServer(k, at+".keys", server, issuer.Keys.CA)
}

// checkServer checks what says who serves a url.
func (c *config) checkServer(k *checker, at string, server spiffeid.ID, ca string) {
	at += ".spiffe_id"
	k.require(ca == "", at, "says who serves url, and so does ca: set one of them")
	k.require(server.Path() != "", at, "%s names a trust domain, not a workload", server)
	k.require(c.Identity.given(), "identity", "%s needs one: set workload_api, or certificate, key and bundle", at)
	k.require(c.Identity.WorkloadAPI != "" || c.knows(server.TrustDomain()), at,
		"nothing says who the authorities of %s are: add them to identity.federated", server.TrustDomain())
}

// given reports whether there is an identity at all.
func (i identityConfig) given() bool {
	return i.WorkloadAPI != "" || i.Certificate != "" && i.Key != "" && i.Bundle != ""
}

// knows reports whether an identity in files comes with the authorities of a trust domain.
func (c *config) knows(td spiffeid.TrustDomain) bool {
	_, federated := c.Identity.Federated[td.Name()]
	return federated || td.Name() == c.TrustDomain
}

// audiences are those of all chains that may come by: our own, and those that issuers are trusted with.
func (c *config) audiences() []string {
	all := []string{c.TrustDomain}
	for _, i := range c.Issuers {
		all = append(all, i.Audiences...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
