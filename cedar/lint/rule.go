package lint

import (
	"slices"
	"strings"

	"countersign.dev/cedar/diagnostic"
)

// Rule is something that is looked for.
type Rule struct {
	// ID is the stable name, in lower case with hyphens.
	ID string
	// Severity is that of its findings unless the configuration says otherwise.
	Severity diagnostic.Severity
	// Off says that the rule is only applied when the configuration gives it a level.
	Off bool
	// World says that the rule needs to know the entities, servers and tools.
	World bool
	// Summary says in one sentence what it finds, and Why what is bad about that.
	Summary, Why string
	// Bad is an example with a finding, and Good one without.
	Bad, Good string
	// Fixable says that findings can have a fix, which makes Good of Bad.
	Fixable bool
	// Options are the members that the rule has in the configuration beside its level.
	Options []string

	policy func(*pass) // looks at one policy
	file   func(*pass) // looks at one file; pass.policy is nil
	set    func(*run)  // looks at all files together
}

// Rules returns all rules, sorted by id.
func Rules() []Rule {
	all := slices.Concat(syntaxRules(), identityRules(), scopeRules(), constantRules(), likeRules(), textRules(),
		errorRules(), trustRules(), duplicateRules(), worldRules(), ignoreRules())
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Documentation is the rule in Markdown.
func (r Rule) Documentation() string {
	return r.Summary + "\n\n" + r.Why + "\n\nBad:\n\n```cedar\n" + r.Bad + "```\n\nGood:\n\n```cedar\n" + r.Good + "```\n"
}

// Describe returns the rules as the report formats need them.
func Describe(rules []Rule) []diagnostic.Rule {
	described := make([]diagnostic.Rule, len(rules))
	for i, r := range rules {
		described[i] = diagnostic.Rule{ID: r.ID, Short: r.Summary, Help: r.Documentation(), Severity: r.Severity}
	}
	return described
}

// ids returns the ids of all rules, sorted.
func ids() []string {
	rules := Rules()
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.ID
	}
	return names
}
