package replay

import (
	"context"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
)

// The decisions, as records spell them.
const (
	allow = "allow"
	deny  = "deny"
)

// Answer is what one set of policies says about a request.
type Answer struct {
	// Decision is "allow" or "deny".
	Decision string `json:"decision"`
	// PolicyIDs are the deciding policies, Errors those that could not be evaluated, and Skipped the permits that could not
	// and did not count; each sorted.
	PolicyIDs []string `json:"policy_ids,omitempty"`
	Errors    []string `json:"policy_errors,omitempty"`
	Skipped   []string `json:"policy_skipped,omitempty"`
	// SingleUse says that the delegation may be used only once for the same call.
	SingleUse bool `json:"single_use,omitempty"`
	// PassesOn is what the backend may pass on of the delegation's scope, sorted; empty for nothing. Nil in flips that are
	// not about that.
	PassesOn []string `json:"passes_on,omitzero"`
	// PassOnError says why that cannot be told, which denies the request.
	PassOnError string `json:"pass_on_error,omitempty"`
}

func (a *Answer) equal(b *Answer) bool {
	return a.Decision == b.Decision && slices.Equal(a.PolicyIDs, b.PolicyIDs) && slices.Equal(a.Errors, b.Errors) &&
		slices.Equal(a.Skipped, b.Skipped) && a.SingleUse == b.SingleUse && a.PassOnError == b.PassOnError &&
		len(uncovered(a.PassesOn, b.PassesOn))+len(uncovered(b.PassesOn, a.PassesOn)) == 0
}

// uncovered are the items that others do not cover.
func uncovered(items, others []string) []string {
	return slices.DeleteFunc(slices.Clone(items), delegation.Scope(others).Covers)
}

// ask puts the questions of one request to a set, as they are put when it comes in: until one is denied, and what the backend
// may pass on if none is. The deciding policies are those of the last question. Passing is nil if that is not asked.
func ask(ctx context.Context, s *cedar.Snapshot, questions []authz.Query, p *passing) Answer {
	a := Answer{Decision: allow}
	for _, q := range questions {
		v := s.Authorize(ctx, q)
		a.PolicyIDs, a.Errors = v.PolicyIDs, v.Errors
		a.Skipped = sorted(slices.Concat(a.Skipped, v.Skipped))
		a.SingleUse = a.SingleUse || v.SingleUse && q.Call.Method == "tools/call"
		if !v.Allowed {
			a.Decision, a.SingleUse = deny, false
			return a
		}
	}
	if p == nil {
		return a
	}
	scope, err := p.ask(ctx, s, questions[0], p.scope)
	if err != nil {
		a.Decision, a.SingleUse, a.PassOnError = deny, false, err.Error()
		return a
	}
	a.PassesOn = append([]string{}, sorted(scope)...)
	return a
}

// passing is the question what the backend may pass on.
type passing struct {
	backend spiffeid.ID
	scope   delegation.Scope
}

// ask asks about a scope, as part of the request that a query is about.
func (p *passing) ask(ctx context.Context, s *cedar.Snapshot, q authz.Query, scope delegation.Scope) (delegation.Scope, error) {
	return s.MayDelegate(ctx, about(q, mcp.Target{}), p.backend, scope)
}

// Kind is how two answers differ.
type Kind string

// The kinds of flips. A policy that begins or ceases to fail while the decision is another one is of the first two kinds.
const (
	Widened  Kind = "widened"  // from deny to allow
	Narrowed Kind = "narrowed" // from allow to deny
	// Allowed before and after, and the backend may pass on something that it could not, whatever else it no longer can; or
	// only less.
	ScopeWidened  Kind = "scope-widened"
	ScopeNarrowed Kind = "scope-narrowed"
	Erring        Kind = "erring"  // the same decision, and a policy that could be evaluated no longer can
	Mended        Kind = "mended"  // the same decision, and a policy that could not be evaluated can
	Reasons       Kind = "reasons" // the same decision for other reasons, or single use on one side
)

// compare says how an answer changes; false if it does not.
func compare(before, after *Answer) (Kind, bool) {
	switch {
	case before.equal(after):
		return "", false
	case before.Decision != after.Decision && after.Decision == allow:
		return Widened, true
	case before.Decision != after.Decision:
		return Narrowed, true
	case len(without(after.Errors, before.Errors)) > 0:
		return Erring, true
	case len(without(before.Errors, after.Errors)) > 0:
		return Mended, true
	case len(uncovered(after.PassesOn, before.PassesOn)) > 0:
		return ScopeWidened, true
	case len(uncovered(before.PassesOn, after.PassesOn)) > 0:
		return ScopeNarrowed, true
	}
	return Reasons, true
}

// without returns the ids that are not among others.
func without(ids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
}
