package lint

import (
	"slices"
	"strings"

	"countersign.dev/cedar/syntax"
)

// maxAlone bounds the forbids that each permit is compared with.
const maxAlone = 100

// actsAlone reports whether a forbid of the set refuses everything that a permit is about when there is a delegation. Then
// the permit is about calls on nobody's behalf, and needs not ask.
func (r *run) actsAlone(p *syntax.Policy) bool {
	if r.alone == nil {
		r.alone = []*syntax.Policy{}
		for _, f := range r.files {
			for _, policy := range f.Policies {
				if len(r.alone) < maxAlone && forbidsDelegations(policy) {
					r.alone = append(r.alone, policy)
				}
			}
		}
	}
	return slices.ContainsFunc(r.alone, func(forbid *syntax.Policy) bool { return coversScope(forbid, p) })
}

// forbidsDelegations reports whether a policy is a forbid whose only condition is that there is a delegation.
func forbidsDelegations(p *syntax.Policy) bool {
	if p.Effect.Text != "forbid" || len(p.Conditions) != 1 || p.Conditions[0].Kind.Text != "when" {
		return false
	}
	has, ok := inner(p.Conditions[0].Body).(*syntax.Has)
	return ok && variable(has.Arg, "context") && len(has.Path) == 1 && has.Path[0].Name == "delegation"
}

// coversScope reports whether the scope of one policy is seen to hold wherever that of another does.
func coversScope(wide, narrow *syntax.Policy) bool {
	return coversConstraint(wide.Scope[0], narrow.Scope[0], belowWorkload) &&
		coversConstraint(wide.Scope[1], narrow.Scope[1], belowAction) &&
		(coversConstraint(wide.Scope[2], narrow.Scope[2], belowServer) || coversCalls(wide.Scope[2], narrow.Scope[1]))
}

// coversConstraint compares one part of two scopes. Below reports whether an entity is in another one.
func coversConstraint(wide, narrow *syntax.Constraint, below func(e, above *syntax.EntityRef) bool) bool {
	if wide.Operator == "" {
		return true
	}
	if wide.Type != nil || len(narrow.Entities) == 0 {
		return false // what a type says is not followed
	}
	for _, e := range narrow.Entities {
		if !slices.ContainsFunc(wide.Entities, func(above *syntax.EntityRef) bool {
			same := e.Type.String() == above.Type.String() && e.Unquoted == above.Unquoted
			if wide.Operator == "==" {
				return same && narrow.Operator == "=="
			}
			return same || below(e, above)
		}) {
			return false
		}
	}
	return true
}

func belowWorkload(e, above *syntax.EntityRef) bool {
	if kind := e.Type.String(); kind != "Workload" && kind != "SpiffePath" {
		return false
	}
	switch above.Type.String() {
	case "SpiffePath":
		return e.Unquoted == above.Unquoted || strings.HasPrefix(e.Unquoted, above.Unquoted+"/")
	case "TrustDomain":
		return strings.HasPrefix(e.Unquoted, "spiffe://"+above.Unquoted+"/")
	}
	return false
}

// belowAction knows the groups that things which change data are in, from the schema of the server.
func belowAction(e, above *syntax.EntityRef) bool {
	switch above.Unquoted {
	case "any":
		return e.Unquoted != "delegate" && e.Unquoted != "revoke"
	case "write":
		return slices.Contains(writes[2:], e.Unquoted) || strings.HasPrefix(e.Unquoted, callOf)
	case "call_tool":
		return strings.HasPrefix(e.Unquoted, callOf)
	}
	return false
}

// callOf is how the actions of pinned tools begin.
const callOf = "call_tool:"

func belowServer(e, above *syntax.EntityRef) bool {
	return e.Type.String() == "Tool" && above.Type.String() == "Server" && strings.HasPrefix(e.Unquoted, above.Unquoted+"/")
}

// coversCalls reports whether a resource constraint holds for all calls of the tools that an action constraint names.
func coversCalls(wide, action *syntax.Constraint) bool {
	if wide.Type != nil || len(action.Entities) == 0 {
		return false
	}
	for _, e := range action.Entities {
		tool, ok := strings.CutPrefix(e.Unquoted, callOf)
		if !ok || !slices.ContainsFunc(wide.Entities, func(above *syntax.EntityRef) bool {
			switch above.Type.String() {
			case "Tool":
				return above.Unquoted == tool
			case "Server":
				return wide.Operator == "in" && strings.HasPrefix(tool, above.Unquoted+"/")
			}
			return false
		}) {
			return false
		}
	}
	return true
}
