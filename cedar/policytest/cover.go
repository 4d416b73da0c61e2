package policytest

import (
	"slices"

	"countersign.dev/cedar"
)

// PolicyCoverage says what tests have seen of a policy.
type PolicyCoverage struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Decided is whether it was among the policies that decided a question.
	Decided bool `json:"decided"`
	// Conditions are its clauses, in order.
	Conditions []ConditionCoverage `json:"conditions,omitempty"`
}

// ConditionCoverage says whether a clause was seen true and seen false.
type ConditionCoverage struct {
	Unless bool `json:"unless"`
	True   bool `json:"true"`
	False  bool `json:"false"`
}

// Seen counts what was seen of the policy, and what there is to see: that it decides, and each condition either way.
func (c *PolicyCoverage) Seen() (seen, all int) {
	if c.Decided {
		seen++
	}
	for _, condition := range c.Conditions {
		if condition.True {
			seen++
		}
		if condition.False {
			seen++
		}
	}
	return seen, 1 + 2*len(c.Conditions)
}

// Seen counts what was seen of all policies, and what there is to see.
func (r *Report) Seen() (seen, all int) {
	for i := range r.Coverage {
		s, a := r.Coverage[i].Seen()
		seen, all = seen+s, all+a
	}
	return seen, all
}

// cover collects what the answers show of the policies.
type cover struct {
	policies []PolicyCoverage
	position map[string]int // by id
}

func newCover(s *cedar.Snapshot) *cover {
	c := &cover{position: make(map[string]int)}
	for i, statement := range s.Statements() {
		p := PolicyCoverage{ID: statement.ID, File: statement.File, Line: statement.Line, Column: statement.Column}
		for _, unless := range statement.Unless {
			p.Conditions = append(p.Conditions, ConditionCoverage{Unless: unless})
		}
		c.policies = append(c.policies, p)
		c.position[statement.ID] = i
	}
	return c
}

// note takes an answer.
func (c *cover) note(t *cedar.Trace) {
	for _, candidate := range t.Candidates {
		p := &c.policies[c.position[candidate.ID]]
		p.Decided = p.Decided || slices.Contains(t.Verdict.PolicyIDs, candidate.ID)
		for i, condition := range candidate.Conditions {
			if condition.Error == "" && i < len(p.Conditions) {
				p.Conditions[i].True = p.Conditions[i].True || condition.Holds
				p.Conditions[i].False = p.Conditions[i].False || !condition.Holds
			}
		}
	}
}
