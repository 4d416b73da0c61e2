package delegation_test

import (
	"testing"
	"time"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// Two root issuers have an alice. On every hop policy is told whose she is, and neither issuer can name the other's.
func TestSubjectsOfSeveralRootIssuers(t *testing.T) {
	w := newWorld(t)
	issuer := w.issuers[foreign]
	issuer.SubjectPrefix, issuer.ActorTrustDomains = "globex:", w.issuers[tts].ActorTrustDomains
	w.issuers[foreign] = issuer
	issuer = w.issuers[tts]
	issuer.ReservedPrefixes = []string{"globex:"}
	w.issuers[tts] = issuer

	for iss, prefix := range map[string]string{tts: "", foreign: "globex:"} {
		begin := root()
		begin.Issuer, begin.Subject = iss, "alice"
		d0 := w.mint(t, begin)
		for _, require := range []bool{true, false} {
			v := w.verifier(t, func(c *delegation.Config) { c.RequireRoot = require })
			for range 2 { // the second time from the cache
				parent, err := v.Verify(t.Context(), d0, planner, start)
				if err != nil {
					t.Fatal(err)
				}
				hop := w.hop(planner, crm, "mcp:ledger:read_entry")
				hop.Now = start.Add(time.Second)
				d1, _, err := delegation.NewSigner(own, "acme.example", fixed(w.keys[own])).Countersign(parent, hop)
				if err != nil {
					t.Fatal(err)
				}
				next, err := v.Verify(t.Context(), d1, crm, hop.Now)
				if err != nil {
					t.Fatal(err)
				}
				for _, token := range []*delegation.Token{parent, next} {
					if token.SubjectPrefix() != prefix || token.RootIssuer() != iss || token.Claims().Subject != "alice" {
						t.Errorf("%q of %s is %q", token.Claims().Subject, token.RootIssuer(), token.SubjectPrefix())
					}
				}
			}
		}
	}
	begin := root()
	begin.Subject = "globex:alice"
	if _, err := w.verifier(t).Verify(t.Context(), w.mint(t, begin), planner, start); denial.ReasonOf(err) != denial.TokenClaims {
		t.Errorf("a user with the other issuer's prefix: %v", err)
	}
}
