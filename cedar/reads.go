package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// reads is what the conditions of a policy can look at.
type reads struct {
	facts facts
	names []int32 // of arguments, in the numbers of argumentNames
}

// argumentNames gives every argument that some policy names a number.
type argumentNames map[string]int32

// findReads collects what the conditions of a policy can look at. It may find too much, never too little: what it does
// not understand reads everything.
func (names argumentNames) findReads(body *ast.Policy) reads {
	f := readFinder{names: names}
	for _, condition := range body.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), f.visit)
	}
	slices.Sort(f.found)
	return reads{f.facts, slices.Compact(f.found)}
}

type readFinder struct {
	names argumentNames
	facts facts
	found []int32
}

// visit looks at one expression, and reports whether to look at its parts.
func (f *readFinder) visit(n ast.IsNode) bool {
	switch n := n.(type) {
	case ast.NodeTypeVariable:
		if n.Name == "context" { // as a whole
			f.facts = everything
		}
	case ast.NodeTypeAccess:
		return f.member(n, n.StrOpNode, false)
	case ast.NodeTypeHas:
		return f.member(n, n.StrOpNode, true)
	case ast.NodeTypeHasTag:
		f.tag(n.Right)
	case ast.NodeTypeGetTag:
		f.tag(n.Right)
	}
	return true
}

// member looks at `x.name` and `x has name`.
func (f *readFinder) member(n ast.IsNode, last ast.StrOpNode, has bool) bool {
	path := contextPath(n)
	if path == nil {
		f.attribute(last.Value)
		return true
	}
	f.context(path, has)
	return false
}

// contextPath returns a, b, c for `context.a.b.c` and `context.a.b has c`, nil for everything else.
func contextPath(n ast.IsNode) []types.String {
	var path []types.String
	for {
		switch at := n.(type) {
		case ast.NodeTypeAccess:
			path, n = append(path, at.Value), at.Arg
		case ast.NodeTypeHas:
			path, n = append(path, at.Value), at.Arg
		case ast.NodeTypeVariable:
			if at.Name != "context" {
				return nil
			}
			slices.Reverse(path)
			return path
		default:
			return nil
		}
	}
}

// context notes that a path is read; with has, only whether its last member is there.
func (f *readFinder) context(path []types.String, has bool) {
	if path[0] == "input" {
		f.input(path[1:], has)
		return
	}
	top, known := contextFacts[path[0]]
	switch {
	case !known:
		f.facts = everything
		return
	case len(path) == 1 && has:
		f.facts |= top.self
		return
	case len(path) == 1:
		f.facts |= top.all()
		return
	case top.members == nil:
		f.facts = everything
		return
	}
	member, known := top.members[path[1]]
	if !known {
		member = everything
	}
	f.facts |= top.self | member
	for _, name := range path[2:] { // of an entity
		f.attribute(name)
	}
}

// input notes what is read of context.input.
func (f *readFinder) input(path []types.String, has bool) {
	f.facts |= factInput
	switch {
	case len(path) > 0:
		f.name(string(path[0]))
	case !has:
		f.facts |= factAllNames
	}
}

func (f *readFinder) tag(key ast.IsNode) {
	if v, ok := key.(ast.NodeValue); ok {
		if name, ok := v.Value.(types.String); ok {
			f.name(string(name))
			return
		}
	}
	f.facts |= factAllNames
}

func (f *readFinder) name(name string) {
	number, known := f.names[name]
	if !known {
		number = int32(len(f.names)) //nolint:gosec // fewer than bytes of policy files
		f.names[name] = number
	}
	f.found = append(f.found, number)
}

// attribute notes that an attribute of some entity is read.
func (f *readFinder) attribute(name types.String) {
	read, known := attributeFacts[name]
	if !known {
		read = factWorkload | factUser
	}
	f.facts |= read
}

// wanted is what all the policies together read that cover a request.
type wanted struct {
	facts facts
	known argumentNames
	names []uint64 // a bit for each number
}

func (w *wanted) add(r reads) {
	w.facts |= r.facts
	if len(r.names) > 0 && w.names == nil {
		w.names = make([]uint64, (len(w.known)+63)/64)
	}
	for _, number := range r.names {
		w.names[number/64] |= 1 << (number % 64)
	}
}

// argument reports whether the value of an argument is wanted.
func (w *wanted) argument(name string) bool {
	if w.facts.has(factAllNames) {
		return true
	}
	number, known := w.known[name]
	return known && w.names != nil && w.names[number/64]&(1<<(number%64)) != 0
}
