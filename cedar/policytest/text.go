package policytest

import (
	"fmt"
	"io"
	"os"
	"strings"

	"countersign.dev/cedar/syntax"
	"countersign.dev/cedar/terminal"
)

// TextOptions say what a report tells people.
type TextOptions struct {
	// Verbose shows the cases that passed too.
	Verbose bool
	// Cover lists what was not seen.
	Cover bool
	// Colour uses the colours of a terminal.
	Colour bool
}

// Text writes the report for people: every case that failed with what was expected, what came, and what each policy came
// to; then what was not seen, and how many passed. The error is that of w.
func (r *Report) Text(w io.Writer, o TextOptions) error {
	p := printer{terminal.New(w, o.Colour)}
	for i := range r.Results {
		if result := &r.Results[i]; !result.Passed {
			p.failure(result)
		} else if o.Verbose {
			p.Line("%s %s: %s", p.In(terminal.Green, "ok  "), result.place(), result.Name)
		}
	}
	if o.Cover {
		p.coverage(r)
	}
	failed := r.Failed()
	switch passed := len(r.Results) - failed; {
	case failed > 0:
		p.Line("%s: %d failed, %d passed", p.In(terminal.Red, "FAIL"), failed, passed)
	case passed == 0:
		p.Line("no tests")
	default:
		p.Line("%s: %d passed", p.In(terminal.Green, "ok"), passed)
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r *Result) place() string {
	if r.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
}

// printer writes the parts of a report.
type printer struct{ *terminal.Printer }

func (p printer) failure(r *Result) {
	if r.Name == "" { // the file itself; the message has the places
		p.Line("%s %s", p.In(terminal.Red, "FAIL"), r.Broken)
		return
	}
	p.Line("%s %s: %s", p.In(terminal.Red, "FAIL"), r.place(), p.In(terminal.Bold, r.Name))
	if r.Broken != "" {
		p.Line("  %s", strings.ReplaceAll(r.Broken, "\n", "\n  "))
	}
	for _, d := range r.Differences {
		p.Line("  %-9s expected %s, got %s", d.What+":", p.In(terminal.Green, d.Want), p.In(terminal.Red, d.Got))
	}
	if q := r.Question; q != nil && q.Principal != "" {
		p.Line("  asked:    %s, %s, %s", q.Principal, q.Action, q.Resource)
	}
	if r.Note != "" {
		p.Line("  %s", r.Note)
	}
	for _, o := range r.Policies {
		effect := "permit"
		if o.Forbid {
			effect = "forbid"
		}
		line := fmt.Sprintf("  %s %s (%s:%d): %s", effect, o.ID, o.File, o.Line, p.In(terminal.Bold, o.Outcome))
		if o.Because != "" {
			line += ": " + o.Because
		}
		p.Line("%s", line)
	}
}

// coverage lists what was not seen, at its place.
func (p printer) coverage(r *Report) {
	clauses := places{}
	for i := range r.Coverage {
		c := &r.Coverage[i]
		if !c.Decided {
			p.Line("%s:%d:%d: policy %s never decided", c.File, c.Line, c.Column, c.ID)
		}
		for n, condition := range c.Conditions {
			line, column := clauses.of(c, n)
			kind := "when"
			if condition.Unless {
				kind = "unless"
			}
			if !condition.True {
				p.Line("%s:%d:%d: policy %s: this %s was never true", c.File, line, column, c.ID, kind)
			}
			if !condition.False {
				p.Line("%s:%d:%d: policy %s: this %s was never false", c.File, line, column, c.ID, kind)
			}
		}
	}
	seen, all := r.Seen()
	p.Line("coverage: %s: seen %d of %d (a policy that decides, a condition that is true, one that is false)",
		r.Percent(), seen, all)
}

// Percent is the coverage for people, rounded down so that only full coverage is 100 %.
func (r *Report) Percent() string {
	seen, all := r.Seen()
	if all == 0 { // nothing was there to see, or could be read
		return "0%"
	}
	tenths := seen * 1000 / all
	return strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0") + "%"
}

// Covers reports whether the coverage is at least a number of per cent.
func (r *Report) Covers(percent float64) bool {
	seen, all := r.Seen()
	return all > 0 && float64(seen)*100 >= percent*float64(all)
}

// places finds the clauses in the files of the policies, by file and policy.
type places map[string]map[string]*syntax.Policy

// of returns where a clause begins; where its policy does if the file is not at hand.
func (ps places) of(c *PolicyCoverage, clause int) (line, column int) {
	policies, known := ps[c.File]
	if !known {
		policies = make(map[string]*syntax.Policy)
		if text, err := os.ReadFile(c.File); err == nil {
			file, _ := syntax.Parse(c.File, text)
			for _, p := range file.Policies {
				id, _ := p.Annotation("id")
				policies[id] = p
			}
		}
		ps[c.File] = policies
	}
	if p := policies[c.ID]; p != nil && clause < len(p.Conditions) {
		start := p.Conditions[clause].Span.Start
		return start.Line, start.Column
	}
	return c.Line, c.Column
}
