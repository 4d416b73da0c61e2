package cedar

import (
	"cmp"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
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
	byAction map[types.EntityUID]policies
	byURI    policies
}

func findDoubts(all policies) doubts {
	d := doubts{byAction: make(map[types.EntityUID]policies)}
	for _, p := range all {
		body := (*ast.Policy)(p.body.AST())
		named := conditionEntities(body)
		if p.body.Effect() == cedargo.Forbid {
			named = slices.Concat(named, scopeEntities(body.Action), scopeEntities(body.Resource))
		}
		slices.SortFunc(named, compareUID)
		uriDone := false
		for _, id := range slices.Compact(named) {
			switch {
			case id.Type == actionType:
				d.byAction[id] = append(d.byAction[id], p.scopeOnly(ast.ScopeTypeAll{}, body.Resource))
			case id.Type == uriPathType && !uriDone:
				uriDone = true
				resource := body.Resource
				if slices.ContainsFunc(scopeEntities(resource), func(id types.EntityUID) bool { return id.Type == uriPathType }) {
					resource = ast.ScopeTypeAll{}
				}
				d.byURI = append(d.byURI, p.scopeOnly(body.Action, resource))
			}
		}
	}
	return d
}

// scopeOnly returns a policy that applies whenever p might.
func (p policy) scopeOnly(action ast.IsActionScopeNode, resource ast.IsResourceScopeNode) policy {
	body := (*ast.Policy)(p.body.AST())
	return policy{id: p.id, body: cedargo.NewPolicyFromAST((*cedarast.Policy)(&ast.Policy{
		Effect: ast.EffectPermit, Principal: body.Principal, Action: action, Resource: resource, Position: body.Position,
	}))}
}

// about returns the policies that cannot be judged for q.
func (d doubts) about(q question) []cedargo.PolicyID {
	var ids []cedargo.PolicyID
	for _, candidates := range []struct {
		doubtful bool
		policies policies
	}{
		{q.unfit != (types.EntityUID{}), d.byAction[q.unfit]},
		{q.ambiguous, d.byURI},
	} {
		if !candidates.doubtful || len(candidates.policies) == 0 {
			continue
		}
		_, diagnostic := cedargo.Authorize(candidates.policies, q.entities, q.request)
		for _, r := range diagnostic.Reasons {
			ids = append(ids, r.PolicyID)
		}
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
