package authz

import (
	"slices"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// record describes the check as far as it went. It has no field for a token, and argument values only where the
// server is configured so.
func (c *check) record(refused error) audit.Record {
	r := audit.Record{
		Time: c.now, DecisionID: c.id, RequestID: c.req.ID, Decision: "allow", Duration: c.Clock().Sub(c.now),
		PolicyIDs: c.verdict.PolicyIDs, PolicyErrors: c.verdict.Errors,
		PolicySkipped: c.verdict.Skipped, PolicyCandidates: c.verdict.Candidates,
	}
	if refused != nil || c.token == "" {
		r.Decision, r.Reason = "deny", string(denial.Internal)
	}
	if refused != nil {
		r.Reason, r.Detail = string(denial.ReasonOf(refused)), detailOf(refused)
	}
	if !c.peer.ID.IsZero() {
		r.Peer = c.peer.ID.String()
	}
	if c.policy != nil {
		r.Revision = c.policy.Revision()
	}
	if c.server != nil {
		r.Server = c.server.Name
	}
	c.describeCall(&r)
	if c.claims != nil {
		r.Subject, r.Actors = c.claims.Subject, c.claims.Actor.Chain()
		r.Task, r.Purpose = c.claims.Task.Task, c.claims.Task.Purpose
		r.Txn, r.JTI, r.ParentHash = c.claims.Txn, c.claims.ID, c.parent.Hash()
	}
	if c.user != nil { // what was presented is the access token, also where no delegation came of it
		r.JTI, r.ParentHash = c.user.ID, c.user.Hash
		r.IdentityProvider, r.Client = c.user.Issuer, c.user.ClientID
	}
	if refused == nil && c.token != "" {
		r.TokenJTI, r.Expires = c.signed.ID, c.signed.Expiry
		if c.claims == nil {
			r.Txn = c.signed.Txn
		}
	}
	return r
}

func (c *check) describeCall(r *audit.Record) {
	if c.call == nil {
		return
	}
	r.Method = methodName(c.call)
	for _, call := range calls(c.call) {
		for _, target := range call.Targets {
			if target.Kind == mcp.TargetTool && r.Tool == "" {
				r.Tool = target.Name
			}
			if !slices.Contains(r.Targets, target.Name) {
				r.Targets = append(r.Targets, target.Name)
			}
		}
	}
	r.RequestHash, r.ArgumentsHash = c.bound.RequestHash, c.bound.ArgumentsHash
	if c.server.RecordArguments && !c.call.Arguments.IsZero() {
		r.Arguments = c.call.Arguments.AppendJSON(nil)
	}
}
