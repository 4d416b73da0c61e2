package policytest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
)

// Run asks a snapshot everything in the files whose name matches; nil matches all. It asks as [cedar.Snapshot.Trace] does:
// nobody else is told. The error is that of ctx.
func Run(ctx context.Context, snapshot *cedar.Snapshot, files []*File, match *regexp.Regexp) (*Report, error) {
	r := runner{
		snapshot: snapshot, cover: newCover(snapshot), domains: knownDomains(snapshot, files),
	}
	for _, s := range snapshot.Statements() {
		if s.Forbid {
			r.forbids = append(r.forbids, s.ID)
		} else {
			r.permits = append(r.permits, s.ID)
		}
	}
	report := &Report{}
	for _, f := range files {
		for i := range f.Cases {
			c := &f.Cases[i]
			if match != nil && !match.MatchString(c.Name) {
				continue
			}
			result, err := r.run(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("running %s: %w", f.Name, err)
			}
			result.File, result.Name, result.Line, result.Column = f.Name, c.Name, c.Line, c.Column
			result.Passed = result.Broken == "" && len(result.Differences) == 0
			report.Results = append(report.Results, result)
		}
	}
	report.Coverage = r.cover.policies
	return report, nil
}

// runner runs cases with one snapshot.
type runner struct {
	snapshot         *cedar.Snapshot
	cover            *cover
	domains          []string // trust domains that a peer may have; nil for any
	permits, forbids []string
	raw              *cedar.Raw // made when first needed
}

func (r *runner) run(ctx context.Context, c *Case) (Result, error) {
	if c.raw != nil {
		return r.runRaw(ctx, c)
	}
	if wrong := r.impossible(c); wrong != "" {
		return Result{Broken: wrong}, nil
	}
	q, err := questionOf(c.Request)
	if err != nil {
		return Result{Broken: err.Error()}, nil
	}
	if wrong := r.unknownName(c, &q); wrong != "" {
		return Result{Broken: wrong}, nil
	}
	refused := q.beforePolicy()
	switch {
	case refused != nil && c.Expect.Decision == Allow:
		return Result{Broken: "this is refused before policy is asked, so it is never allowed: " + refused.Error()}, nil
	case refused != nil && c.Expect.Decision == Refused:
		return Result{}, nil
	}
	began := time.Now()
	answer, all, err := q.ask(ctx, r.snapshot)
	if err != nil {
		return Result{}, err
	}
	if refused != nil && answer.Verdict.Allowed {
		return Result{Broken: "no policy denies this, but it is refused before policy is asked: write expect: refused. It is because " +
			refused.Error()}, nil
	}
	result := Result{
		Duration:    time.Since(began),
		Question:    &Question{answer.Principal, answer.Action, answer.Resource},
		Differences: c.Expect.failures(answer.Verdict),
	}
	for _, t := range all {
		r.cover.note(t)
	}
	if len(result.Differences) > 0 {
		result.Note, result.Policies = note(answer), outcomes(answer)
		if c.Expect.Decision == Refused {
			result.Note = "nothing refuses this before policy is asked"
		}
	}
	return result, nil
}

// note says what else is to know about an answer.
func note(t *cedar.Trace) string {
	switch {
	case t.Problem != "":
		return t.Problem
	case t.Unfit != "":
		return "not asked as " + t.Unfit + ", because the arguments do not fit: " + strings.Join(t.Misfits, "; ")
	case len(t.Candidates) == 0:
		return "no policy covers the question"
	}
	return ""
}

// impossible returns what the case expects that can never be.
func (r *runner) impossible(c *Case) string {
	deciding, others := r.permits, r.forbids
	if c.Expect.Decision == Deny {
		deciding, others = r.forbids, r.permits
	}
	for _, id := range c.Expect.Policies {
		if slices.Contains(others, id) && !slices.Contains(c.Expect.Errors, id) {
			if len(c.Expect.Errors) > 0 {
				continue // an error denies, whatever decides besides
			}
			return fmt.Sprintf("%s is among the policies, and it can never decide to %s", id, c.Expect.Decision)
		}
		if wrong := r.unknown(id, append(slices.Clone(deciding), others...)); wrong != "" {
			return wrong
		}
	}
	for _, id := range c.Expect.Errors {
		if id == "*" { // the request cannot be put into Cedar's terms
			continue
		}
		if wrong := r.unknown(id, append(slices.Clone(r.permits), r.forbids...)); wrong != "" {
			return wrong
		}
	}
	for _, id := range c.Expect.Skipped {
		if slices.Contains(r.forbids, id) {
			return fmt.Sprintf("%s is among the skipped, and a forbid always counts", id)
		}
		if wrong := r.unknown(id, r.permits); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (r *runner) unknown(id string, known []string) string {
	if slices.Contains(known, id) {
		return ""
	}
	return fmt.Sprintf("no policy has the id %q%s", id, didYouMean(id, known))
}

func didYouMean(word string, known []string) string {
	if help := diagnostic.DidYouMean(word, known); help != "" {
		return ": " + help
	}
	return ""
}

// outcomes says what every policy came to that covers the question.
func outcomes(t *cedar.Trace) []PolicyOutcome {
	all := make([]PolicyOutcome, len(t.Candidates))
	for i, c := range t.Candidates {
		all[i] = PolicyOutcome{ID: c.ID, Forbid: c.Forbid, File: c.File, Line: c.Line, Outcome: string(c.Outcome), Because: because(c)}
	}
	return all
}

// runRaw runs a test of the Cedar command line. What decides there are Cedar's own rules.
func (r *runner) runRaw(ctx context.Context, c *Case) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if r.raw == nil {
		raw, err := r.snapshot.Raw()
		if err != nil {
			return Result{}, err
		}
		r.raw = raw
	}
	began := time.Now()
	answer, err := r.raw.Authorize(c.raw.request)
	if err != nil {
		return Result{Broken: err.Error()}, nil
	}
	return Result{
		Duration:    time.Since(began),
		Question:    &Question{c.raw.request.Principal, c.raw.request.Action, c.raw.request.Resource},
		Differences: c.raw.failures(answer),
	}, nil
}
