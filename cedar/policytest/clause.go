package policytest

import (
	"strings"

	"countersign.dev/cedar"
	"countersign.dev/cedar/syntax"
)

// maxClause bounds how much of a clause is shown, in runes.
const maxClause = 240

// because returns the first clause that kept a policy from applying, or why it could not be evaluated.
func because(c cedar.Candidate) string {
	if c.Outcome == cedar.Applies {
		return ""
	}
	for i, condition := range c.Conditions {
		if condition.Error == "" && condition.Holds != condition.Unless {
			continue
		}
		text := clauseText(c.Text, i)
		if condition.Error != "" {
			return text + " cannot be evaluated: " + condition.Error
		}
		if condition.Unless {
			return text + " is true"
		}
		return text + " is false"
	}
	return c.Error // a doubt about the request
}

// clauseText returns a clause of a policy on one line.
func clauseText(policy string, clause int) string {
	file, _ := syntax.Parse("", []byte(policy))
	if len(file.Policies) != 1 || clause >= len(file.Policies[0].Conditions) {
		return "a clause"
	}
	text := strings.Join(strings.Fields(file.Text(file.Policies[0].Conditions[clause].Span)), " ")
	if runes := []rune(text); len(runes) > maxClause {
		text = string(runes[:maxClause]) + "…"
	}
	return text
}
