package authz

import (
	"context"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/session"
)

// A client that logs in on demand has begun its session before there was a user: the session, and what was made in it,
// then belongs to the peer alone. The first user for whom that peer presents an access token takes it over, and from then
// on it is that user's.

// adoptable reports whether a refusal is only that, and remembers the name for [check.adopt].
func (c *check) adoptable(ctx context.Context, name session.Name, refused error) bool {
	if c.user == nil || denial.ReasonOf(refused).Class() != denial.ClassSession {
		return false
	}
	if c.Sessions.Check(ctx, name, c.beforeLogin(), c.now) != nil {
		return false
	}
	c.adopted = append(c.adopted, name)
	return true
}

// adopt takes from the peer alone what its user is about to claim.
func (c *check) adopt(ctx context.Context) error {
	for _, name := range c.adopted {
		if err := c.Sessions.End(ctx, name, c.beforeLogin(), c.now); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) beforeLogin() session.Owner { return session.Owner{Peer: c.peer.ID.String()} }
