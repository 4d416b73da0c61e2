package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign.dev/cedar/scenario"
)

// The maxima of what is told one by one.
const (
	maxProblems = 5  // lines that could not be read
	maxReasons  = 10 // why records hold no question
)

// Report is what a replay came to.
type Report struct {
	Old Set `json:"old"`
	New Set `json:"new"`
	// Lines is how many were read, blank ones aside: those left out as the options say, not asked about, undecided and
	// compared.
	Lines   int `json:"lines"`
	LeftOut int `json:"left_out"`
	// NotAsked says how many lines were not asked about, and why. Problems are the first that could not be read.
	NotAsked map[Cause]int `json:"not_asked"`
	Problems []Problem     `json:"problems,omitempty"`
	// NoQuestion says why records hold no question, and how many; those beyond the first few reasons as [OtherReasons].
	NoQuestion map[string]int `json:"no_question,omitempty"`
	// Undecided is how many records lost something that a policy may read, and UndecidedBy how many lost what.
	Undecided   int                   `json:"undecided"`
	UndecidedBy map[scenario.Lost]int `json:"undecided_by"`
	// Compared is how many both sets were asked about. Of these, Inexact lost something that no policy reads that covers
	// them.
	Compared int `json:"compared"`
	Inexact  int `json:"inexact"`
	// ScopesCompared is of how many of these both sets were asked what the backend may pass on. ScopesUndecided is of how many
	// records a policy may read for that what they lost.
	ScopesCompared  int `json:"scopes_compared"`
	ScopesUndecided int `json:"scopes_undecided"`
	// First and Last are the times of the earliest and latest record that was compared or undecided; zero for none.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Flips says how many answers change, by kind. Failing counts those for which a policy newly fails, whatever the kind.
	Flips   map[Kind]int `json:"flips"`
	Failing int          `json:"newly_failing"`
	// Drift says how far the old set is from what was decided.
	Drift Drift `json:"drift"`
	// Groups are the flips, the largest group first. MoreGroups is how many are not shown. Ungrouped are flips beyond what is
	// kept in groups.
	Groups     []*Group     `json:"groups"`
	MoreGroups int          `json:"more_groups"`
	Ungrouped  map[Kind]int `json:"ungrouped,omitempty"`
}

// Set is one set of policies.
type Set struct {
	// Name is how the user calls it.
	Name     string `json:"name"`
	Revision string `json:"revision"`
	Policies int    `json:"policies"`
}

// Cause is why a line is not asked about.
type Cause string

// The causes.
const (
	Unreadable Cause = "unreadable"  // torn, too long, not UTF-8, or no JSON
	Foreign    Cause = "foreign"     // no record of a decision
	NoQuestion Cause = "no question" // the record does not say what policy was asked, or it was asked nothing
	Refused    Cause = "refused"     // something else refused the request before policy was asked
)

var causes = []Cause{NoQuestion, Refused, Foreign, Unreadable}

// OtherReasons stands for the reasons that are not told one by one.
const OtherReasons = "for other reasons"

// Problem is a line that could not be read.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Drift counts recorded decisions of policy that the old set does not reproduce: then it is not what decided.
type Drift struct {
	// Checked is how many records were compared of which it is known what policy said.
	Checked int `json:"checked"`
	// Lines is how many have another answer, and Decisions how many of these another decision.
	Lines     int `json:"lines"`
	Decisions int `json:"decisions"`
	// Example is the decision_id of the first.
	Example string `json:"example,omitempty"`
}

func (d *Drift) check(rec *recorded, before *Answer) {
	said, known := rec.answer()
	if !known {
		return
	}
	d.Checked++
	if said.Decision == before.Decision && slices.Equal(said.PolicyIDs, before.PolicyIDs) && slices.Equal(said.Errors, before.Errors) {
		return
	}
	if said.Decision != before.Decision {
		d.Decisions++
	}
	if d.Lines++; d.Lines == 1 {
		d.Example = rec.DecisionID[:min(len(rec.DecisionID), maxExample)]
	}
}

// refuse counts a line that is not asked about.
func (r *Report) refuse(file string, number int, err error) {
	switch {
	case errors.Is(err, errForeign):
		r.NotAsked[Foreign]++
	case errors.Is(err, errRefused):
		r.NotAsked[Refused]++
	case errors.Is(err, scenario.ErrNoQuestion):
		r.NotAsked[NoQuestion]++
		r.noQuestion(err)
	default:
		r.NotAsked[Unreadable]++
		if len(r.Problems) < maxProblems {
			r.Problems = append(r.Problems, Problem{file, number, oneLine(err.Error())})
		}
	}
}

// noQuestion counts why a record holds no question.
func (r *Report) noQuestion(err error) {
	why := oneLine(strings.TrimPrefix(err.Error(), scenario.ErrNoQuestion.Error()+": "))
	if _, known := r.NoQuestion[why]; !known && len(r.NoQuestion) >= maxReasons {
		why = OtherReasons
	}
	r.NoQuestion[why]++
}

func (r *Report) undecided(lost []scenario.Lost) {
	r.Undecided++
	for _, l := range lost {
		r.UndecidedBy[l]++
	}
}

func (r *Report) span(at time.Time) {
	at = at.UTC()
	if r.First.IsZero() || at.Before(r.First) {
		r.First = at
	}
	if at.After(r.Last) {
		r.Last = at
	}
}

// Changes is how many answers change.
func (r *Report) Changes() int { return total(r.Flips) }

func total[K comparable](counts map[K]int) int {
	n := 0
	for _, count := range counts {
		n += count
	}
	return n
}

// Finding is something that a report can have.
type Finding string

// Findings are what [Report.Has] can be asked about: widened, narrowed, scope-widened and scope-narrowed (what a backend may
// pass on), errors (a policy newly fails), any (any change), undecided (there are undecided records or scopes), unreadable
// (there are lines that could not be read) and drift.
var Findings = []Finding{
	"widened", "narrowed", "scope-widened", "scope-narrowed", "errors", "any", "undecided", "unreadable", "drift",
}

// Has reports whether there is such a finding.
func (r *Report) Has(f Finding) bool {
	switch f {
	case "widened", "narrowed", "scope-widened", "scope-narrowed":
		return r.Flips[Kind(f)] > 0
	case "errors":
		return r.Failing > 0
	case "any":
		return r.Changes() > 0
	case "undecided":
		return r.Undecided+r.ScopesUndecided > 0
	case "unreadable":
		return r.NotAsked[Unreadable] > 0
	case "drift":
		return r.Drift.Lines > 0
	}
	return false
}

// Report returns what was found so far, with as many groups as limit says. The error is that of ctx.
func (r *Replay) Report(ctx context.Context, limit int) (*Report, error) {
	report := r.report
	all := r.groups.sorted()
	report.Groups = all[:min(len(all), limit)]
	report.MoreGroups = len(all) - len(report.Groups)
	report.Ungrouped = r.groups.rest
	for _, g := range report.Groups {
		if g.line == nil {
			continue
		}
		var err error
		if g.Explanation, err = r.explain(ctx, g); err != nil {
			return nil, err
		}
	}
	return &report, nil
}
