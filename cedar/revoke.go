package cedar

import (
	"context"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/revoke/control"
)

var _ control.Policies = (*Store)(nil)

// MayRevoke implements [control.Policies] with the snapshot in force. Without one, or when its time is over, nothing is allowed, and the revision
// is empty.
func (s *Store) MayRevoke(_ context.Context, q control.Question) (verdict authz.Verdict, revision string) {
	snapshot := s.inForce()
	if snapshot == nil {
		return authz.Verdict{}, ""
	}
	return snapshot.mayRevoke(q), snapshot.Revision()
}

func (s *Snapshot) mayRevoke(q control.Question) authz.Verdict { return s.decide(s.askRevoke(q)) }

// askRevoke puts the question into Cedar's terms.
func (s *Snapshot) askRevoke(q control.Question) *question {
	facts := types.RecordMap{
		"now": types.NewDatetime(q.Now), "operation": types.String(q.Operation), "method": types.String("revocations/" + q.Operation),
		"request": httpRequest(&authz.Query{HTTP: q.HTTP, Call: &mcp.Call{}}, everything),
	}
	if e := q.Entry; e != nil {
		facts["kind"], facts["value"] = types.String(e.Kind), types.String(e.Value)
		if e.Issuer != "" {
			facts["of_issuer"] = types.String(e.Issuer)
		}
		if e.Subject != "" {
			facts["of_subject"] = types.String(e.Subject)
		}
		if !e.Expires.IsZero() {
			facts["expires_at"] = types.NewDatetime(e.Expires)
		}
	}
	context := types.NewRecord(facts)
	return &question{
		principal: workloadUID(q.Workload), action: actionUID("revoke"), resource: uid(issuerType, q.Issuer), ready: &context,
		entities: entities{
			registry: s.registry, principal: workloadEntity{id: q.Workload},
			target: types.Entity{UID: uid(issuerType, q.Issuer)},
		},
	}
}
