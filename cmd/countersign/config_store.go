package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"countersign.dev/authz/redisstore"
)

type revocationsConfig struct {
	// File is a deny-list file. Default: none.
	File string `yaml:"file"`
	// MaxStaleness is how long the store may be out of reach before what it said last is too old to go by.
	// Default 10s; at least 2s.
	MaxStaleness time.Duration `yaml:"max_staleness"`
	// LastKnown goes by what the store said last, however old it is, instead of refusing. Default false.
	LastKnown bool `yaml:"last_known"`
}

type storeConfig struct {
	// Redis is a Valkey or Redis server, shared by all replicas for revocations, sessions and single use.
	Redis redisConfig `yaml:"redis"`
}

type redisConfig struct {
	// URL is redis://[user@]host[:port][/database], or rediss:// for TLS. Empty means that there is no store.
	URL string `yaml:"url"`
	// PasswordFile holds the password. It is read again for every new connection. Default: none.
	PasswordFile string `yaml:"password_file"`
	// CA is a PEM file with the authorities for rediss. Default: the system's.
	CA string `yaml:"ca"`
	// Prefix begins every key. Default "countersign:".
	Prefix string `yaml:"prefix"`
}

// minStaleness leaves time for some attempts at reaching the store again.
const minStaleness = 2 * time.Second

func (c *config) checkRevocations(k *checker) {
	k.require(c.Revocations.MaxStaleness >= minStaleness, "revocations.max_staleness", "must be at least %s", minStaleness)
	r := c.Store.Redis
	if r.URL == "" {
		k.require(r == redisConfig{Prefix: r.Prefix}, "store.redis", "has no effect without url")
		k.require(!c.Revocations.LastKnown, "revocations.last_known", "has no effect without store.redis.url")
	}
	if c.Listen.Control != "" {
		k.require(r.URL != "", "store.redis.url",
			"listen.control needs a store: what is revoked there must outlive a restart, and reach every replica")
		k.hostPort("listen.control", c.Listen.Control)
		k.require(c.Identity.given(), "identity",
			"listen.control needs one: set workload_api, or certificate, key and bundle")
	}
	for i, issuer := range c.Issuers {
		at := fmt.Sprintf("issuers[%d]", i)
		for n, list := range issuer.StatusLists {
			u, err := url.Parse(list)
			k.require(err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.Contains(list, "#"),
				fmt.Sprintf("%s.status_lists[%d]", at, n), "%q: want an https URL", list)
		}
		k.require(issuer.StatusCA == "" || len(issuer.StatusLists) > 0, at+".status_ca", "has no effect without status_lists")
	}
}

// openStore returns the engine that the fleet shares, nil if there is none.
func openStore(ctx context.Context, c redisConfig) (*redisstore.Store, error) {
	if c.URL == "" {
		return nil, nil
	}
	store, err := redisstore.Open(ctx, redisstore.Config{URL: c.URL, PasswordFile: c.PasswordFile, CAFile: c.CA, Prefix: c.Prefix})
	if err != nil {
		return nil, fmt.Errorf("store.redis: %w", err)
	}
	return store, nil
}
