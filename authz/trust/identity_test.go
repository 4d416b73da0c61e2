package trust_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/trust"
)

// Providers publish one set for all that they do.
func TestTheSetOfAProviderMayHaveOtherKeys(t *testing.T) {
	sig, enc := newKey(t, "RS256", "sig"), newKey(t, "RS256", "enc")
	enc.Use, enc.Algorithm = "enc", "RSA-OAEP"
	pss, p384 := newKey(t, "RS256", "pss"), newKey(t, "P-384", "p384")
	pss.Algorithm = "PS256"
	ed := newKey(t, "EdDSA", "ed")
	text := set(t, sig, enc, pss, p384, ed, newKey(t, "ES256", "ec"))
	text = strings.Replace(text, `{"keys":[`, `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"x"},{"kty":"RSA","n":"x","e":"AQAB"},{"kid":7},`, 1)
	c := fileIssuer(t, text)
	c.Role = trust.Entry
	store := newStore(t, trust.Own{}, c)
	if diff := cmp.Diff([]string{"ec", "sig"}, store.Status()[0].Keys); diff != "" {
		t.Error(diff)
	}
	for name, test := range map[string]struct{ text, want string }{
		"a private key among them": {strings.Replace(text, `"kid":"pq"`, `"kid":"pq","priv":"x"`, 1), "must not be published"},
		"none of use":              {set(t, enc, ed), "no key in the set is one to verify tokens with"},
		"one that is broken":       {strings.Replace(set(t, sig), `"e":"AQAB"`, `"e":""`, 1), "kid"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fileIssuer(t, test.text)
			c.Role = trust.Entry
			_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, trust.Own{}, quiet)
			wantError(t, err, test.want)
		})
	}
	root := fileIssuer(t, text)
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{root}, own(t), quiet)
	wantError(t, err, "keys[0]") // an issuer of delegations must not
}

func TestIdentityProviderConfigurationErrors(t *testing.T) {
	good := fileIssuer(t, set(t, newKey(t, "ES256", "k1")))
	good.Role = trust.Entry
	for name, test := range map[string]struct {
		change func(*trust.IssuerConfig)
		want   string
	}{
		"a SPIFFE ID":        {func(c *trust.IssuerConfig) { c.Issuer = self }, "must be an https URL"},
		"a lifetime":         {func(c *trust.IssuerConfig) { c.MaxTTL = time.Hour }, "signs no delegations"},
		"a depth":            {func(c *trust.IssuerConfig) { c.MaxDepth = 1 }, "signs no delegations"},
		"actors":             {func(c *trust.IssuerConfig) { c.ActorTrustDomains = acme }, "signs no delegations"},
		"EdDSA":              {func(c *trust.IssuerConfig) { c.Algorithms = []string{"EdDSA"} }, "RS256 or ES256"},
		"HS256":              {func(c *trust.IssuerConfig) { c.Algorithms = []string{"HS256"} }, "not one of"},
		"discovery and file": {func(c *trust.IssuerConfig) { c.Discovery = true }, "either a file, a URL or discovery"},
		"a CA that is not there": {func(c *trust.IssuerConfig) {
			c.Discovery, c.KeysFile, c.CAFile = true, "", "nowhere.pem"
		}, "nowhere.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			test.change(&c)
			_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, trust.Own{}, quiet)
			wantError(t, err, test.want)
		})
	}
	spiffe := trust.IssuerConfig{Issuer: "spiffe://acme.example/tts", Role: trust.Root, Discovery: true}
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{spiffe}, own(t), quiet)
	wantError(t, err, "discovery needs an issuer that is an https URL")
}
