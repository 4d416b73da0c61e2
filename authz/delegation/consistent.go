package delegation

import (
	"time"

	"countersign.dev/authz/denial"
)

// Consistent checks what needs no keys: that the token and its embedded root are in force at now, and that the token
// descends from its root. Nil does not mean that the token is genuine: only [Verifier.Verify] can tell. The errors are
// those that Verify would give.
func (u *Unverified) Consistent(now time.Time) error {
	c := &u.Claims
	switch {
	case c.IssuedAt.After(now.Add(DefaultSkew)):
		return denial.New(denial.TokenNotYetValid, "issued at %s, it is %s", c.IssuedAt, now.UTC().Truncate(time.Second))
	case !now.Before(c.Expiry):
		return denial.New(denial.TokenExpired, "expired at %s, it is %s", c.Expiry, now.UTC().Truncate(time.Second))
	case !now.Before(c.Task.Expiry):
		return denial.New(denial.TaskExpired, "the task ended at %s, it is %s", c.Task.Expiry, now.UTC().Truncate(time.Second))
	case u.Root == nil:
		return nil
	}
	if err := u.Root.Consistent(now); err != nil {
		return inRoot(err)
	}
	return attenuate(&u.Root.Claims, u.Root.Hash, c)
}
