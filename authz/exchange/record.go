package exchange

import (
	"errors"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
)

// record describes the exchange as far as it went. It has no field for a token.
func (x *exchange) record(refused error) audit.Record {
	r := audit.Record{
		Time: x.now, DecisionID: x.id, Method: Method, Decision: "allow", Duration: x.Clock().Sub(x.now),
	}
	if !x.peer.ID.IsZero() {
		r.Peer = x.peer.ID.String()
	}
	if x.policy != nil {
		r.Revision = x.policy.Revision()
	}
	if x.asked != nil {
		r.Task, r.Purpose, r.Targets = x.asked.details.task, x.asked.details.purpose, x.asked.scope
	}
	if x.user != nil {
		r.Subject, r.JTI, r.ParentHash = x.user.Subject, x.user.ID, x.user.Hash
	}
	if x.claims != nil {
		r.Subject, r.Actors = x.claims.Subject, x.claims.Actor.Chain()
	}
	if refused != nil {
		r.Decision, r.Reason, r.Detail = "deny", string(denial.ReasonOf(refused)), refused.Error()
		if e, ok := errors.AsType[*denial.Error](refused); ok {
			r.Detail = e.Detail
		}
		return r
	}
	r.Txn, r.TokenJTI, r.Expires = x.claims.Txn, x.claims.ID, x.claims.Expiry
	r.Targets, r.Detail = x.claims.Scope, x.explain()
	return r
}
