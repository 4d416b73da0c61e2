// Package control is where workloads revoke: an HTTP interface over mTLS to the shared deny-list.
//
//	POST   /revocations       an object with the members of an entry (see [revoke.ParseRequest]): 201 and the entry
//	GET    /revocations       the entries in the order of their ids, ?limit= of them (1000) behind ?after=: 200
//	DELETE /revocations/{id}  204
//
// Who may do so is a question to policy, Action::"revoke", for every request. An entry that revokes the same as one that
// there is and counts longer takes its place; one that counts shorter changes nothing, and the answer has the one that
// stays. Success means that the entry is in the store and in force on the replica that answered; the others follow
// within a fraction of a second.
//
// Every request is recorded before it takes effect, and one that could not be recorded has none. When the outcome is not
// what was decided, because the store failed, there is a second record.
package control

import (
	"context"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
)

// The operations that policy may tell apart, as context.operation.
const (
	OperationAdd    = "add"
	OperationList   = "list"
	OperationRemove = "remove"
)

// Question is what policy is asked.
type Question struct {
	Now time.Time
	// Workload is who asks.
	Workload spiffeid.ID
	// Issuer is our own name, the resource.
	Issuer string
	// Operation is one of the Operation constants.
	Operation string
	// Entry is what is to be added or removed; nil when entries are listed, or there is none to remove.
	Entry *revoke.Entry
	// HTTP are the properties of the request. Its ID is that of the decision.
	HTTP authz.HTTPFacts
}

// Policies answers it.
type Policies interface {
	// MayRevoke decides, and says by which revision.
	MayRevoke(ctx context.Context, q Question) (verdict authz.Verdict, revision string)
}

// List is the shared deny-list.
type List interface {
	// Add stores an entry unless there is one that revokes the same and counts at least as long.
	Add(ctx context.Context, e revoke.Entry) error
	Remove(ctx context.Context, id string) error
	Get(id string) (revoke.Entry, bool)
	Entries() []revoke.Entry
}

// Config is what a [Control] works with. All fields but Clock are required.
type Config struct {
	// Issuer is our own name: the iss of the tokens that are signed here.
	Issuer string
	Peers  *peer.Reader
	// Revocations tells whether the caller is revoked itself.
	Revocations authz.Revocations
	Policies    Policies
	List        List
	Recorder    authz.Recorder
	// Missing and Full are the errors of List that are the caller's.
	Missing, Full error
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Control serves the interface. It is safe for concurrent use.
type Control struct{ Config }

// New checks that nothing is missing.
func New(c Config) (*Control, error) {
	for name, missing := range map[string]bool{
		"Issuer": c.Issuer == "", "Peers": c.Peers == nil, "Revocations": c.Revocations == nil, "Policies": c.Policies == nil,
		"List": c.List == nil, "Recorder": c.Recorder == nil, "Missing": c.Missing == nil, "Full": c.Full == nil,
	} {
		if missing {
			return nil, fmt.Errorf("control: %s is not set", name)
		}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return &Control{c}, nil
}
