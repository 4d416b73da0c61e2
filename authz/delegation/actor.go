package delegation

import (
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Actor is act (RFC 8693, section 4.1): a workload that acts in the delegation, and the one before it.
type Actor struct {
	// Issuer is iss: the SPIFFE ID of the trust domain that Subject belongs to.
	Issuer string
	// Subject is sub: the SPIFFE ID of the workload.
	Subject string
	// SubjectProfile is sub_profile, for example "ai_agent" or "service". Optional.
	SubjectProfile string
	// Actor is the workload that called this one, nil for the first.
	Actor *Actor
}

// Chain returns the subjects, the presenter first. It is nil for no actor.
func (a *Actor) Chain() []string {
	var chain []string
	for ; a != nil; a = a.Actor {
		chain = append(chain, a.Subject)
	}
	return chain
}

// Presenter returns the SPIFFE ID of the one workload that may present the token: the outermost actor, or the subject
// of a root that names no actor.
func (c *Claims) Presenter() string {
	if c.Actor != nil {
		return c.Actor.Subject
	}
	return c.Subject
}

// actors returns the chain with the presenter made explicit.
func (c *Claims) actors() *Actor {
	if c.Actor != nil {
		return c.Actor
	}
	a := &Actor{Subject: c.Subject, SubjectProfile: c.SubjectProfile}
	if id, err := spiffeid.FromString(c.Subject); err == nil {
		a.Issuer = id.TrustDomain().IDString()
	}
	return a
}

// workload checks that the actor is a workload, named by the trust domain that it belongs to. That makes Subject alone
// tell actors apart.
func (a *Actor) workload() (spiffeid.ID, error) {
	id, err := workloadID(a.Subject)
	if err != nil {
		return id, err
	}
	if want := id.TrustDomain().IDString(); a.Issuer != want {
		return id, fmt.Errorf("actor %s is named by %.80q instead of %s", id, a.Issuer, want)
	}
	return id, nil
}

func workloadID(text string) (spiffeid.ID, error) {
	id, err := spiffeid.FromString(text)
	if err != nil {
		return id, fmt.Errorf("%.80q is not a SPIFFE ID: %w", text, err)
	}
	if id.Path() == "" {
		return id, errors.New("a SPIFFE ID without a path names no workload")
	}
	return id, nil
}

// equalActors compares two chains node by node.
func equalActors(a, b *Actor) bool {
	for a != nil && b != nil {
		if a.Issuer != b.Issuer || a.Subject != b.Subject || a.SubjectProfile != b.SubjectProfile {
			return false
		}
		a, b = a.Actor, b.Actor
	}
	return a == b
}

// length counts the nodes of a chain, but not further than one more than a chain may have.
func (a *Actor) length() int {
	n := 0
	for ; a != nil && n <= DepthLimit+1; a = a.Actor {
		n++
	}
	return n
}
