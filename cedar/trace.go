package cedar

import "countersign.dev/authz"

// Trace is one question put to a snapshot, with everything that a policy could read, for tools that show how a verdict
// came about. It is for one goroutine.
type Trace struct {
	// Verdict is the answer that a request would get.
	Verdict authz.Verdict
	// Problem says why no policy was asked; empty when they were. Then there is nothing to evaluate.
	Problem string
	// Principal, Action and Resource are the question in Cedar's terms, such as Action::"call_tool:crm/lookup".
	Principal, Action, Resource string
	// Candidates are the policies that the verdict came from, in load order: those whose scope covers the question, and
	// those of which it is unknown whether it does.
	Candidates []Candidate
	// Unfit is the typed action that was not asked for, because the arguments do not fit the pinned schema of the tool;
	// empty otherwise.
	Unfit string
	// Misfits says what does not fit, one argument each.
	Misfits []string
	// Ambiguous says that the resource's URI can be read in more than one way, so that it is below no UriPath.
	Ambiguous bool

	snapshot *Snapshot
	asked    *question
	at       [axes]place
}

// Candidate is a policy that was evaluated.
type Candidate struct {
	ID     string
	Forbid bool
	// File, Line and Column are where it begins.
	File         string
	Line, Column int
	// Text is the policy as Cedar, without the author's comments and layout. It means the same.
	Text string
	// Outcome is what it came to.
	Outcome Outcome
	// Error says why it could not be evaluated.
	Error string
	// Conditions are its when and unless clauses in order, each evaluated on its own.
	Conditions []ConditionResult
}

// ConditionResult is what one clause came to.
type ConditionResult struct {
	Unless bool
	// Holds is whether the body is true: what a when clause asks for and an unless clause forbids.
	Holds bool
	// Error says why the body could not be evaluated; then Holds is false.
	Error string
}

// met reports whether the clause lets its policy apply.
func (c ConditionResult) met() bool { return c.Error == "" && c.Holds != c.Unless }

// Outcome is what a candidate came to.
type Outcome string

// The outcomes of a candidate.
const (
	Applies Outcome = "applies"
	NotMet  Outcome = "not met" // a condition does not hold
	Failed  Outcome = "failed"  // it could not be evaluated, or there is a doubt about the request
)

// Value is what an expression came to.
type Value struct {
	// Text is the value as Cedar; elements of sets and members of records are sorted.
	Text string
	// Boolean says that it is true or false, and True which.
	Boolean, True bool
}
