package delegation

import (
	"slices"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// checkTime is step 6. Nothing is forgiven at the end of a life: only a clock that is ahead of ours is.
func (v *Verifier) checkTime(c *Claims, issuer trust.Issuer, now time.Time) error {
	life := c.Expiry.Sub(c.IssuedAt)
	switch {
	case c.IssuedAt.After(now.Add(v.Skew)):
		return denial.New(denial.TokenNotYetValid, "issued at %s, it is %s", c.IssuedAt, now.UTC().Truncate(time.Second))
	case !now.Before(c.Expiry):
		return denial.New(denial.TokenExpired, "expired at %s, it is %s", c.Expiry, now.UTC().Truncate(time.Second))
	case life <= 0 || life > issuer.MaxTTL:
		return denial.New(denial.TokenLifetime, "a life of %s: %s may grant %s", life, issuer.ID, issuer.MaxTTL)
	case !now.Before(c.Task.Expiry):
		return denial.New(denial.TaskExpired, "the task ended at %s, it is %s", c.Task.Expiry, now.UTC().Truncate(time.Second))
	}
	return nil
}

// checkAudience is step 7. A chain keeps its audience in every trust domain that it comes through, so what another trust
// domain began is for that one; who may begin or continue such chains is configured issuer by issuer.
func (v *Verifier) checkAudience(audience string, issuer trust.Issuer) error {
	expected := issuer.Audiences
	if len(expected) == 0 {
		expected = []string{v.Audience}
	}
	if !slices.Contains(expected, audience) {
		return denial.New(denial.TokenAudience, "aud is %.80q, %s signs for %q", audience, issuer.ID, expected)
	}
	return nil
}

// checkRole is step 8: what a token may have depends on who may have signed it.
func (c *Claims) checkRole(role trust.Role) error {
	linked := c.ParentHash != "" || c.Root != ""
	switch {
	case role == trust.Root && (c.Depth != 0 || linked):
		return denial.New(denial.TokenDepth, "a root issuer signed a token at depth %d, or one with par_hash or del_root", c.Depth)
	case role == trust.Root:
		return c.checkRoot()
	case role != trust.Hop:
		return denial.New(denial.TokenDepth, "an issuer of role %s signs nothing", role)
	case c.CertificateHash != "" || c.MayAct != nil || c.Status != nil:
		return denial.New(denial.TokenClaims, "only a root may have cnf, may_act or status")
	case c.Depth > 0 && c.ParentHash == "":
		return denial.New(denial.TokenDepth, "no par_hash at depth %d", c.Depth)
	case c.Depth == 0:
		return c.checkContext(linked)
	}
	return c.checkTask()
}

func (c *Claims) checkRoot() error {
	if r := c.Request; r.Peer != "" || r.RequestID != "" || r.Policy != "" || r.MCP != nil {
		return denial.New(denial.TokenClaims, "the rctx of a root has members of a hop token")
	}
	return c.checkTask()
}

func (c *Claims) checkTask() error {
	if c.Task.Task == "" || c.Task.Purpose == "" {
		return denial.New(denial.TokenClaims, "tctx has no task or no purpose")
	}
	return nil
}

// checkContext keeps context tokens from saying anything that only a root may say. No root anchors them.
func (c *Claims) checkContext(linked bool) error {
	if linked || c.MaxDepth != 0 || len(c.Scope) > 0 || len(c.Details) > 0 {
		return denial.New(denial.TokenDepth, "a hop issuer signed a token at depth 0 that is more than a context token")
	}
	if t := c.Task; t.Task != "" || t.Purpose != "" || t.IntentHash != "" {
		return denial.New(denial.TokenClaims, "a context token with a task")
	}
	r := c.Request
	if r.IP != nil || r.Authentication != nil || r.AuthenticationClass != nil || r.AuthenticationTime != nil || r.AccessTokenHash != "" {
		return denial.New(denial.TokenClaims, "a context token with an authentication")
	}
	return nil
}

// checkChain is step 9.
func (c *Claims) checkChain(issuer trust.Issuer, maxDepth int) error {
	nodes := c.Actor.length()
	if nodes != c.Depth+1 && (issuer.Role != trust.Root || nodes != 0) {
		return denial.New(denial.TokenChain, "%d actors at depth %d", nodes, c.Depth)
	}
	if limit := min(issuer.MaxDepth, maxDepth); c.Depth > c.MaxDepth || c.MaxDepth > limit {
		return denial.New(denial.TokenDepth, "depth %d of %d: the greatest is %d", c.Depth, c.MaxDepth, limit)
	}
	chain := c.actors().Chain()
	for i, subject := range chain {
		if slices.Contains(chain[:i], subject) {
			return denial.New(denial.TokenLoop, "%.80q acts twice", subject)
		}
	}
	for a := c.actors(); a != nil; a = a.Actor {
		if err := a.allowed(issuer); err != nil {
			return err
		}
	}
	if issuer.Role == trust.Hop && c.Depth == 0 {
		return c.checkContextSubject(issuer)
	}
	return c.checkMayAct()
}

// allowed checks that the issuer may name this workload.
func (a *Actor) allowed(issuer trust.Issuer) error {
	id, err := a.workload()
	if err != nil {
		return denial.New(denial.TokenActorDomain, "%w", err)
	}
	if !slices.Contains(issuer.ActorTrustDomains, id.TrustDomain()) {
		return denial.New(denial.TokenActorDomain, "%s may not name actors of %s", issuer.ID, id.TrustDomain())
	}
	return nil
}

// checkContextSubject makes sure that a hop issuer does not invent users: the subject of a context token is a workload.
func (c *Claims) checkContextSubject(issuer trust.Issuer) error {
	subject := (&Claims{Subject: c.Subject}).actors()
	return subject.allowed(issuer)
}

// checkMayAct is the extra check of RFC 8693, section 4.4, on roots.
func (c *Claims) checkMayAct() error {
	if c.MayAct == nil {
		return nil
	}
	presenter := c.actors()
	if c.MayAct.Subject != presenter.Subject || c.MayAct.Issuer != "" && c.MayAct.Issuer != presenter.Issuer {
		return denial.New(denial.TokenActorDomain, "may_act names %.80q, the actor is %.200s", c.MayAct.Subject, presenter.Subject)
	}
	return nil
}

// checkPresenter is step 10: a token is of no use to anybody but the workload that it was made for.
func (c *Claims) checkPresenter(p peer.Peer) error {
	if p.ID.IsZero() || c.Presenter() != p.ID.String() {
		return denial.New(denial.TokenHolder, "made for %.200s, presented by %.200s", c.Presenter(), p.ID)
	}
	if c.CertificateHash != "" && c.CertificateHash != p.CertificateHash {
		return denial.New(denial.TokenKeyBinding, "made for certificate %s, presented with %.80q", c.CertificateHash, p.CertificateHash)
	}
	return nil
}
