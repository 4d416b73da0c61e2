package trust_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/trust"
)

func TestConfigurationErrors(t *testing.T) {
	file := fileIssuer(t, set(t, newKey(t, "ES256", "k1"))).KeysFile
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, "no certificate here")
	for name, test := range map[string]struct {
		change func(*trust.IssuerConfig)
		want   string
	}{
		"no issuer":                 {func(c *trust.IssuerConfig) { c.Issuer = "" }, "the issuer is empty"},
		"plain http issuer":         {func(c *trust.IssuerConfig) { c.Issuer = "http://tts.acme.example" }, "must be an https URL or a SPIFFE ID"},
		"issuer is a name":          {func(c *trust.IssuerConfig) { c.Issuer = "tts" }, "must be an https URL or a SPIFFE ID"},
		"issuer without host":       {func(c *trust.IssuerConfig) { c.Issuer = "https:///tts" }, "must have a host"},
		"issuer with query":         {func(c *trust.IssuerConfig) { c.Issuer = tts + "?x=1" }, "no user, query or fragment"},
		"issuer with empty query":   {func(c *trust.IssuerConfig) { c.Issuer = tts + "?" }, "no user, query or fragment"},
		"issuer with user":          {func(c *trust.IssuerConfig) { c.Issuer = "https://me@tts.acme.example" }, "no user, query or fragment"},
		"issuer is no URL":          {func(c *trust.IssuerConfig) { c.Issuer = "https://tts.acme.example:port" }, "not a URL"},
		"issuer is no SPIFFE ID":    {func(c *trust.IssuerConfig) { c.Issuer = "spiffe://acme.example/a//b" }, "not a SPIFFE ID"},
		"our own issuer":            {func(c *trust.IssuerConfig) { c.Issuer = self }, "our own issuer"},
		"undefined role":            {func(c *trust.IssuerConfig) { c.Role = 9 }, "no such role"},
		"HMAC":                      {func(c *trust.IssuerConfig) { c.Algorithms = []string{"HS256"} }, "not one of ES256, EdDSA, RS256"},
		"none":                      {func(c *trust.IssuerConfig) { c.Algorithms = []string{"none"} }, "not one of ES256, EdDSA, RS256"},
		"algorithm in another case": {func(c *trust.IssuerConfig) { c.Algorithms = []string{"es256"} }, "not one of ES256, EdDSA, RS256"},
		"algorithm twice":           {func(c *trust.IssuerConfig) { c.Algorithms = []string{"ES256", "ES256"} }, "listed twice"},
		"negative lifetime":         {func(c *trust.IssuerConfig) { c.MaxTTL = -1 }, "negative"},
		"negative depth":            {func(c *trust.IssuerConfig) { c.MaxDepth = -1 }, "negative"},
		"empty actor trust domain":  {func(c *trust.IssuerConfig) { c.ActorTrustDomains = make([]spiffeid.TrustDomain, 1) }, "actor trust domain is empty"},
		"no keys":                   {func(c *trust.IssuerConfig) { c.KeysFile = "" }, "either a file, a URL or discovery"},
		"two places for keys":       {func(c *trust.IssuerConfig) { c.KeysURL = "https://tts.acme.example/jwks" }, "either a file, a URL or discovery"},
		"CA for a file":             {func(c *trust.IssuerConfig) { c.CAFile = empty }, "a CA file is for keys behind a URL"},
		"missing file":              {func(c *trust.IssuerConfig) { c.KeysFile = missing }, missing},
		"keys over plain http":      {atURL("http://tts.acme.example/jwks"), "must begin with https://"},
		"keys on loopback http":     {atURL("http://127.0.0.1/jwks"), "must begin with https://"},
		"keys URL without host":     {atURL("https:///jwks"), "must have a host"},
		"keys URL with password":    {atURL("https://me:secret@tts.acme.example/jwks"), "no user or fragment"},
		"keys URL with fragment":    {atURL("https://tts.acme.example/jwks#1"), "no user or fragment"},
		"keys URL is none":          {atURL("https://tts.acme.example:port"), "the URL of the keys"},
		"missing CA file": {func(c *trust.IssuerConfig) {
			atURL("https://tts.acme.example/jwks")(c)
			c.CAFile = missing
		}, missing},
		"CA file without certificate": {func(c *trust.IssuerConfig) {
			atURL("https://tts.acme.example/jwks")(c)
			c.CAFile = empty
		}, "no PEM certificate"},
		"refresh too often": {func(c *trust.IssuerConfig) {
			atURL("https://tts.acme.example/jwks")(c)
			c.Refresh = time.Millisecond
		}, "at least 1s"},
		"stale before refreshed": {func(c *trust.IssuerConfig) {
			atURL("https://tts.acme.example/jwks")(c)
			c.Refresh, c.Stale = time.Hour, time.Minute
		}, "stale not shorter than refresh"},
	} {
		t.Run(name, func(t *testing.T) {
			c := trust.IssuerConfig{Issuer: tts, KeysFile: file}
			test.change(&c)
			_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, own(t), quiet)
			wantError(t, err, test.want, "issuer")
		})
	}
}

func atURL(url string) func(*trust.IssuerConfig) {
	return func(c *trust.IssuerConfig) { c.KeysFile, c.KeysURL = "", url }
}

func TestAnIssuerIsConfiguredOnce(t *testing.T) {
	c := fileIssuer(t, set(t, newKey(t, "ES256", "k1")))
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c, c}, own(t), quiet)
	wantError(t, err, "issuers[1]", "configured twice")
}

func TestOwnIssuerErrors(t *testing.T) {
	keys := own(t).Keys
	for name, test := range map[string]struct {
		own  trust.Own
		want string
	}{
		"no keys":         {trust.Own{Issuer: self}, "no signing keys"},
		"no issuer":       {trust.Own{Keys: keys}, "the issuer is empty"},
		"no trust domain": {trust.Own{Issuer: "https://countersign.acme.example", Keys: keys}, "no trust domain"},
		"negative depth":  {trust.Own{Issuer: self, Keys: keys, MaxDepth: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trust.NewStore(t.Context(), nil, test.own, quiet)
			wantError(t, err, "own issuer", test.want)
		})
	}
}

func TestDefaults(t *testing.T) {
	partner := []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("partner.example")}
	file := fileIssuer(t, set(t, newKey(t, "ES256", "k1"))).KeysFile
	store := newStore(t, own(t),
		trust.IssuerConfig{Issuer: tts, KeysFile: file},
		trust.IssuerConfig{Issuer: "spiffe://acme.example/edge", Role: trust.Hop, KeysFile: file},
		trust.IssuerConfig{
			Issuer: "https://partner.example/tts", KeysFile: file, Algorithms: []string{"EdDSA", "ES256"},
			MaxTTL: time.Minute, MaxDepth: 2, ActorTrustDomains: partner, SubjectPrefix: "partner:",
		},
	)
	es256 := []jose.SignatureAlgorithm{jose.ES256}
	for _, want := range []trust.Issuer{
		{
			ID: tts, Role: trust.Root, Algorithms: es256, MaxTTL: 15 * time.Minute, ActorTrustDomains: acme, MaxDepth: 4,
			ReservedPrefixes: []string{"partner:"},
		},
		{ID: "spiffe://acme.example/edge", Role: trust.Hop, Algorithms: es256, MaxTTL: 5 * time.Minute, ActorTrustDomains: acme, MaxDepth: 4},
		{
			ID: "https://partner.example/tts", Role: trust.Root, Algorithms: []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256},
			MaxTTL: time.Minute, ActorTrustDomains: partner, MaxDepth: 2, SubjectPrefix: "partner:",
		},
		{
			ID: self, Role: trust.Hop, Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA},
			MaxTTL: 5 * time.Minute, ActorTrustDomains: acme, MaxDepth: 4,
		},
	} {
		got, ok := store.Issuer(want.ID)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(spiffeid.TrustDomain{})); !ok || diff != "" {
			t.Errorf("issuer %s (-want +got):\n%s", want.ID, diff)
		}
	}
	for _, iss := range []string{"", tts + "/", "HTTPS://tts.acme.example", "https://evil.example"} {
		if _, ok := store.Issuer(iss); ok {
			t.Errorf("%q is an issuer", iss)
		}
	}
}

func TestAStoreThatOnlyVerifies(t *testing.T) {
	c := fileIssuer(t, set(t, newKey(t, "ES256", "k1")))
	c.ActorTrustDomains = acme
	store := newStore(t, trust.Own{}, c)
	if _, err := store.Key(t.Context(), tts, "k1"); err != nil {
		t.Fatal(err)
	}
	if store.Generation() != 0 || len(store.Status()) != 1 || len(store.Files()) != 1 {
		t.Errorf("generation %d, status %v, files %v", store.Generation(), store.Status(), store.Files())
	}
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.ActorTrustDomains = nil
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, trust.Own{}, quiet)
	wantError(t, err, "no trust domain whose workloads it may name")
}
