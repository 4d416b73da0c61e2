package authz

import (
	"context"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/replay"
)

// isOnce reports whether a call that policy allowed may happen only once: when the configuration says so of the tool,
// or any permit that decided. It is about tools/call alone; clients repeat everything else, byte for byte.
func (c *check) isOnce(call *mcp.Call, v Verdict) bool {
	name := tool(call)
	return name != "" && (v.SingleUse || c.server.SingleUse[name])
}

// spendUse lets the delegation be used once for exactly this request, if that was asked for. It comes after everything
// that the caller could put right, because a use is spent even if the rest fails.
func (c *check) spendUse(ctx context.Context) error {
	switch {
	case !c.once:
		return nil
	case c.claims == nil || c.claims.ID == "":
		return c.orLogin(denial.New(denial.DelegationRequired, "single use of a tool needs a delegation to use up"))
	}
	use := replay.Use{
		Issuer: c.claims.Issuer, ID: c.claims.ID, RequestHash: c.bound.RequestHash, RequestID: c.req.ID,
		Peer: c.peer.ID.String(), IssuedAt: c.claims.IssuedAt, Expiry: c.claims.Expiry,
	}
	if c.user != nil {
		// The delegation was begun for this request, and each time anew. What is used up is the access token.
		use.Issuer, use.ID, use.IssuedAt, use.Expiry = c.user.Issuer, c.user.ID, c.user.IssuedAt, c.user.Expiry
	}
	return c.Uses.Spend(ctx, use, c.now)
}
