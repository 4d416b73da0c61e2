package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// cedar-go's validator is not quite that of the reference implementation. Policies are rewritten, for validation only, so
// that it says the same.

// rewritten returns the policy with rewrite applied to everything in its conditions that stands where a Bool may stand. It
// returns the same policy if nothing is to be rewritten.
func rewritten(body *ast.Policy, rewrite func(ast.IsNode) (ast.IsNode, bool)) *ast.Policy {
	r := rewriter{rewrite: rewrite}
	conditions := slices.Clone(body.Conditions)
	for i := range conditions {
		conditions[i].Body = r.node(conditions[i].Body)
	}
	if !r.changed {
		return body
	}
	copied := *body
	copied.Conditions = conditions
	return &copied
}

type rewriter struct {
	rewrite func(ast.IsNode) (ast.IsNode, bool)
	changed bool
}

func (r *rewriter) node(n ast.IsNode) ast.IsNode {
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		return ast.NodeTypeAnd{BinaryNode: ast.BinaryNode{Left: r.node(n.Left), Right: r.node(n.Right)}}
	case ast.NodeTypeOr:
		return ast.NodeTypeOr{BinaryNode: ast.BinaryNode{Left: r.node(n.Left), Right: r.node(n.Right)}}
	case ast.NodeTypeNot:
		return ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: r.node(n.Arg)}}
	case ast.NodeTypeIfThenElse:
		return ast.NodeTypeIfThenElse{If: r.node(n.If), Then: r.node(n.Then), Else: r.node(n.Else)}
	case ast.NodeTypeIsEmpty:
		return ast.NodeTypeIsEmpty{UnaryNode: ast.UnaryNode{Arg: r.node(n.Arg)}}
	case ast.NodeTypeSet:
		elements := make([]ast.IsNode, len(n.Elements))
		for i, e := range n.Elements {
			elements[i] = r.node(e)
		}
		return ast.NodeTypeSet{Elements: elements}
	}
	if other, changed := r.rewrite(n); changed {
		r.changed = true
		return other
	}
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		return ast.NodeTypeEquals{BinaryNode: ast.BinaryNode{Left: r.node(n.Left), Right: r.node(n.Right)}}
	case ast.NodeTypeNotEquals:
		return ast.NodeTypeNotEquals{BinaryNode: ast.BinaryNode{Left: r.node(n.Left), Right: r.node(n.Right)}}
	case ast.NodeTypeContains:
		return ast.NodeTypeContains{BinaryNode: ast.BinaryNode{Left: r.node(n.Left), Right: r.node(n.Right)}}
	}
	return n
}

// foldAction turns `action == Action::"x"` into `action in Action::"x"` when nothing is in x, which means the same. The
// validator knows of `in` whether it holds for an action, so that what stands behind it is only typed for those, but not
// of `==`.
func (n *narrower) foldAction(node ast.IsNode) (ast.IsNode, bool) {
	var sides ast.BinaryNode
	not := false
	switch node := node.(type) {
	case ast.NodeTypeEquals:
		sides = node.BinaryNode
	case ast.NodeTypeNotEquals:
		sides, not = node.BinaryNode, true
	default:
		return node, false
	}
	for _, pair := range [][2]ast.IsNode{{sides.Left, sides.Right}, {sides.Right, sides.Left}} {
		variable, isVariable := pair[0].(ast.NodeTypeVariable)
		value, isValue := pair[1].(ast.NodeValue)
		if !isVariable || variable.Name != "action" || !isValue {
			continue
		}
		id, isEntity := value.Value.(types.EntityUID)
		if _, known := n.schema.Actions[id]; !isEntity || !known || slices.Contains(n.kept, id) {
			continue
		}
		var in ast.IsNode = ast.NodeTypeIn{BinaryNode: ast.BinaryNode{Left: pair[0], Right: pair[1]}}
		if not {
			in = ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: in}}
		}
		return in, true
	}
	return node, false
}

// compareAlike adds to a comparison a list of its sides, which the validator wants to be of one type. Of the comparison
// alone it lets pass that a time is compared with a number, which fails whenever it is evaluated.
func compareAlike(node ast.IsNode) (ast.IsNode, bool) {
	var sides ast.BinaryNode
	switch node := node.(type) {
	case ast.NodeTypeLessThan:
		sides = node.BinaryNode
	case ast.NodeTypeLessThanOrEqual:
		sides = node.BinaryNode
	case ast.NodeTypeGreaterThan:
		sides = node.BinaryNode
	case ast.NodeTypeGreaterThanOrEqual:
		sides = node.BinaryNode
	default:
		return node, false
	}
	list := ast.NodeTypeSet{Elements: []ast.IsNode{sides.Left, sides.Right}}
	return ast.NodeTypeAnd{BinaryNode: ast.BinaryNode{
		Left: node, Right: ast.NodeTypeIsEmpty{UnaryNode: ast.UnaryNode{Arg: list}},
	}}, true
}
