package policytest

import (
	"context"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/revoke/control"
	"countersign.dev/cedar"
	"countersign.dev/cedar/scenario"
)

// question is what a request asks policy.
type question struct {
	query   authz.Query // unless revoke
	backend spiffeid.ID // asks about delegating, unless zero
	server  string      // what the backend may pass on
	tool    string
	revoke  *control.Question
}

func questionOf(r scenario.Request) (q question, err error) {
	if r.Revoke != nil {
		asked, err := r.Revocation()
		return question{revoke: &asked}, err
	}
	if q.query, err = r.Query(); err != nil || r.Delegate == nil {
		return q, err
	}
	q.backend, q.server, q.tool, err = r.Delegating()
	return q, err
}

// ask returns what the snapshot says. To pass on all tools of a server takes one answer for every pinned tool, and one for
// those that are not pinned: the first no is returned, or the last yes, and all for coverage.
func (q *question) ask(ctx context.Context, s *cedar.Snapshot) (answer *cedar.Trace, all []*cedar.Trace, err error) {
	switch {
	case q.revoke != nil:
		answer, err = s.TraceRevoke(ctx, *q.revoke)
		return answer, []*cedar.Trace{answer}, err
	case q.backend.IsZero():
		answer, err = s.Trace(ctx, q.query)
		return answer, []*cedar.Trace{answer}, err
	}
	tools := []string{q.tool}
	if q.tool == "*" {
		tools = append(tools, s.Tools(q.server)...)
	}
	for _, tool := range tools {
		t, err := s.TraceDelegate(ctx, q.query, q.backend, q.server, tool)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, t)
		if answer == nil || answer.Verdict.Allowed {
			answer = t
		}
	}
	return answer, all, nil
}

// beforePolicy returns why the request is refused whatever policies say; nil when policy is asked.
func (q *question) beforePolicy() error {
	switch {
	case q.revoke != nil:
		return nil
	case q.backend.IsZero():
		return scenario.BeforePolicy(q.query)
	case q.query.Delegation == nil:
		return errors.New("there is no delegation, and so nothing to pass on")
	}
	item := "mcp:" + q.server + ":" + q.tool
	if !q.query.Delegation.Scope.Covers(item) {
		return errors.Join(scenario.BeforePolicy(q.query), errors.New("the delegation does not cover "+item+" itself"))
	}
	return scenario.BeforePolicy(q.query)
}
