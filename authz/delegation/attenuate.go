package delegation

import (
	"bytes"

	"countersign.dev/authz/denial"
)

// attenuate checks that child may descend from parent (profile, section 8.4). It is the one definition of narrower:
// Countersign asks it about the token it is about to sign and its direct parent, Verify about a token and its root,
// which may be further away. The difference in depth says how far. parentHash is the hash of the parent token.
func attenuate(parent *Claims, parentHash string, child *Claims) error {
	hops := child.Depth - parent.Depth
	if hops < 1 {
		return denial.New(denial.TokenDepth, "depth %d does not follow depth %d", child.Depth, parent.Depth)
	}
	if err := unaltered(parent, child, hops); err != nil {
		return err
	}
	if err := shrunk(parent, child); err != nil {
		return err
	}
	if err := narrower(parent.Details, child.Details, child.Scope); err != nil {
		return err
	}
	if hops == 1 && child.ParentHash != parentHash { // R9
		return denial.New(denial.TokenParentHash, "par_hash is %s, the parent's hash %s", child.ParentHash, parentHash)
	}
	return nil
}

// unaltered checks what stays the same: R1, R2, R8, and the authentication that rctx copies.
func unaltered(parent, child *Claims, hops int) error {
	p, c := &parent.Request, &child.Request
	for _, claim := range []struct {
		name string
		same bool
	}{
		{"txn", parent.Txn == child.Txn},
		{"sub", parent.Subject == child.Subject},
		{"sub_profile", parent.SubjectProfile == child.SubjectProfile},
		{"aud", parent.Audience == child.Audience},
		{"tctx", bytes.Equal(parent.Task.Raw, child.Task.Raw)},
		{"rctx.req_ip", bytes.Equal(p.IP, c.IP)},
		{"rctx.authn", bytes.Equal(p.Authentication, c.Authentication)},
		{"rctx.acr", bytes.Equal(p.AuthenticationClass, c.AuthenticationClass)},
		{"rctx.auth_time", bytes.Equal(p.AuthenticationTime, c.AuthenticationTime)},
		{"rctx.at_s256", p.AccessTokenHash == c.AccessTokenHash},
		{"act", equalActors(parent.actors(), child.ancestor(hops))},
	} {
		if !claim.same {
			return denial.New(denial.TokenAltered, "%s is not what it was", claim.name)
		}
	}
	return nil
}

// ancestor returns the chain as it was some hops ago.
func (c *Claims) ancestor(hops int) *Actor {
	a := c.Actor
	for ; a != nil && hops > 0; hops-- {
		a = a.Actor
	}
	return a
}

// shrunk checks what may only get smaller: R3 to R6.
func shrunk(parent, child *Claims) error {
	switch {
	case child.Expiry.After(parent.Expiry) || child.Expiry.After(child.Task.Expiry):
		return denial.New(denial.TokenNotNarrower, "exp %s, the parent's is %s and the task's %s",
			child.Expiry, parent.Expiry, child.Task.Expiry)
	case child.IssuedAt.Before(parent.IssuedAt):
		return denial.New(denial.TokenNotNarrower, "iat %s, the parent's is %s", child.IssuedAt, parent.IssuedAt)
	case child.Depth > child.MaxDepth || child.MaxDepth > parent.MaxDepth:
		return denial.New(denial.TokenNotNarrower, "depth %d of %d, the parent allows %d",
			child.Depth, child.MaxDepth, parent.MaxDepth)
	case len(child.Scope) == 0 && child.MaxDepth != child.Depth:
		return denial.New(denial.TokenNotNarrower, "an empty scope at depth %d of %d: nothing can follow",
			child.Depth, child.MaxDepth)
	}
	for _, item := range child.Scope {
		if !parent.Scope.Covers(item) {
			return denial.New(denial.TokenNotNarrower, "%.80q is not in the parent's scope", item)
		}
	}
	return nil
}
