package cedar

import (
	"context"
	"iter"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"

	"countersign.dev/authz"
)

// untranslatable stands for all policies in Verdict.Errors: the request could not be put into Cedar's terms.
const untranslatable = "*"

// Authorize implements [authz.Policy]. A policy that fails to evaluate denies, whatever the others say, unless it is a
// permit and the snapshot was loaded with [SkipPermits]: Cedar itself would skip it, and a forbid would fail open. A
// request that the schema has no action for is denied without a reason.
func (s *Snapshot) Authorize(_ context.Context, q authz.Query) authz.Verdict {
	asked, ok, err := s.ask(&q)
	switch {
	case err != nil:
		return authz.Verdict{Errors: []string{untranslatable}}
	case !ok:
		return authz.Verdict{}
	}
	return s.decide(asked)
}

func (s *Snapshot) decide(q *question) authz.Verdict {
	at := s.numbers.places(&q.entities, q.principal, q.action, q.resource)
	found := s.index.find(&at)
	q.entities.reveal(s.wanted(found))
	decision, diagnostic := cedargo.Authorize(covering{s.conditions, found}, &q.entities, q.request())
	v := s.verdict(decision, diagnostic, s.doubts.about(q, &at))
	v.Candidates = len(found)
	switch {
	case q.entities.arguments.hostile:
		v = authz.Verdict{Errors: []string{untranslatable}, Candidates: v.Candidates}
	case s.monitor.due():
		if !s.agrees(q, decision, diagnostic) {
			v = authz.Verdict{Errors: []string{misfiled}, Candidates: v.Candidates}
		}
	}
	s.monitor.note(v)
	return v
}

// wanted is what the policies found may read.
func (s *Snapshot) wanted(found []int32) wanted {
	w := wanted{known: s.names}
	for _, i := range found {
		w.add(s.reads[i])
	}
	return w
}

// request is the question with the part of the context that is wanted.
func (q *question) request() cedargo.Request {
	return cedargo.Request{
		Principal: q.principal, Action: q.action, Resource: q.resource, Context: q.context(&q.entities.want),
	}
}

// covering are the policies whose scope covers a request, in load order. Their scopes are not looked at again.
type covering struct {
	conditions policies
	found      []int32
}

// All implements the iterator of cedar-go.
func (c covering) All() iter.Seq2[cedargo.PolicyID, *cedargo.Policy] {
	return func(yield func(cedargo.PolicyID, *cedargo.Policy) bool) {
		for _, i := range c.found {
			if p := &c.conditions[i]; !yield(p.id, p.body) {
				return
			}
		}
	}
}

// verdict is what the answers of the policies come to, with the doubtful ones taken for failures.
func (s *Snapshot) verdict(decision cedargo.Decision, diagnostic cedargo.Diagnostic, doubtful []cedargo.PolicyID) authz.Verdict {
	var v authz.Verdict
	fail := func(id cedargo.PolicyID) {
		if s.onError == SkipPermits && s.effects[id] == cedargo.Permit {
			v.Skipped = append(v.Skipped, string(id))
			return
		}
		v.Errors = append(v.Errors, string(id))
	}
	for _, e := range diagnostic.Errors {
		fail(e.PolicyID)
	}
	for _, id := range doubtful {
		fail(id)
	}
	v.Errors, v.Skipped = sorted(v.Errors), sorted(v.Skipped)
	v.PolicyIDs = slices.Grow(v.PolicyIDs, len(diagnostic.Reasons))
	for _, reason := range diagnostic.Reasons {
		id := string(reason.PolicyID)
		if _, skipped := slices.BinarySearch(v.Skipped, id); !skipped {
			v.PolicyIDs = append(v.PolicyIDs, id)
		}
	}
	v.PolicyIDs = sorted(v.PolicyIDs)
	v.Allowed = decision == cedargo.Allow && len(v.Errors) == 0 && len(v.PolicyIDs) > 0
	v.SingleUse = v.Allowed && slices.ContainsFunc(v.PolicyIDs, func(id string) bool { return s.once[id] })
	v.Forbidden = decision == cedargo.Deny && len(v.PolicyIDs) > 0
	if v.Forbidden {
		for _, id := range v.PolicyIDs {
			if v.Public = s.public[id]; v.Public != "" {
				break
			}
		}
	}
	return v
}

func sorted(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
