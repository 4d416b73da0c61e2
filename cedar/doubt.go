package cedar

import (
	"cmp"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// doubts knows the policies that cannot be judged for some requests, although Cedar would evaluate them without an
// error. Two facts about a request may be missing:
//
//   - the typed action, when the arguments do not fit the tool's pinned schema. A forbid for
//     Action::"call_tool:ledger/transfer" would not apply to an amount that is sent as a string.
//   - the URI prefixes, when the URI is ambiguous. A forbid for UriPath::"file:///etc" would not apply to
//     "file:///srv/../etc/passwd".
//
// A forbid that depends on the missing fact, and a permit whose conditions do ("unless"), would fail open. They count
// as policies that could not be evaluated, which denies. A permit that names the fact in its scope just does not apply.
type doubts struct {
	byAction *index // a policy is in it once for every action that it depends on
	byURI    *index
	policies policies
	numbers  *numbering
}

func findDoubts(all policies, numbers *numbering) doubts {
	var byAction, byURI []entry
	for i, p := range all {
		body := (*ast.Policy)(p.body.AST())
		named := conditionEntities(body)
		if p.body.Effect() == cedargo.Forbid {
			named = slices.Concat(named, scopeEntities(body.Action), scopeEntities(body.Resource))
		}
		slices.SortFunc(named, compareUID)
		own, uriDone := numbers.scope(body), false
		for _, id := range slices.Compact(named) {
			e := entry{own, int32(i)} //nolint:gosec // fewer than bytes of policy files
			switch {
			case id.Type == actionType:
				e.scope[actionAxis] = numbers.constraint(actionAxis, ast.ScopeTypeEq{Entity: id})
				byAction = append(byAction, e)
			case id.Type == uriPathType && !uriDone:
				uriDone = true
				if slices.ContainsFunc(scopeEntities(body.Resource), func(id types.EntityUID) bool { return id.Type == uriPathType }) {
					e.scope[resourceAxis] = constraint{}
				}
				byURI = append(byURI, e)
			}
		}
	}
	return doubts{newIndex(byAction), newIndex(byURI), all, numbers}
}

// about returns the policies that cannot be judged for q, which stands at the given places.
func (d *doubts) about(q *question, at *[axes]place) []cedargo.PolicyID {
	var found []int32
	if q.unfit != (types.EntityUID{}) {
		named := *at
		number := d.numbers.entities[actionAxis][q.unfit]
		named[actionAxis] = place{self: number}
		if number != 0 {
			found = d.byAction.find(&named)
		}
	}
	if q.ambiguous {
		found = append(found, d.byURI.find(at)...)
	}
	if len(found) == 0 {
		return nil
	}
	ids := make([]cedargo.PolicyID, len(found))
	for i, position := range found {
		ids[i] = d.policies[position].id
	}
	return ids
}

func compareUID(a, b types.EntityUID) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// conditionEntities returns the entities that the conditions name.
func conditionEntities(body *ast.Policy) []types.EntityUID {
	var ids []types.EntityUID
	for _, condition := range body.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), func(n ast.IsNode) bool {
			if v, ok := n.(ast.NodeValue); ok {
				if id, ok := v.Value.(types.EntityUID); ok {
					ids = append(ids, id)
				}
			}
			return true
		})
	}
	return ids
}

// scopeEntities returns the entities that one constraint of a scope names.
func scopeEntities(scope ast.IsScopeNode) []types.EntityUID {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return []types.EntityUID{s.Entity}
	case ast.ScopeTypeIn:
		return []types.EntityUID{s.Entity}
	case ast.ScopeTypeInSet:
		return slices.Clone(s.Entities)
	case ast.ScopeTypeIsIn:
		return []types.EntityUID{s.Entity}
	}
	return nil
}
