package authz

import (
	"slices"
	"strings"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// decisionName is what a record calls an outcome.
func decisionName(allowed bool) string {
	if allowed {
		return "allow"
	}
	return "deny"
}

// record describes the check as far as it went. It has no field for a token, and argument values only where the
// server is configured so.
func (c *check) record(refused error) audit.Record {
	r := audit.Record{
		Time: c.now, DecisionID: c.id, RequestID: c.req.ID, Duration: c.Clock().Sub(c.now),
		Decision: decisionName(refused == nil || c.isTriedOut()), Shadow: c.shadow,
		PolicyIDs: c.verdict.PolicyIDs, PolicyErrors: c.verdict.Errors,
		PolicySkipped: c.verdict.Skipped, PolicyCandidates: c.verdict.Candidates, Revision: c.revision,
	}
	if c.isTriedOut() {
		r.Mode = c.server.Mode.String()
	}
	if refused != nil {
		reason := string(denial.ReasonOf(refused))
		if c.isTriedOut() {
			r.WouldDeny = reason
		} else {
			r.Reason = reason
		}
		r.Detail = detailOf(refused)
	}
	if !c.peer.ID.IsZero() {
		r.Peer = c.peer.ID.String()
	}
	if c.server != nil {
		r.Server = c.server.Name
		if backend, err := c.server.backend(c.req); err == nil {
			r.Backend = backend.String()
		}
	}
	c.describeHTTP(&r)
	c.describeCall(&r)
	c.describeDelegation(&r)
	if refused == nil {
		r.TokenJTI, r.Expires = c.signed.ID, c.signed.Expiry
		if c.claims == nil {
			r.Txn = c.signed.Txn
		}
	}
	return r
}

func (c *check) describeDelegation(r *audit.Record) {
	if d := c.claims; d != nil {
		r.Subject, r.Actors = d.Subject, d.Actor.Chain()
		r.RootIssuer, r.SubjectPrefix = c.parent.RootIssuer(), c.parent.SubjectPrefix()
		r.Scope, r.Audience, r.Depth = d.Scope, d.Audience, d.Depth
		r.ParentIssuedAt, r.ParentExpires, r.SenderConstrained = d.IssuedAt, d.Expiry, d.CertificateHash != ""
		r.Task, r.Purpose = d.Task.Task, d.Task.Purpose
		r.Txn, r.JTI, r.ParentHash = d.Txn, d.ID, c.parent.Hash()
	}
	if c.user != nil { // what was presented is the access token, also where no delegation came of it
		r.JTI, r.ParentHash = c.user.ID, c.user.Hash
		r.IdentityProvider, r.Client = c.user.Issuer, c.user.ClientID
	}
}

func (c *check) describeHTTP(r *audit.Record) {
	path, _, hasQuery := strings.Cut(c.req.Path, "?")
	r.Host, r.Path = clip(c.req.Host), clip(path)
	if hasQuery {
		r.Path += "?"
	}
	if c.req.SourceIP.IsValid() {
		r.SourceIP = c.req.SourceIP.String()
	}
}

// clip bounds what a caller made up. What was cut off leaves an ellipsis.
func clip(s string) string {
	const cut = "…"
	if len(s) <= audit.MaxLocation {
		return s
	}
	return s[:audit.MaxLocation-len(cut)] + cut
}

func (c *check) describeCall(r *audit.Record) {
	if c.call == nil {
		return
	}
	r.Method, r.ProtocolVersion = methodName(c.call), c.call.Version
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
