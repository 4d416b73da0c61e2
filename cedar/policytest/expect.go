package policytest

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"countersign.dev/authz"
)

// Decision is what becomes of a request.
type Decision string

// The decisions. Policy allows or denies.
const (
	Allow Decision = "allow"
	Deny  Decision = "deny"
	// Refused is what never gets as far as policy, because of its delegation.
	Refused Decision = "refused"
)

func decisionOf(allowed bool) Decision {
	if allowed {
		return Allow
	}
	return Deny
}

// Expectation is what should come of a request.
type Expectation struct {
	Decision Decision
	// Policies are those that decide; nil for any.
	Policies []string
	// Errors are the policies that cannot be evaluated, and Skipped those of them that do not count.
	Errors, Skipped []string
	// Reason is what the caller is told, and SingleUse whether the delegation is used up; nil for either.
	Reason    *string
	SingleUse *bool
}

// expectationMembers are the members of a case that are not its request.
var expectationMembers = []string{"name", "expect", "stranger", "unpinned", "policies", "errors", "skipped", "reason", "single_use"}

// answerMembers are those of them that are about the answer of policy.
var answerMembers = expectationMembers[4:]

// caseMembers are these members as they are written.
type caseMembers struct {
	Name      string   `yaml:"name"`
	Expect    string   `yaml:"expect"`
	Stranger  bool     `yaml:"stranger"`
	Unpinned  bool     `yaml:"unpinned"`
	Policies  []string `yaml:"policies"`
	Errors    []string `yaml:"errors"`
	Skipped   []string `yaml:"skipped"`
	Reason    *string  `yaml:"reason"`
	SingleUse *bool    `yaml:"single_use"`
}

// maxCaseName is the longest name of a case, in bytes.
const maxCaseName = 200

func (c *caseMembers) expectation(m *mapping) (Expectation, error) {
	e := Expectation{
		Decision: Decision(c.Expect), Policies: c.Policies, Errors: c.Errors, Skipped: c.Skipped,
		Reason: c.Reason, SingleUse: c.SingleUse,
	}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case strings.TrimSpace(c.Name) == "":
		return e, problemAt(m.at, "the case has no name")
	case len(c.Name) > maxCaseName || strings.ContainsFunc(c.Name, unprintable):
		return e, problemAt(m.find("name"), "a name is printable text of at most %d bytes", maxCaseName)
	case e.Decision != Allow && e.Decision != Deny && e.Decision != Refused:
		return e, problemAt(m.find("expect"), "expect is %q: write allow, deny or refused", c.Expect)
	case e.Decision == Refused && m.has(answerMembers...):
		return e, problemAt(m.at, "no policy is asked about what is refused before: leave out %s", strings.Join(answerMembers, ", "))
	case e.Decision == Allow && len(e.Errors) > 0:
		return e, problemAt(m.find("errors"), "a policy that cannot be evaluated denies: nothing is allowed with errors")
	case e.Decision == Allow && e.Policies != nil && len(e.Policies) == 0:
		return e, problemAt(m.find("policies"), "nothing is allowed without a policy that permits it")
	case e.Decision == Allow && e.Reason != nil && *e.Reason != "":
		return e, problemAt(m.find("reason"), "a caller is told the reason of a denial only")
	case e.Decision == Deny && e.SingleUse != nil && *e.SingleUse:
		return e, problemAt(m.find("single_use"), "what is denied uses nothing up")
	}
	return e, nil
}

// failures returns how a verdict differs from what was expected.
func (e *Expectation) failures(v authz.Verdict) []Difference {
	var all []Difference
	differ := func(what, want, got string) {
		if want != got {
			all = append(all, Difference{what, want, got})
		}
	}
	differ("decision", string(e.Decision), string(decisionOf(v.Allowed)))
	if e.Policies != nil {
		differ("policies", list(e.Policies), list(v.PolicyIDs))
	}
	differ("errors", list(e.Errors), list(v.Errors))
	differ("skipped", list(e.Skipped), list(v.Skipped))
	if e.Reason != nil {
		differ("reason", fmt.Sprintf("%q", *e.Reason), fmt.Sprintf("%q", v.Public))
	}
	if e.SingleUse != nil {
		differ("single use", fmt.Sprint(*e.SingleUse), fmt.Sprint(v.SingleUse))
	}
	return all
}

// list writes ids in order, each once.
func list(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(ids))), ", ")
}
