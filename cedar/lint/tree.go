package lint

import (
	"strings"

	"countersign.dev/cedar/syntax"
)

// maxPath is the longest path of attributes that any rule knows.
const maxPath = 8

// inner is an expression without the parentheses around it.
func inner(e syntax.Expr) syntax.Expr {
	for {
		paren, ok := e.(*syntax.Paren)
		if !ok {
			return e
		}
		e = paren.Inner
	}
}

// pathOf is the expression as a path from a variable, such as context.delegation.depth; empty if it is none.
func pathOf(e syntax.Expr) string {
	var names []string
	for range maxPath {
		switch x := inner(e).(type) {
		case *syntax.Access:
			names = append(names, x.Name.Name)
			e = x.Arg
		case *syntax.Variable:
			text := x.Token.Text
			for i := len(names) - 1; i >= 0; i-- {
				text += "." + names[i]
			}
			return text
		default:
			return ""
		}
	}
	return ""
}

// under reports whether a path is that root or below it.
func under(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+".")
}

// expressions calls visit for every expression in the conditions of a policy, outer ones first.
func expressions(p *syntax.Policy, visit func(syntax.Expr)) {
	for _, c := range p.Conditions {
		syntax.Walk(c.Body, func(e syntax.Expr) bool {
			visit(e)
			return true
		})
	}
}

// entities calls visit for every entity that a policy names.
func entities(p *syntax.Policy, visit func(*syntax.EntityRef)) {
	for _, c := range p.Scope {
		for _, e := range c.Entities {
			visit(e)
		}
	}
	expressions(p, func(e syntax.Expr) {
		if ref, ok := e.(*syntax.EntityRef); ok {
			visit(ref)
		}
	})
}

// read is a path that a policy looks at.
type read struct {
	path string
	at   syntax.Expr
}

// reads returns the longest paths that the conditions look at, those behind has included.
func reads(p *syntax.Policy) []read {
	var all []read
	for _, c := range p.Conditions {
		syntax.Walk(c.Body, func(e syntax.Expr) bool {
			text := pathOf(e)
			if has, ok := e.(*syntax.Has); ok {
				if text = pathOf(has.Arg); text != "" {
					for _, name := range has.Path {
						text += "." + name.Name
					}
				}
			}
			if text != "" {
				all = append(all, read{text, e})
			}
			return text == ""
		})
	}
	return all
}

// operands returns what && (or ||) connects in an expression, in order. Parentheses do not matter.
func operands(e syntax.Expr, operator string) []syntax.Expr {
	var all []syntax.Expr
	todo := []syntax.Expr{e}
	for len(todo) > 0 {
		e, todo = inner(todo[len(todo)-1]), todo[:len(todo)-1]
		if b, ok := e.(*syntax.Binary); ok && b.Operator.Text == operator {
			todo = append(todo, b.Right, b.Left)
			continue
		}
		all = append(all, e)
	}
	return all
}

// required returns what must be true for a policy to apply: the operands of its when clauses.
func required(p *syntax.Policy) []syntax.Expr {
	var all []syntax.Expr
	for _, c := range p.Conditions {
		if c.Kind.Text == "when" {
			all = append(all, operands(c.Body, "&&")...)
		}
	}
	return all
}

// variable reports whether an expression is that variable.
func variable(e syntax.Expr, name string) bool {
	v, ok := inner(e).(*syntax.Variable)
	return ok && v.Token.Text == name
}

// named returns the entities that an expression is, or lists.
func named(e syntax.Expr) []*syntax.EntityRef {
	switch e := inner(e).(type) {
	case *syntax.EntityRef:
		return []*syntax.EntityRef{e}
	case *syntax.Set:
		var all []*syntax.EntityRef
		for _, element := range e.Elements {
			if ref, ok := inner(element).(*syntax.EntityRef); ok {
				all = append(all, ref)
			}
		}
		return all
	}
	return nil
}

// open reports whether a part of a scope lets every entity through that can stand there at all.
func open(c *syntax.Constraint) bool { return c.Operator == "" || c.Operator == "is" }
