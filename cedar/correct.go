package cedar

import (
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// corrected returns the policy with the names in its scope that nobody knows replaced by what was likely meant. The
// validator does not look at conditions when it does not know what they are about; with the corrected scope their mistakes
// are found in the same run. It returns false if there is nothing to replace, or no idea what was meant.
func (x *explainer) corrected() (scope string, body *ast.Policy, ok bool) {
	c := correction{narrower: x.narrower}
	parts := make([]string, len(x.policy.Scope))
	for i, constraint := range x.policy.Scope {
		parts[i] = c.constraint(constraint)
	}
	if !c.changed || c.failed {
		return "", nil, false
	}
	scope = x.policy.Effect.Text + "(" + strings.Join(parts, ",") + ")"
	text := scope
	for _, condition := range x.policy.Conditions {
		text += x.tree.Text(condition.Span)
	}
	var p cedargo.Policy
	if err := p.UnmarshalCedar([]byte(text + ";")); err != nil {
		return "", nil, false
	}
	return scope, (*ast.Policy)(p.AST()), true
}

type correction struct {
	*narrower
	changed, failed bool
}

func (c *correction) constraint(s *syntax.Constraint) string {
	text := s.Variable.Text
	if s.Type != nil {
		text += " is " + c.kind(s.Type.String())
	}
	switch {
	case s.List:
		list := make([]string, len(s.Entities))
		for i, e := range s.Entities {
			list[i] = c.entity(e)
		}
		return text + " in [" + strings.Join(list, ",") + "]"
	case len(s.Entities) == 0:
		return text
	case s.Operator == "==":
		return text + " == " + c.entity(s.Entities[0])
	}
	return text + " in " + c.entity(s.Entities[0])
}

func (c *correction) kind(name string) string {
	if _, known := c.schema.Entities[types.EntityType(name)]; known || name == string(actionType) {
		return name
	}
	return c.replace(name, keys(c.schema.Entities))
}

func (c *correction) entity(e *syntax.EntityRef) string {
	kind, id := c.kind(e.Type.String()), e.Unquoted
	if _, known := c.schema.Actions[actionUID(id)]; kind == string(actionType) && !known {
		id = c.replace(id, c.actionNames())
	}
	return uid(types.EntityType(kind), id).String()
}

func (c *correction) replace(name string, known []string) string {
	candidates := diagnostic.Near(name, known)
	if len(candidates) == 0 {
		c.failed = true
		return name
	}
	c.changed = true
	return candidates[0]
}
