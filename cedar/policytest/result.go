package policytest

import "time"

// Report is what came of running tests.
type Report struct {
	Results  []Result         `json:"results"`
	Coverage []PolicyCoverage `json:"coverage"`
}

// Result is what came of one case, or of a file that could not be run.
type Result struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Name is the case; empty when it is about the file.
	Name   string `json:"name,omitempty"`
	Passed bool   `json:"passed"`
	// Broken says why there is no answer to compare: the case or the file is wrong.
	Broken string `json:"broken,omitempty"`
	// Note says why no policy took part, or the one for the typed action did not; empty when there is nothing to say.
	Note string `json:"note,omitempty"`
	// Differences are between what was expected and what came.
	Differences []Difference `json:"differences,omitempty"`
	// Question is what was asked, in Cedar's terms.
	Question *Question `json:"question,omitempty"`
	// Policies are those that the answer came from, with what they came to. Only of a case that failed.
	Policies []PolicyOutcome `json:"policies,omitempty"`
	// Duration is how long asking took.
	Duration time.Duration `json:"-"`
}

// Difference is one expectation that was not met.
type Difference struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Question is a question in Cedar's terms.
type Question struct {
	Principal string `json:"principal"`
	Action    string `json:"action"`
	Resource  string `json:"resource"`
}

// PolicyOutcome is what a policy came to whose scope covers the question.
type PolicyOutcome struct {
	ID     string `json:"id"`
	Forbid bool   `json:"forbid"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	// Outcome is applies, not met or failed.
	Outcome string `json:"outcome"`
	// Because is the clause that kept it from applying, or why it could not be evaluated.
	Because string `json:"because,omitempty"`
}

// Failed counts the results that did not pass.
func (r *Report) Failed() int {
	failed := 0
	for i := range r.Results {
		if !r.Results[i].Passed {
			failed++
		}
	}
	return failed
}

// Add takes in another report, of tests of other policies.
func (r *Report) Add(other *Report) {
	r.Results = append(r.Results, other.Results...)
	r.Coverage = append(r.Coverage, other.Coverage...)
}

// Broke adds a file that could not be run.
func (r *Report) Broke(file string, err error) {
	r.Results = append(r.Results, Result{File: file, Broken: err.Error()})
}
