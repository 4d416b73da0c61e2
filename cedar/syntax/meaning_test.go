package syntax_test

import (
	"strconv"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/syntax"
)

// meaning is a policy in cedar-go's terms.
func meaning(p *syntax.Policy) *ast.Policy {
	out := ast.Permit()
	if p.Effect.Text == "forbid" {
		out = ast.Forbid()
	}
	for _, a := range p.Annotations {
		out.Annotate(types.AnnotationKey(a.Name.Text), types.String(a.Unquoted))
	}
	out.Position = ast.Position{Offset: p.Span.Start.Offset, Line: p.Span.Start.Line, Column: p.Span.Start.Column}
	uids := func(c *syntax.Constraint) (uids []types.EntityUID) {
		for _, e := range c.Entities {
			uids = append(uids, uid(e))
		}
		return uids
	}
	switch c := p.Scope[0]; c.Operator {
	case "==":
		out.PrincipalEq(uid(c.Entities[0]))
	case "in":
		out.PrincipalIn(uid(c.Entities[0]))
	case "is":
		out.PrincipalIs(types.EntityType(c.Type.String()))
	case "is in":
		out.PrincipalIsIn(types.EntityType(c.Type.String()), uid(c.Entities[0]))
	}
	switch c := p.Scope[1]; {
	case c.List:
		out.ActionInSet(uids(c)...)
	case c.Operator == "==":
		out.ActionEq(uid(c.Entities[0]))
	case c.Operator == "in":
		out.ActionIn(uid(c.Entities[0]))
	}
	switch c := p.Scope[2]; c.Operator {
	case "==":
		out.ResourceEq(uid(c.Entities[0]))
	case "in":
		out.ResourceIn(uid(c.Entities[0]))
	case "is":
		out.ResourceIs(types.EntityType(c.Type.String()))
	case "is in":
		out.ResourceIsIn(types.EntityType(c.Type.String()), uid(c.Entities[0]))
	}
	for _, c := range p.Conditions {
		if c.Kind.Text == "when" {
			out.When(node(c.Body))
		} else {
			out.Unless(node(c.Body))
		}
	}
	return out
}

func uid(e *syntax.EntityRef) types.EntityUID {
	return types.NewEntityUID(types.EntityType(e.Type.String()), types.String(e.Unquoted))
}

// node is an expression in cedar-go's terms.
func node(e syntax.Expr) ast.Node {
	switch e := e.(type) {
	case *syntax.If:
		return ast.IfThenElse(node(e.Test), node(e.Then), node(e.Else))
	case *syntax.Binary:
		return binaries[e.Operator.Text](node(e.Left), node(e.Right))
	case *syntax.Unary:
		return unary(e)
	case *syntax.Has:
		return has(e)
	case *syntax.Like:
		return node(e.Arg).Like(pattern(e.Pattern.Text))
	case *syntax.Is:
		if e.In != nil {
			return node(e.Arg).IsIn(types.EntityType(e.Type.String()), node(e.In))
		}
		return node(e.Arg).Is(types.EntityType(e.Type.String()))
	case *syntax.Access:
		return node(e.Arg).Access(types.String(e.Name.Name))
	case *syntax.Call:
		return call(e)
	case *syntax.Variable:
		return map[string]func() ast.Node{
			"principal": ast.Principal, "action": ast.Action, "resource": ast.Resource, "context": ast.Context,
		}[e.Token.Text]()
	case *syntax.Literal:
		return literal(e)
	case *syntax.EntityRef:
		return ast.EntityUID(types.EntityType(e.Type.String()), types.String(e.Unquoted))
	case *syntax.Set:
		return ast.Set(nodes(e.Elements)...)
	case *syntax.Record:
		var pairs ast.Pairs
		for _, f := range e.Fields {
			pairs = append(pairs, ast.Pair{Key: types.String(f.Name.Name), Value: node(f.Value)})
		}
		return ast.Record(pairs)
	}
	return node(e.(*syntax.Paren).Inner)
}

func nodes(all []syntax.Expr) []ast.Node {
	var out []ast.Node
	for _, e := range all {
		out = append(out, node(e))
	}
	return out
}

var binaries = map[string]func(a, b ast.Node) ast.Node{
	"||": ast.Node.Or, "&&": ast.Node.And, "==": ast.Node.Equal, "!=": ast.Node.NotEqual,
	"<": ast.Node.LessThan, "<=": ast.Node.LessThanOrEqual, ">": ast.Node.GreaterThan, ">=": ast.Node.GreaterThanOrEqual,
	"in": ast.Node.In, "+": ast.Node.Add, "-": ast.Node.Subtract, "*": ast.Node.Multiply,
}

func unary(e *syntax.Unary) ast.Node {
	operators := e.Operators
	last := operators[len(operators)-1].Text
	var out ast.Node
	if l, ok := e.Arg.(*syntax.Literal); ok && last == "-" && l.Token.Kind == syntax.Number {
		n, _ := strconv.ParseInt("-"+l.Token.Text, 10, 64)
		out, operators = ast.Long(n), operators[:len(operators)-1]
	} else {
		out = node(e.Arg)
	}
	for i := len(operators) - 1; i >= 0; i-- {
		if operators[i].Text == "-" {
			out = ast.Negate(out)
		} else {
			out = ast.Not(out)
		}
	}
	return out
}

func has(e *syntax.Has) ast.Node {
	at := node(e.Arg)
	out := at.Has(types.String(e.Path[0].Name))
	for i, name := range e.Path[1:] {
		at = at.Access(types.String(e.Path[i].Name))
		out = out.And(at.Has(types.String(name.Name)))
	}
	return out
}

func literal(e *syntax.Literal) ast.Node {
	switch e.Token.Kind {
	case syntax.Keyword:
		return ast.Boolean(types.Boolean(e.Token.Text == "true"))
	case syntax.Number:
		n, _ := strconv.ParseInt(e.Token.Text, 10, 64)
		return ast.Long(n)
	}
	return ast.String(types.String(e.Unquoted))
}

func call(e *syntax.Call) ast.Node {
	name, args := e.Function.String(), nodes(e.Args)
	if e.Receiver == nil {
		return ast.ExtensionCall(types.Path(name), args...)
	}
	receiver := node(e.Receiver)
	switch name {
	case "contains":
		return receiver.Contains(args[0])
	case "containsAll":
		return receiver.ContainsAll(args[0])
	case "containsAny":
		return receiver.ContainsAny(args[0])
	case "isEmpty":
		return receiver.IsEmpty()
	case "hasTag":
		return receiver.HasTag(args[0])
	case "getTag":
		return receiver.GetTag(args[0])
	}
	return ast.NewMethodCall(receiver, types.Path(name), args...)
}

// pattern has cedar-go read a pattern.
func pattern(quoted string) types.Pattern {
	list, err := cedargo.NewPolicyListFromBytes("", []byte("permit(principal, action, resource) when { context.a like "+quoted+" };"))
	if err != nil {
		panic(err)
	}
	return (*ast.Policy)(list[0].AST()).Conditions[0].Body.(ast.NodeTypeLike).Value
}
