package explain

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/revoke/control"
	"countersign.dev/cedar"
	"countersign.dev/cedar/scenario"
)

// Question is what policy is asked about.
type Question struct {
	// Query is the request; with Delegate, the call that the delegating is part of. Not used with Revoke.
	Query authz.Query
	// Delegate asks whether a backend may pass on a tool; nil for the request itself.
	Delegate *Delegate
	// Revoke asks whether a workload may revoke; nil otherwise.
	Revoke *control.Question
}

// Delegate is the question whether a backend may pass on a tool. The tool "*" is one that is not pinned.
type Delegate struct {
	Backend      spiffeid.ID
	Server, Tool string
}

// Of returns the question that a scenario is.
func Of(r scenario.Request) (q Question, err error) {
	if r.Revoke != nil {
		asked, err := r.Revocation()
		return Question{Revoke: &asked}, err
	}
	if q.Query, err = r.Query(); err != nil || r.Delegate == nil {
		return q, err
	}
	q.Delegate = new(Delegate)
	q.Delegate.Backend, q.Delegate.Server, q.Delegate.Tool, err = r.Delegating()
	return q, err
}

func (q *Question) trace(ctx context.Context, s *cedar.Snapshot) (*cedar.Trace, error) {
	switch {
	case q.Revoke != nil:
		return s.TraceRevoke(ctx, *q.Revoke)
	case q.Delegate != nil:
		return s.TraceDelegate(ctx, q.Query, q.Delegate.Backend, q.Delegate.Server, q.Delegate.Tool)
	}
	return s.Trace(ctx, q.Query)
}

// beforePolicy says why the request does not get as far as policy; empty when it does.
func (q *Question) beforePolicy() string {
	if q.Revoke != nil || q.Delegate != nil {
		return ""
	}
	if err := scenario.BeforePolicy(q.Query); err != nil {
		return err.Error()
	}
	return ""
}

// unknown says what the question is about that is not configured; empty when all is.
func (q *Question) unknown(s *cedar.Snapshot) string {
	switch {
	case q.Revoke != nil:
		return ""
	case q.Delegate != nil:
		return s.Unknown(q.Delegate.Server, q.Delegate.Tool)
	case q.Query.Target.Kind == mcp.TargetTool:
		return s.Unknown(q.Query.Server, q.Query.Target.Name)
	}
	return s.Unknown(q.Query.Server, "")
}
