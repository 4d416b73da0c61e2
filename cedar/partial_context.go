package cedar

import (
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// contextNode is context.a.b.
func contextNode(path ...types.String) ast.IsNode {
	var n ast.IsNode = ast.NodeTypeVariable{Name: "context"}
	for _, name := range path {
		n = ast.NodeTypeAccess{StrOpNode: ast.StrOpNode{Arg: n, Value: name}}
	}
	return n
}

// access is x.name. What is optional is guarded by a `has`: validation saw to that.
func (p *partial) access(n ast.NodeTypeAccess) term {
	if path := contextPath(n); path != nil && path[0] != "delegation" || len(path) == 2 {
		switch {
		case len(path) == 1 && path[0] == "method":
			return known(types.String("tools/call"))
		case len(path) == 2 && path[0] == "delegation" && path[1] == "subject":
			return p.subject
		case len(path) == 2 && path[0] == "arguments" && path[1] == "complete" && p.unfit:
			return known(types.False)
		}
		return open(n)
	}
	arg := p.eval(n.Arg)
	rest := ast.NodeTypeAccess{StrOpNode: ast.StrOpNode{Arg: arg.node, Value: n.Value}}
	switch id, isEntity := arg.value.(types.EntityUID); {
	case isEntity && id.Type == userType && p.subject.value == arg.value:
		return open(n, arg) // who vouches for the user is open
	case arg.value != nil:
		return p.concrete(rest, arg)
	case arg.who != nil:
		if v, same := arg.who.attributes.Get(n.Value); same && n.Value != "name" {
			return known(v)
		}
	}
	return open(rest, arg)
}

// has is `x has name`.
func (p *partial) has(n ast.NodeTypeHas) term {
	path := contextPath(n)
	switch {
	case len(path) == 1:
		return p.hasFact(path[0], n)
	case len(path) == 2 && path[0] != "input":
		switch member, exists := contextFacts[path[0]].members[path[1]]; {
		case !exists:
			return known(types.False)
		case !member.has(factSourceIP | factVersion | factTask | factPurpose):
			return known(types.True)
		}
		return open(n)
	case path != nil:
		return open(n)
	}
	arg := p.eval(n.Arg)
	rest := ast.NodeTypeHas{StrOpNode: ast.StrOpNode{Arg: arg.node, Value: n.Value}}
	if id, ok := arg.value.(types.EntityUID); arg.value == nil || ok && id.Type == userType {
		return open(rest, arg)
	}
	return p.concrete(rest, arg)
}

// hasFact is `context has name`.
func (p *partial) hasFact(name types.String, n ast.IsNode) term {
	switch name {
	case "now", "method", "request", "arguments":
		return known(types.True)
	case "input":
		return known(types.Boolean(p.pin != nil && !p.unfit))
	case "session":
		return open(n)
	case "delegation":
		if p.delegated || p.alone {
			return known(types.Boolean(p.delegated))
		}
		return open(n)
	}
	return known(types.False)
}
