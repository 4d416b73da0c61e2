package delegation_test

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

const abroad = "spiffe://partner.example/countersign" // a hop issuer in another trust domain

var (
	partner        = spiffeid.RequireTrustDomainFromString("partner.example")
	partnerLedger  = peer.Peer{ID: spiffeid.RequireFromPath(partner, "/ledger")}
	partnerArchive = peer.Peer{ID: spiffeid.RequireFromPath(partner, "/archive")}
)

// federate adds the partner's Countersign, and returns the world as the partner configures it: acme's issuers sign for
// acme there, and its own Countersign continues chains of both.
func federate(t *testing.T) (acmes, partners *world) {
	t.Helper()
	acmes = newWorld(t)
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	issuer := acmes.issuers[own]
	issuer.ID, issuer.ActorTrustDomains = abroad, []spiffeid.TrustDomain{acme, partner}
	acmes.issuers[abroad], acmes.keys[abroad] = issuer, key

	partners = &world{issuers: map[string]trust.Issuer{}, keys: acmes.keys}
	for id, issuer := range acmes.issuers {
		issuer.Audiences = []string{"acme.example"}
		partners.issuers[id] = issuer
	}
	issuer.Audiences = []string{"partner.example", "acme.example"}
	partners.issuers[abroad] = issuer
	return acmes, partners
}

// step countersigns at home or abroad.
func (w *world) step(t *testing.T, audience, issuer, compact string, hop delegation.Hop) string {
	t.Helper()
	v := w.verifier(t, func(c *delegation.Config) { c.Audience = audience })
	parent, err := v.Verify(t.Context(), compact, hop.Peer, hop.Now)
	if err != nil {
		t.Fatalf("%s: %v", audience, err)
	}
	hop.Issuer, hop.Key = issuer, w.keys[issuer]
	next, _, err := delegation.NewSigner(issuer, audience, fixed(hop.Key)).Countersign(parent, hop)
	if err != nil {
		t.Fatalf("%s: %v", audience, err)
	}
	return next
}

func TestAChainThroughTwoTrustDomains(t *testing.T) {
	home, away := federate(t)
	begin := root()
	begin.Scope = delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry", "mcp:archive:read_document"}
	d0 := home.mint(t, begin)
	d1 := home.step(t, "acme.example", own, d0, home.hop(planner, crm, "mcp:ledger:read_entry", "mcp:archive:read_document"))
	d2 := away.step(t, "partner.example", abroad, d1, away.hop(crm, partnerLedger, "mcp:archive:read_document"))
	d3 := away.step(t, "partner.example", abroad, d2, away.hop(partnerLedger, partnerArchive))
	last, err := delegation.Parse(d3)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		partnerArchive.ID.String(), partnerLedger.ID.String(), crm.ID.String(), planner.ID.String(),
	}
	if diff := cmp.Diff(want, last.Claims.Actor.Chain()); diff != "" {
		t.Error(diff)
	}
	if last.Claims.Audience != "acme.example" || last.Claims.Depth != 3 {
		t.Errorf("aud %q at depth %d, want that of the root at depth 3", last.Claims.Audience, last.Claims.Depth)
	}
	// And back: what the partner countersigned is understood at home.
	v := home.verifier(t)
	if _, err := v.Verify(t.Context(), d2, partnerLedger, now); err != nil {
		t.Errorf("the partner's token at home: %v", err)
	}
}

// The audience is what keeps the chains of one trust domain out of another one that did not agree.
func TestAudiencesByIssuer(t *testing.T) {
	home, away := federate(t)
	begin := root()
	d0 := home.mint(t, begin)
	d1 := home.step(t, "acme.example", own, d0, home.hop(planner, crm, "mcp:ledger:read_entry"))
	begin.Audience = "partner.example"
	forPartner := home.mint(t, begin)
	toPartner := func(compact string) string {
		return home.edit(t, own, compact, `"aud":"acme.example"`, `"aud":"partner.example"`)
	}
	for _, c := range []struct {
		name      string
		world     *world
		audience  string
		token     string
		presenter peer.Peer
		want      denial.Reason
	}{
		{"acme's root at acme", home, "acme.example", d0, planner, ""},
		{"acme's root at the partner", away, "partner.example", d0, planner, ""},
		{"acme's root issuer signs for the partner's users", away, "partner.example", forPartner, planner, denial.TokenAudience},
		{"the same, at home", home, "acme.example", forPartner, planner, denial.TokenAudience},
		{"acme's hop at the partner", away, "partner.example", d1, crm, ""},
		{"acme's hop issuer moves a chain to another audience", away, "partner.example", toPartner(d1), crm, denial.TokenAudience},
		{"a partner that lists no audiences takes none but its own", home, "partner.example", d0, planner, denial.TokenAudience},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.world.verifier(t, func(config *delegation.Config) { config.Audience = c.audience })
			_, err := v.Verify(t.Context(), c.token, c.presenter, now)
			if reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	// The own issuer may continue chains for two audiences. Which one is not its choice: the root's stays.
	d2 := away.step(t, "partner.example", abroad, d1, away.hop(crm, partnerLedger))
	moved := away.edit(t, abroad, d2, `"aud":"acme.example"`, `"aud":"partner.example"`)
	v := away.verifier(t, func(config *delegation.Config) { config.Audience = "partner.example" })
	if _, err := v.Verify(t.Context(), moved, partnerLedger, now); reason(err) != denial.TokenAltered {
		t.Errorf("a chain moved by the own issuer: %v", err)
	}
	if _, err := v.Verify(t.Context(), d2, partnerLedger, now); err != nil {
		t.Error(err)
	}
	if _, _, err := delegation.NewSigner(abroad, "partner.example", fixed(away.keys[abroad])).Countersign(nil, away.hop(partnerLedger, partnerArchive)); err != nil {
		t.Errorf("a context token: %v", err)
	}
}

// A hop issuer of another trust domain names only workloads of the trust domains that it was given.
func TestAForeignHopIssuerStaysInItsTrustDomains(t *testing.T) {
	home, _ := federate(t)
	issuer := home.issuers[abroad]
	issuer.ActorTrustDomains = []spiffeid.TrustDomain{partner}
	home.issuers[abroad] = issuer
	d0 := home.mint(t, root())
	parent, err := home.verifier(t).Verify(t.Context(), d0, planner, now)
	if err != nil {
		t.Fatal(err)
	}
	hop := home.hop(planner, partnerLedger, "mcp:crm:refund_case")
	hop.Issuer, hop.Key = abroad, home.keys[abroad]
	d1, _, err := delegation.Countersign(parent, "acme.example", hop)
	if err != nil {
		t.Fatal(err)
	}
	_, err = home.verifier(t).Verify(t.Context(), d1, partnerLedger, now)
	if reason(err) != denial.TokenActorDomain || !strings.Contains(err.Error(), abroad) {
		t.Errorf("got %v", err)
	}
}

// fixed is a key that never rotates.
type fixed jose.JSONWebKey

func (k fixed) Current() jose.JSONWebKey { return jose.JSONWebKey(k) }
