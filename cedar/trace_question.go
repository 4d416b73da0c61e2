package cedar

import (
	"context"
	"fmt"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/revoke/control"
)

// Trace asks a question as [Snapshot.Authorize] does, and keeps what every policy came to. The error is that of ctx.
// Nobody is told about the question.
func (s *Snapshot) Trace(ctx context.Context, q authz.Query) (*Trace, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("tracing a question: %w", err)
	}
	asked, ok, err := s.ask(&q)
	switch {
	case err != nil:
		return untraceable(err), nil
	case !ok:
		return &Trace{Problem: fmt.Sprintf("the schema has no action for %q with this target", q.Call.Method)}, nil
	}
	return s.trace(asked), nil
}

// TraceDelegate asks whether a backend may pass on one tool, as [Snapshot.MayDelegate] does; with the tool "*", whether
// it may pass on a tool that is not pinned.
func (s *Snapshot) TraceDelegate(ctx context.Context, q authz.Query, backend spiffeid.ID, server, tool string) (*Trace, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("tracing a question: %w", err)
	}
	asked := s.question(&q, backend, "delegate")
	s.aimAtTool(asked, server, tool)
	if q.Delegation != nil {
		if err := asked.entities.delegate(&q); err != nil {
			return untraceable(err), nil
		}
	}
	return s.trace(asked), nil
}

// TraceRevoke asks whether a workload may revoke, as [Store.MayRevoke] does.
func (s *Snapshot) TraceRevoke(ctx context.Context, q control.Question) (*Trace, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("tracing a question: %w", err)
	}
	return s.trace(s.askRevoke(q)), nil
}

func untraceable(err error) *Trace {
	return &Trace{
		Verdict: authz.Verdict{Errors: []string{untranslatable}},
		Problem: "the request cannot be put into Cedar's terms: " + err.Error(),
	}
}

// trace takes the verdict, and everything that it came from.
func (s *Snapshot) trace(asked *question) *Trace {
	at := s.numbers.places(&asked.entities, asked.principal, asked.action, asked.resource)
	t := &Trace{
		Principal: asked.principal.String(), Action: asked.action.String(), Resource: asked.resource.String(),
		Ambiguous: asked.ambiguous, snapshot: s, asked: asked, at: at,
	}
	if q := asked.query; asked.unfit.Type != "" {
		t.Unfit = asked.unfit.String()
		t.Misfits = misfits(s.pins[q.Server][q.Target.Name].input, q.Call.Arguments)
	}
	found := s.index.find(&at)
	t.judge(found)
	causes := t.doubts()
	for i := range s.policies {
		position := int32(i) //nolint:gosec // fewer than bytes of policy files
		_, covers := slices.BinarySearch(found, position)
		if cause, doubtful := causes[s.policies[i].id]; covers || doubtful {
			c := t.candidate(position)
			if doubtful {
				c.Outcome, c.Error = Failed, cause
			}
			t.Candidates = append(t.Candidates, c)
		}
	}
	return t
}

// judge takes the verdict from the policies found, without a word to the monitor.
func (t *Trace) judge(found []int32) {
	s, q := t.snapshot, t.asked
	q.entities.reveal(s.wanted(found))
	decision, diagnostic := cedargo.Authorize(covering{s.conditions, found}, &q.entities, q.request())
	t.Verdict = s.verdict(decision, diagnostic, s.doubts.about(q, &t.at))
	if q.entities.arguments.hostile {
		t.Verdict = authz.Verdict{Errors: []string{untranslatable}}
		t.Problem = hostileList
	}
	t.Verdict.Candidates = len(found)
}

// doubts says why policies cannot be judged, by id.
func (t *Trace) doubts() map[cedargo.PolicyID]string {
	causes := make(map[cedargo.PolicyID]string)
	d := &t.snapshot.doubts
	for _, id := range d.about(&question{ambiguous: t.asked.ambiguous}, &t.at) {
		causes[id] = "the URI can be read in more than one way, so whether it is below the UriPath that the policy names is unknown"
	}
	for _, id := range d.about(&question{unfit: t.asked.unfit}, &t.at) {
		causes[id] = fmt.Sprintf("the arguments do not fit the pinned schema, so what the policy says about %s cannot be judged",
			t.asked.unfit)
	}
	return causes
}

// candidate evaluates one policy as if its scope covered the question.
func (t *Trace) candidate(position int32) Candidate {
	p := t.snapshot.policies[position]
	body, place := (*ast.Policy)(p.body.AST()), p.body.Position()
	c := Candidate{
		ID: string(p.id), Forbid: p.body.Effect() == cedargo.Forbid, Text: string(p.body.MarshalCedar()),
		File: place.Filename, Line: place.Line, Column: place.Column, Outcome: Applies,
	}
	for _, condition := range body.Conditions {
		result := ConditionResult{Unless: bool(condition.Condition == ast.ConditionUnless)}
		switch value, err := t.evaluate(condition.Body); {
		case err != nil:
			result.Error = err.Error()
		case !value.Boolean:
			result.Error = "not a Boolean: " + value.Text
		default:
			result.Holds = value.True
		}
		c.Conditions = append(c.Conditions, result)
	}
	for _, result := range c.Conditions { // Cedar does not look behind the first one that is not met
		if result.met() {
			continue
		}
		if c.Outcome, c.Error = NotMet, result.Error; result.Error != "" {
			c.Outcome = Failed
		}
		break
	}
	return c
}
