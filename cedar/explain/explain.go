package explain

import (
	"context"
	"slices"
	"strings"

	"countersign.dev/cedar"
)

// Explanation says how one question was decided, and why.
type Explanation struct {
	// Revision is that of the policies.
	Revision string `json:"revision"`
	// Decision is "allow" or "deny", and Why the reason in one sentence.
	Decision string `json:"decision"`
	Why      string `json:"why"`
	// Principal, Action and Resource are the question in Cedar's terms; empty when it has none.
	Principal string `json:"principal,omitempty"`
	Action    string `json:"action,omitempty"`
	Resource  string `json:"resource,omitempty"`
	// Note says why the request does not get as far as policy; empty when it does. The rest says what policy thinks of it.
	Note string `json:"note,omitempty"`
	// Unknown says which server or tool of the request is not configured; empty when they are.
	Unknown string `json:"unknown,omitempty"`
	// Unfit is the typed action that was not asked for, and Misfits say what does not fit of the arguments.
	Unfit   string   `json:"unfit,omitempty"`
	Misfits []string `json:"misfits,omitempty"`
	// Ambiguous says that the URI can be read in more than one way, and is below no UriPath.
	Ambiguous bool `json:"ambiguous_uri,omitempty"`
	// Candidates are the policies that were asked.
	Candidates []Policy `json:"candidates"`
	// Near are permits that were not asked because the principal or the resource is another one, or because the arguments
	// do not fit; the nearest first. NearTotal is how many of these there are, up to 1,000.
	Near      []Policy `json:"near,omitempty"`
	NearTotal int      `json:"near_total,omitempty"`
	// Suggestions say what would allow the request, the smallest change first.
	Suggestions []Suggestion `json:"suggestions,omitempty"`

	searched bool // for suggestions
}

// Policy is what one policy came to.
type Policy struct {
	ID     string `json:"id"`
	Effect string `json:"effect"`
	// File, Line and Column are where it begins.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Outcome is "applies", "not met" or "failed"; of a near policy, what it would come to if its scope held.
	Outcome cedar.Outcome `json:"outcome"`
	// Error says why it could not be evaluated.
	Error string `json:"error,omitempty"`
	// Overridden says that it is a permit that applies and does not count, because something else denies.
	Overridden bool `json:"overridden,omitempty"`
	// Missing is the constraint of a near policy that does not hold.
	Missing string `json:"missing,omitempty"`
	// Conditions are its when and unless clauses.
	Conditions []Condition `json:"conditions,omitempty"`
}

// Condition is a when or unless clause.
type Condition struct {
	// Kind is "when" or "unless".
	Kind string `json:"kind"`
	// Outcome is "met" when it lets the policy apply, "not met", "error" or "not looked at".
	Outcome string `json:"outcome"`
	// Error says why its body could not be evaluated.
	Error string `json:"error,omitempty"`
	// Leaves are the parts of its body.
	Leaves []*Leaf `json:"leaves,omitempty"`
}

// The outcomes of a [Condition], besides [Error] and [Unlooked].
const (
	Met    = "met"
	NotMet = "not met"
)

// Options limit an explanation.
type Options struct {
	// Near is the most permits to show that nearly cover the question.
	Near int
	// Suggestions is the most suggestions to make; with 0, none is looked for.
	Suggestions int
}

// Explain asks the question and says why it was answered so. The error is that of ctx.
func Explain(ctx context.Context, s *cedar.Snapshot, q Question, o Options) (*Explanation, error) {
	trace, err := q.trace(ctx, s)
	if err != nil {
		return nil, err
	}
	v := trace.Verdict
	e := &Explanation{
		Revision: s.Revision(), Decision: "deny", Principal: trace.Principal, Action: trace.Action, Resource: trace.Resource,
		Note: q.beforePolicy(), Unknown: q.unknown(s), Unfit: trace.Unfit, Misfits: trace.Misfits, Ambiguous: trace.Ambiguous,
		Candidates: []Policy{},
	}
	if v.Allowed {
		e.Decision = "allow"
	}
	for _, c := range trace.Candidates {
		e.Candidates = append(e.Candidates, policy(trace, c, !v.Allowed))
	}
	e.Why = why(trace)
	if trace.Problem != "" || v.Allowed {
		return e, nil
	}
	for _, n := range nearly(trace) {
		if e.NearTotal++; len(e.Near) < o.Near {
			p := policy(trace, n.Candidate, false)
			p.Missing = n.Missing[0].Text
			e.Near = append(e.Near, p)
		}
	}
	if o.Suggestions == 0 {
		return e, nil
	}
	e.searched = true
	e.Suggestions, err = suggest(ctx, s, q, trace, o.Suggestions)
	return e, err
}

// maxNear bounds the permits that nearly cover a question.
const maxNear = 1000

// nearly returns the permits of which one constraint does not hold, leaving out those that are about something else to do.
func nearly(trace *cedar.Trace) []cedar.Near {
	near, _ := trace.Nearly(false, 1, maxNear)
	return slices.DeleteFunc(near, func(n cedar.Near) bool {
		return n.Missing[0].Variable == "action" && (trace.Unfit == "" || !slices.Contains(n.Missing[0].Entities, trace.Unfit))
	})
}

func policy(trace *cedar.Trace, c cedar.Candidate, denied bool) Policy {
	p := Policy{
		ID: c.ID, Effect: "permit", File: c.File, Line: c.Line, Column: c.Column, Outcome: c.Outcome, Error: c.Error,
		Overridden: denied && !c.Forbid && c.Outcome == cedar.Applies,
	}
	if c.Forbid {
		p.Effect = "forbid"
	}
	if c.Error != "" && !slices.ContainsFunc(c.Conditions, func(r cedar.ConditionResult) bool { return r.Error == c.Error }) {
		return p // there is a doubt about the request: what its conditions come to says nothing
	}
	clauses := takeApart(trace, c.Text)
	decided := false // by a clause: Cedar does not look behind the first one that is not met
	for i, result := range c.Conditions {
		condition := Condition{Kind: "when", Outcome: Unlooked}
		if result.Unless {
			condition.Kind = "unless"
		}
		if i < len(clauses) {
			if decided {
				clauses[i].forget()
			}
			condition.Leaves = clauses[i].leaves
		}
		if !decided {
			condition.Outcome, condition.Error = NotMet, result.Error
			switch {
			case result.Error != "":
				condition.Outcome = Error
			case result.Holds != result.Unless:
				condition.Outcome = Met
			}
			decided = condition.Outcome != Met
		}
		p.Conditions = append(p.Conditions, condition)
	}
	return p
}

// forget makes a clause one that Cedar did not look at.
func (c *clause) forget() {
	for _, leaf := range c.leaves {
		*leaf = Leaf{Text: leaf.Text, Value: Unlooked}
	}
}

// why says in one sentence what the verdict comes from.
func why(trace *cedar.Trace) string {
	v := trace.Verdict
	permits := slices.ContainsFunc(trace.Candidates, func(c cedar.Candidate) bool { return !c.Forbid })
	switch {
	case trace.Problem != "":
		return trace.Problem
	case v.Allowed:
		return "permitted by " + list(v.PolicyIDs)
	case len(v.Errors) > 0 && v.Forbidden:
		return "forbidden by " + list(v.PolicyIDs) + "; and a policy that cannot be judged denies: " + list(v.Errors)
	case len(v.Errors) > 0:
		return "a policy that cannot be judged denies: " + list(v.Errors)
	case v.Forbidden:
		return "forbidden by " + list(v.PolicyIDs)
	case len(v.Skipped) > 0:
		return "no permit applies; skipped, because it could not be judged: " + list(v.Skipped)
	case permits:
		return "no permit applies: the conditions of those that cover the request do not hold"
	default:
		return "no permit covers the request"
	}
}

func list(ids []string) string { return strings.Join(ids, ", ") }
