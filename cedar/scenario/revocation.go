package scenario

import (
	"slices"
	"time"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/control"
)

// Revocation returns what Revoke asks: may the peer do this to the deny-list? Every error is a *[Problem].
func (r Request) Revocation() (control.Question, error) {
	q := control.Question{Now: r.now()}
	v := r.Revoke
	if v == nil {
		return q, problem("revoke", "nothing is asked about revoking")
	}
	for member, given := range map[string]bool{
		"server": r.Server != "", "tool": r.Tool != "", "prompt": r.Prompt != "", "resource": r.Resource != "",
		"task": r.Task != "", "method": r.Method != "", "arguments": r.Arguments != nil, "session": r.Session != "",
		"protocol_version": r.ProtocolVersion != "", "delegation": r.Delegation != nil, "delegate": r.Delegate != nil,
	} {
		if given {
			return q, problem(member, "to revoke has no %s", member)
		}
	}
	var err error
	if q.Workload, err = r.workload("peer", r.Peer); err != nil {
		return q, err
	}
	if q.HTTP, err = r.HTTP.facts(); err != nil {
		return q, err
	}
	if v.Issuer == "" {
		return q, problem("revoke.issuer", "is missing: name ourselves, as the configuration does")
	}
	operations := []string{control.OperationAdd, control.OperationList, control.OperationRemove}
	if !slices.Contains(operations, v.Operation) {
		return q, problem("revoke.operation", "%.80q: use one of %q", v.Operation, operations)
	}
	q.Issuer, q.Operation = v.Issuer, v.Operation
	if v.Kind == "" && v.Value == "" {
		return q, nil
	}
	e := revoke.Entry{Kind: v.Kind, Value: v.Value, Issuer: v.OfIssuer, Subject: v.OfSubject}
	if e.Expires, err = end("revoke", q.Now, v.ExpiresAt, v.ExpiresIn, time.Time{}); err != nil {
		return q, err
	}
	if err := e.Check(); err != nil {
		return q, problem("revoke.value", "%w", err)
	}
	q.Entry = &e
	return q, nil
}
