package authz

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// maxTrial is how long policies that are tried out may be asked about one request, so that the many questions of a batch
// do not keep the answer waiting. Between two questions it is looked at; one takes microseconds.
const maxTrial = 20 * time.Millisecond

// trial puts the questions that the live policies decided to others.
type trial struct {
	*check
	verdict Verdict
	once    bool
	scope   delegation.Scope // what the backend may pass on
}

// askShadow asks the policies that are tried out at the server, if there are any, once the live ones have been asked,
// whatever they said. Nothing that comes of it changes the answer. The request was read with the tools that the live
// policies have pinned.
func (c *check) askShadow(ctx context.Context) {
	if !c.asked {
		return
	}
	policies := c.Shadows[c.server.Name]
	if policies == nil {
		return
	}
	t := &trial{check: c}
	c.shadow = &audit.Shadow{Live: decisionName(c.permitted), Decision: decisionName(true)}
	if refused := t.ask(ctx, policies); refused != nil {
		c.shadow.Decision, c.shadow.Reason = decisionName(false), string(denial.ReasonOf(refused))
		c.shadow.Detail = detailOf(refused)
	} else if c.permitted {
		t.compare()
	}
	c.shadow.PolicyIDs, c.shadow.PolicyErrors = t.verdict.PolicyIDs, t.verdict.Errors
}

// ask takes the steps of the live policies, with their questions and in their order.
func (t *trial) ask(ctx context.Context, policies Policies) (refused error) {
	defer func() {
		if p := recover(); p != nil {
			refused = denial.New(denial.Panicked, "%v\n%s", p, debug.Stack())
		}
	}()
	policy, ok := policies.Snapshot()
	if !ok {
		return denial.New(denial.PolicyUnavailable, "no valid policies to try out were loaded yet")
	}
	t.shadow.Revision = policy.Revision()
	began := t.Clock()
	inTime := func() error {
		if took := t.Clock().Sub(began); ctx.Err() != nil || took > maxTrial {
			return denial.New(denial.Cancelled, "trying out other policies, after %s", took)
		}
		return nil
	}
	for call, q := range t.questions() {
		if err := inTime(); err != nil {
			return err
		}
		t.verdict = policy.Authorize(ctx, q)
		if err := t.verdict.Refusal("it"); err != nil {
			return t.orLogin(err)
		}
		t.once = t.once || t.isOnce(call, t.verdict)
	}
	if t.backend.IsZero() {
		return nil
	}
	if err := inTime(); err != nil {
		return err
	}
	var err error
	if t.scope, err = t.mayDelegate(ctx, policy); err != nil {
		return denial.New(denial.PolicyError, "asking what %s may pass on: %w", t.backend, err)
	}
	return nil
}

// compare notes what else differs where both permit the request.
func (t *trial) compare() {
	if t.once != t.check.once {
		t.shadow.SingleUse = &t.once
	}
	sorted := func(s delegation.Scope) []string { return slices.Sorted(slices.Values(s)) }
	if !slices.Equal(sorted(t.scope), sorted(t.check.scope)) {
		t.shadow.Scope = append([]string{}, t.scope...)
	}
}
