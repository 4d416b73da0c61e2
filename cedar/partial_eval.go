package cedar

import (
	"cmp"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// outcomes is what an expression may come to.
type outcomes uint8

const (
	yes   outcomes = 1 << iota // true, or any value that is not a Boolean
	no                         // false, likewise
	fails                      // no value
)

// term is an expression as far as it is known. Policies were validated, so that only overflow, and entities that some
// requests do not have, can make one fail.
type term struct {
	node  ast.IsNode  // what is left of it
	value types.Value // nil while it is not known
	who   *unknown    // what is known of an entity; nil for nothing
	may   outcomes
}

func known(v types.Value) term {
	t := term{node: valueNode(v), value: v, may: yes | no}
	if truth, ok := v.(types.Boolean); ok {
		if t.may = no; truth {
			t.may = yes
		}
	}
	return t
}

// valueNode is a value as an expression. cedar-go writes sets in the order of their hashes: here they are sorted.
func valueNode(v types.Value) ast.IsNode {
	set, ok := v.(types.Set)
	if !ok {
		return ast.NodeValue{Value: v}
	}
	elements := slices.SortedFunc(set.All(), func(a, b types.Value) int { return cmp.Compare(valueText(a), valueText(b)) })
	nodes := make([]ast.IsNode, len(elements))
	for i, e := range elements {
		nodes[i] = valueNode(e)
	}
	return ast.NodeTypeSet{Elements: nodes}
}

func open(n ast.IsNode, parts ...term) term {
	t := term{node: n, may: yes | no}
	for _, part := range parts {
		if part.may == fails {
			return term{node: n, may: fails}
		}
		t.may |= part.may & fails
	}
	return t
}

// eval evaluates an expression as far as that is possible.
func (p *partial) eval(n ast.IsNode) term {
	switch n := n.(type) {
	case ast.NodeValue:
		return known(n.Value)
	case ast.NodeTypeVariable:
		switch n.Name {
		case "principal":
			return p.principal
		case "action":
			return known(p.action())
		case "resource":
			return p.resource
		}
		return open(n)
	case ast.NodeTypeAnd:
		return p.and(p.eval(n.Left), func() term { return p.eval(n.Right) })
	case ast.NodeTypeOr:
		return p.or(p.eval(n.Left), func() term { return p.eval(n.Right) })
	case ast.NodeTypeNot:
		return not(p.eval(n.Arg))
	case ast.NodeTypeIfThenElse:
		return p.choose(n)
	case ast.NodeTypeAccess:
		return p.access(n)
	case ast.NodeTypeHas:
		return p.has(n)
	case ast.NodeTypeEquals:
		return p.equal(n.BinaryNode)
	case ast.NodeTypeNotEquals:
		return not(p.equal(n.BinaryNode))
	case ast.NodeTypeIn:
		return p.in(n)
	case ast.NodeTypeIs:
		return p.is(n)
	case ast.NodeTypeIsIn:
		return p.and(p.is(n.NodeTypeIs), func() term {
			return p.in(ast.NodeTypeIn{BinaryNode: ast.BinaryNode{Left: n.Left, Right: n.Entity}})
		})
	}
	return p.apply(n)
}

// and is a && b.
func (p *partial) and(a term, more func() term) term {
	switch {
	case a.value == types.True:
		return more()
	case a.value == types.False, a.may == fails:
		return a
	}
	b := more()
	t := term{node: and(a.node, b.node)}
	if a.may&yes != 0 {
		t.may = b.may
	}
	t.may |= a.may & (no | fails)
	if t.may == no {
		return known(types.False)
	}
	return t
}

// or is a || b.
func (p *partial) or(a term, more func() term) term {
	switch {
	case a.value == types.False:
		return more()
	case a.value == types.True, a.may == fails:
		return a
	}
	b := more()
	t := term{node: or(a.node, b.node), may: a.may & (yes | fails)}
	if b.value == types.False {
		t.node = a.node
	}
	if a.may&no != 0 {
		t.may |= b.may
	}
	if t.may == yes {
		return known(types.True)
	}
	return t
}

// not is !a.
func not(a term) term {
	if truth, ok := a.value.(types.Boolean); ok {
		return known(!truth)
	}
	t := term{node: negate(a.node), may: a.may & fails}
	if a.may&yes != 0 {
		t.may |= no
	}
	if a.may&no != 0 {
		t.may |= yes
	}
	return t
}

func (p *partial) choose(n ast.NodeTypeIfThenElse) term {
	test := p.eval(n.If)
	switch {
	case test.value == types.True:
		return p.eval(n.Then)
	case test.value == types.False:
		return p.eval(n.Else)
	case test.may == fails:
		return test
	}
	then, otherwise := p.eval(n.Then), p.eval(n.Else)
	t := term{node: ast.NodeTypeIfThenElse{If: test.node, Then: then.node, Else: otherwise.node}, may: test.may & fails}
	if test.may&yes != 0 {
		t.may |= then.may
	}
	if test.may&no != 0 {
		t.may |= otherwise.may
	}
	return t
}

func (p *partial) equal(n ast.BinaryNode) term {
	left, right := p.eval(n.Left), p.eval(n.Right)
	rest := ast.NodeTypeEquals{BinaryNode: ast.BinaryNode{Left: left.node, Right: right.node}}
	if left.value != nil && right.value != nil {
		return p.concrete(rest, left, right)
	}
	for _, sides := range [][2]term{{left, right}, {right, left}} {
		if id, ok := sides[1].value.(types.EntityUID); ok && sides[0].who != nil && sides[0].who.is(id) == never {
			return known(types.False)
		}
	}
	return open(rest, left, right)
}

func (p *partial) in(n ast.NodeTypeIn) term {
	left, right := p.eval(n.Left), p.eval(n.Right)
	rest := ast.NodeTypeIn{BinaryNode: ast.BinaryNode{Left: left.node, Right: right.node}}
	if left.value != nil && right.value != nil {
		return p.concrete(rest, left, right)
	}
	if left.who != nil && right.value != nil {
		var above []types.EntityUID
		switch v := right.value.(type) {
		case types.EntityUID:
			above = []types.EntityUID{v}
		case types.Set:
			for e := range v.All() {
				if id, ok := e.(types.EntityUID); ok {
					above = append(above, id)
				}
			}
		}
		best := never
		for _, id := range above {
			best = max(best, left.who.in(id))
		}
		switch best {
		case always:
			return known(types.True)
		case never:
			return known(types.False)
		}
	}
	return open(rest, left, right)
}

func (p *partial) is(n ast.NodeTypeIs) term {
	left := p.eval(n.Left)
	rest := ast.NodeTypeIs{Left: left.node, EntityType: n.EntityType}
	switch {
	case left.who != nil:
		return known(types.Boolean(left.who.kind == n.EntityType))
	case left.value != nil:
		return p.concrete(rest, left)
	}
	return open(rest, left)
}

// concrete evaluates an expression of which all parts are known. It is not known after all if it looks up an entity
// that only some requests have.
func (p *partial) concrete(n ast.IsNode, parts ...term) term {
	p.uncertain = false
	v, err := eval.Eval(n, eval.Env{Entities: p, Principal: types.EntityUID{}, Action: types.EntityUID{}, Resource: types.EntityUID{}, Context: types.Record{}})
	switch {
	case p.uncertain:
		t := open(n, parts...)
		switch n.(type) {
		case ast.NodeTypeAccess, ast.NodeTypeGetTag:
			t.may |= fails
		}
		return t
	case err != nil:
		return term{node: n, may: fails}
	}
	t := known(v)
	if literal, ok := n.(ast.NodeTypeSet); ok {
		t.node = literal // in the order of the author
	}
	return t
}

// safe are the extension functions that cannot fail once their arguments have the right types.
var safe = []types.Path{
	"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual", "isIpv4", "isIpv6", "isLoopback", "isMulticast",
	"isInRange", "toTime", "toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays",
}

// apply evaluates all that looks at its parts alone.
func (p *partial) apply(n ast.IsNode) term {
	rest, parts := p.parts(n)
	if !slices.ContainsFunc(parts, func(t term) bool { return t.value == nil }) {
		return p.concrete(rest, parts...)
	}
	t := open(rest, parts...)
	switch n := n.(type) {
	case ast.NodeTypeAdd, ast.NodeTypeSub, ast.NodeTypeMult, ast.NodeTypeNegate: // overflow
		t.may |= fails
	case ast.NodeTypeExtensionCall:
		if !slices.Contains(safe, n.Name) {
			t.may |= fails
		}
	}
	return t
}

// parts evaluates the parts of an expression, and puts what is left of them in their places.
func (p *partial) parts(n ast.IsNode) (ast.IsNode, []term) {
	two := func(b ast.BinaryNode) (ast.BinaryNode, []term) {
		left, right := p.eval(b.Left), p.eval(b.Right)
		return ast.BinaryNode{Left: left.node, Right: right.node}, []term{left, right}
	}
	one := func(arg ast.IsNode) (ast.UnaryNode, []term) {
		t := p.eval(arg)
		return ast.UnaryNode{Arg: t.node}, []term{t}
	}
	several := func(nodes []ast.IsNode) ([]ast.IsNode, []term) {
		rest, parts := make([]ast.IsNode, len(nodes)), make([]term, len(nodes))
		for i := range nodes {
			parts[i] = p.eval(nodes[i])
			rest[i] = parts[i].node
		}
		return rest, parts
	}
	var parts []term
	switch n := n.(type) {
	case ast.NodeTypeLessThan:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeLessThanOrEqual:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeGreaterThan:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeGreaterThanOrEqual:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeAdd:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeSub:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeMult:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeContains:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeContainsAll:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeContainsAny:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeHasTag:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeGetTag:
		n.BinaryNode, parts = two(n.BinaryNode)
		return n, parts
	case ast.NodeTypeNegate:
		n.UnaryNode, parts = one(n.Arg)
		return n, parts
	case ast.NodeTypeIsEmpty:
		n.UnaryNode, parts = one(n.Arg)
		return n, parts
	case ast.NodeTypeLike:
		t := p.eval(n.Arg)
		n.Arg = t.node
		return n, []term{t}
	case ast.NodeTypeSet:
		n.Elements, parts = several(n.Elements)
		return n, parts
	case ast.NodeTypeExtensionCall:
		n.Args, parts = several(n.Args)
		return n, parts
	case ast.NodeTypeRecord:
		rest := make([]ast.RecordElementNode, len(n.Elements))
		for i, e := range n.Elements {
			t := p.eval(e.Value)
			rest[i], parts = ast.RecordElementNode{Key: e.Key, Value: t.node}, append(parts, t)
		}
		return ast.NodeTypeRecord{Elements: rest}, parts
	}
	return n, []term{{node: n, may: yes | no | fails}}
}
