package authz

import "countersign.dev/authz/denial"

// Verdict is policy's answer. The zero value denies.
type Verdict struct {
	Allowed   bool
	Forbidden bool     // a forbid applied; otherwise a denial means that no permit did
	PolicyIDs []string // the deciding policies, sorted
	Errors    []string // policies that could not be evaluated, sorted; any of them denies
	Skipped   []string // permits that could not be evaluated and did not count, sorted; where so configured
	Public    string   // what a deciding forbid lets the caller know (@reason)
	SingleUse bool     // a permit that decided lets a delegation be used only once for the same request (@single_use)
	// Candidates is how many policies covered the question by their scope: what deciding it took.
	Candidates int
}

// Refusal turns a verdict into an error, nil if it allows. Policies that could not be evaluated deny even if others permit:
// an erring forbid must not fail open. Asked says for operators what no policy permits.
func (v Verdict) Refusal(asked string) error {
	switch {
	case len(v.Errors) > 0:
		return denial.New(denial.PolicyError, "policies %q could not be evaluated", v.Errors)
	case v.Allowed:
		return nil
	case v.Forbidden:
		return denial.New(denial.PolicyForbidden, "forbidden by %q", v.PolicyIDs)
	default:
		return denial.New(denial.PolicyNoPermit, "no policy permits %s", asked)
	}
}
