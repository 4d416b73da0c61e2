package cedar

import (
	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// Rules describes the rules of the diagnostics of [Validate], of which all are errors but those for block comments.
func Rules() []diagnostic.Rule {
	rules := []diagnostic.Rule{
		{ID: syntax.RuleSyntax, Short: "Text that is not Cedar, or that implementations read differently."},
		{ID: syntax.RuleBlockComment, Short: "A comment between /* and */.", Severity: diagnostic.Warning},
		{ID: syntax.RuleUnaryRun, Short: "More than four ! or - in a row, or a mixture of them."},
		{ID: syntax.RuleSpace, Short: "White space that is not ASCII."},
		{ID: syntax.RuleActionType, Short: "The action in a scope is not of the type Action."},
		{ID: "no-files", Short: "A directory without policies."},
		{ID: "empty-file", Short: "A file without a policy."},
		{ID: "missing-id", Short: "A policy without @id."},
		{ID: "bad-id", Short: "An @id that records and metrics cannot have."},
		{ID: "duplicate-id", Short: "Two policies with one @id."},
		{ID: "reason", Short: "A @reason that callers cannot be told."},
		{ID: "single-use", Short: "A @single_use without effect."},
		{ID: "impossible-id", Short: "The id of an entity that no request can have."},
		{ID: "unknown-action", Short: "An action that does not exist."},
		{ID: "unknown-type", Short: "A type of entities that does not exist."},
		{ID: "unknown-attribute", Short: "An attribute that does not exist."},
		{ID: "optional-attribute", Short: "An optional attribute that is not tested first."},
		{ID: "tag-access", Short: "A tag that is not tested first."},
		{ID: "no-applicable-action", Short: "A scope that no request can match."},
		{ID: "empty-set", Short: "A set without elements, whose type nobody knows."},
		{ID: "type", Short: "A value whose type does not fit where it is used."},
		{ID: "function", Short: "A function that does not exist, or is called with what it does not take."},
		{ID: "schema", Short: "A policy that does not conform to the schema."},
		{ID: "entities", Short: "A mistake in the file of entities."},
		{ID: "tools", Short: "A mistake in a file with pinned tools."},
		{ID: "unknown-server", Short: "A server that is not configured."},
		{ID: "unknown-tool", Short: "A tool that is not pinned."},
		{ID: "unreadable", Short: "A file that cannot be read."},
	}
	for i := range rules {
		if rules[i].Severity == "" {
			rules[i].Severity = diagnostic.Error
		}
	}
	return rules
}
