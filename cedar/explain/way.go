package explain

import (
	"context"
	"slices"
	"strings"

	"countersign.dev/authz"
	"countersign.dev/cedar"
)

// way is the changes that lead from a question towards a permit.
type way struct {
	snapshot *cedar.Snapshot
	from     Question
	permit   string
	changes  []change
	left     *int            // parts of conditions that may be looked at yet
	tried    map[string]bool // texts of changes, those that others took the place of included
}

// stop is where changes lead.
type stop struct {
	query   authz.Query // with the changes
	problem bool        // there is no question
	allowed bool
	permits []string // those that allow it
	needs   []need   // what is still in the way
	misfits []string
	still   []string
}

// look asks the question with some changes.
func (w *way) look(ctx context.Context, changes []change) (*stop, error) {
	q := w.from
	if q.Revoke == nil {
		q.Query = clone(q.Query)
		for _, c := range changes {
			if strings.HasPrefix(c.target, delegationPrefix) && q.Query.Delegation == nil {
				return &stop{problem: true}, nil // the one that made it was left out
			}
			c.apply(&q.Query)
		}
	}
	trace, err := q.trace(ctx, w.snapshot)
	if err != nil {
		return nil, err
	}
	for i := range trace.Candidates {
		*w.left -= len(trace.Candidates[i].Conditions) / perLook
	}
	at := &stop{query: q.Query, problem: trace.Problem != "", allowed: trace.Verdict.Allowed}
	if at.problem || at.allowed {
		at.permits = trace.Verdict.PolicyIDs
		return at, nil
	}
	at.needs, at.still = w.obstacles(trace)
	asked := func(n need) bool { return n.isAction(trace.Unfit) }
	if trace.Unfit != "" && (len(trace.Verdict.Errors) > 0 || slices.ContainsFunc(at.needs, asked)) {
		at.misfits = trace.Misfits // the typed action is asked for when nothing is left of these
		at.needs = slices.DeleteFunc(at.needs, asked)
	}
	return at, nil
}

// step adds changes for what is in the way, each about something else: another look tells what is left to do about that.
// It reports whether there were any.
func (w *way) step(at *stop) bool {
	if w.from.Revoke != nil {
		return false
	}
	done := make(map[string]bool)
	for _, n := range at.needs {
		c := changer{w.snapshot, at.query}
		next, ok := c.change(n)
		before := slices.IndexFunc(w.changes, func(c change) bool { return c.target == next.target })
		if !ok || done[next.target] || w.tried[next.text] || before >= 0 && next.target == targetDelegation {
			continue // to send a delegation and not to send it is no way
		}
		next.weight = n.weight()
		if before >= 0 {
			next.weight = max(next.weight, w.changes[before].weight)
			w.changes = slices.Delete(w.changes, before, before+1)
		}
		done[next.target], w.tried[next.text] = true, true
		w.changes = append(w.changes, next)
	}
	return len(done) > 0
}

// shorten leaves out the changes without which the way leads as far, and returns where it leads then. The last change, most
// of all, may have made others superfluous.
func (w *way) shorten(ctx context.Context, end *stop) (*stop, error) {
	if len(w.changes) > maxDropped {
		return end, nil
	}
	for i := 0; i < len(w.changes) && *w.left >= 0; {
		rest := slices.Delete(slices.Clone(w.changes), i, i+1)
		at, err := w.look(ctx, rest)
		if err != nil {
			return nil, err
		}
		if at.problem || !at.asFarAs(end) {
			i++
			continue
		}
		w.changes, end = rest, at
	}
	return end, nil
}

// asFarAs reports whether nothing is in the way that is not at the other place too.
func (s *stop) asFarAs(other *stop) bool {
	if s.allowed || other.allowed {
		return s.allowed
	}
	for i := range s.needs {
		if !slices.ContainsFunc(other.needs, func(n need) bool { return n.String() == s.needs[i].String() }) {
			return false
		}
	}
	within := func(texts, all []string) bool {
		return !slices.ContainsFunc(texts, func(t string) bool { return !slices.Contains(all, t) })
	}
	return within(s.misfits, other.misfits) && within(s.still, other.still)
}

// clone copies what changes write to.
func clone(q authz.Query) authz.Query {
	if q.Call != nil {
		call := *q.Call
		q.Call = &call
	}
	if q.Delegation != nil {
		claims := *q.Delegation
		q.Delegation = &claims
	}
	return q
}
