package cedar

import (
	"fmt"
	"maps"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/diagnostic"
)

// Statement describes a policy for tools that go through all of them.
type Statement struct {
	ID     string
	Forbid bool
	// File, Line and Column are where it begins.
	File         string
	Line, Column int
	// Unless has for each of its clauses, in order, whether it is an unless clause.
	Unless []bool
}

// Servers returns the names of the configured servers, sorted.
func (s *Snapshot) Servers() []string { return slices.Sorted(maps.Keys(s.pins)) }

// Unknown says what of a server and one of its tools is not configured, most likely because it is misspelt. It is empty when
// both are, when tools of the server are not pinned, and when no server is configured at all. An empty tool, and "*", are
// not looked at.
func (s *Snapshot) Unknown(server, tool string) string {
	pinned, configured := s.pins[server]
	switch {
	case len(s.pins) == 0:
	case !configured:
		return withHelp(fmt.Sprintf("no server %q is configured", server), server, s.Servers())
	case pinned == nil || tool == "" || tool == "*":
	case pinned[tool] == nil:
		return withHelp(fmt.Sprintf("server %q has no pinned tool %q", server, tool), tool, s.Tools(server))
	}
	return ""
}

func withHelp(text, word string, known []string) string {
	if help := diagnostic.DidYouMean(word, known); help != "" {
		return text + ": " + help
	}
	return text
}

// Statements returns all policies in load order.
func (s *Snapshot) Statements() []Statement {
	all := make([]Statement, len(s.policies))
	for i, p := range s.policies {
		place := p.body.Position()
		all[i] = Statement{
			ID: string(p.id), Forbid: p.body.Effect() == cedargo.Forbid,
			File: place.Filename, Line: place.Line, Column: place.Column,
		}
		for _, c := range (*ast.Policy)(p.body.AST()).Conditions {
			all[i].Unless = append(all[i].Unless, bool(c.Condition == ast.ConditionUnless))
		}
	}
	return all
}
