package explain

import (
	"cmp"
	"context"
	"slices"

	"countersign.dev/cedar"
)

// The limits of the search for a change.
const (
	maxPermits = 20 // that are tried
	maxRounds  = 8  // of changes to one question
	maxDropped = 20 // changes that are tried to be left out again

	maxLooked = 4000 // parts of conditions that are looked at, of all permits in all rounds
	perLook   = 8    // clauses of policies that are evaluated in the time that looking at a part takes
)

// Suggestion is what would have to be otherwise for one permit to allow the request.
type Suggestion struct {
	// Policy is the permit. It is in one checked suggestion at most.
	Policy string `json:"policy"`
	// Changes are things to do.
	Changes []string `json:"changes,omitempty"`
	// Needs must be so too, and it is not known what to do for it.
	Needs []string `json:"needs,omitempty"`
	// Checked says that the question was asked again with the changes, and was allowed.
	Checked bool `json:"checked"`
	// Still says what else denies: the forbids that apply and the policies that cannot be judged after the changes.
	Still []string `json:"still,omitempty"`

	weight    int
	elsewhere bool // something else would have to be asked for
	borrowed  int  // 1 when the changes were made for another permit; behind those that are not
}

// suggest looks for the least changes after which some permit would allow the question.
func suggest(ctx context.Context, s *cedar.Snapshot, q Question, trace *cedar.Trace, limit int) ([]Suggestion, error) {
	var found []Suggestion
	left := maxLooked
	for _, id := range targets(trace) {
		if left < 0 {
			break
		}
		suggestion, ok, err := toward(ctx, s, q, id, &left)
		if err != nil {
			return nil, err
		}
		if ok && (left >= 0 || suggestion.Checked || len(found) == 0) { // else it was broken off
			found = append(found, suggestion)
		}
	}
	slices.SortStableFunc(found, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.borrowed, b.borrowed))
	})
	found = slices.DeleteFunc(found, func(f Suggestion) bool { return f.elsewhere })
	var kept []Suggestion
	for _, f := range found {
		if len(kept) == limit {
			break
		}
		if !slices.ContainsFunc(kept, func(k Suggestion) bool {
			return k.Policy == f.Policy && k.Checked || // the smaller change is there already
				slices.Equal(k.Changes, f.Changes) && slices.Equal(k.Needs, f.Needs) && k.Checked == f.Checked
		}) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// targets are the permits to try: those that cover the question, then those that nearly do.
func targets(trace *cedar.Trace) []string {
	var ids []string
	for _, c := range trace.Candidates {
		if !c.Forbid && len(ids) < maxPermits {
			ids = append(ids, c.ID)
		}
	}
	near := nearly(trace)
	if len(ids)+len(near) == 0 {
		near, _ = trace.Nearly(false, 3, maxPermits)
	}
	for _, n := range near {
		if len(ids) < maxPermits && !slices.Contains(ids, n.ID) {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// toward changes the question step by step until one permit allows it, and nothing denies. Then it drops the changes that
// are not needed for that.
func toward(ctx context.Context, s *cedar.Snapshot, q Question, id string, left *int) (Suggestion, bool, error) {
	w := way{snapshot: s, from: q, permit: id, left: left, tried: make(map[string]bool)}
	end, err := w.look(ctx, nil)
	for range maxRounds {
		if err != nil || end.problem || end.allowed || *left < 0 || !w.step(end) {
			break
		}
		end, err = w.look(ctx, w.changes)
	}
	if err != nil || end.problem { // a change led where there is no question
		return Suggestion{}, false, err
	}
	if end, err = w.shorten(ctx, end); err != nil {
		return Suggestion{}, false, err
	}
	found := Suggestion{Policy: id, Checked: end.allowed, Still: end.still}
	for _, c := range w.changes {
		found.Changes = append(found.Changes, c.text)
		found.weight += c.weight
	}
	if found.Checked {
		if !slices.Contains(end.permits, id) { // what was done for one has another allow it
			found.Policy, found.borrowed = end.permits[0], 1
		}
		return found, len(found.Changes) > 0, nil
	}
	for _, n := range end.needs {
		found.Needs = append(found.Needs, n.String())
		found.weight += n.weight() + 3
		found.elsewhere = found.elsewhere || n.constraint != nil && n.constraint.Variable == "action"
	}
	for _, misfit := range end.misfits {
		found.Needs = append(found.Needs, "the arguments fit the schema of the tool, but "+misfit)
		found.weight += 2
	}
	return found, len(found.Needs)+len(found.Changes) > 0, nil
}

// obstacles returns what must change for a permit to apply and for nothing to deny, and what denies.
func (w *way) obstacles(trace *cedar.Trace) (needs []need, still []string) {
	id := w.permit
	apart := func(text string) []*clause {
		clauses := takeApart(trace, text)
		for _, c := range clauses {
			*w.left -= len(c.leaves)
		}
		return clauses
	}
	if permit, ok := trace.Policy(id); ok {
		for i := range permit.Missing {
			needs = append(needs, need{constraint: &permit.Missing[i]})
		}
		needs = append(needs, toApply(apart(permit.Text))...)
	}
	for _, c := range trace.Candidates {
		switch {
		case c.Outcome == cedar.Failed && c.ID != id && slices.Contains(trace.Verdict.Errors, c.ID):
			still = append(still, c.ID+" cannot be judged: "+c.Error)
		case c.Forbid && c.Outcome == cedar.Applies:
			still = append(still, "forbidden by "+c.ID)
			if rest, ok := toRest(apart(c.Text)); ok {
				needs = append(needs, rest...)
			}
		}
	}
	return unique(needs), still
}
