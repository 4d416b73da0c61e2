package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"countersign.dev/cedar/scenario"
)

// mapping is a YAML mapping by name. Its values keep their places, so that what is wrong with a case is reported where it
// was written, be it in the defaults.
type mapping struct {
	at     ast.Node
	names  []string // in order
	values map[string]*ast.MappingValueNode
}

// readMapping returns a node as a mapping; false when it is something else.
func readMapping(node ast.Node) (*mapping, bool) {
	m := &mapping{at: node, values: make(map[string]*ast.MappingValueNode)}
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			m.put(v.Key.GetToken().Value, v)
		}
	case *ast.MappingValueNode:
		m.put(n.Key.GetToken().Value, n)
	default:
		return nil, false
	}
	return m, true
}

func (m *mapping) put(name string, value *ast.MappingValueNode) {
	if _, known := m.values[name]; !known {
		m.names = append(m.names, name)
	}
	m.values[name] = value
}

// take removes a member and returns its value, nil for none.
func (m *mapping) take(name string) ast.Node {
	value, ok := m.values[name]
	if !ok {
		return nil
	}
	delete(m.values, name)
	m.names = slices.DeleteFunc(m.names, func(n string) bool { return n == name })
	return value.Value
}

func (m *mapping) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return m.values[name] != nil })
}

// node returns the mapping as YAML.
func (m *mapping) node() *ast.MappingNode {
	values := make([]*ast.MappingValueNode, len(m.names))
	for i, name := range m.names {
		values[i] = m.values[name]
	}
	return ast.Mapping(m.at.GetToken(), true, values...)
}

// decode reads the mapping into a value, of whose members every one must be known. It returns what is wrong with each member.
func (m *mapping) decode(into any) []error {
	err := scenario.Decode(m.node(), into)
	if err == nil {
		return nil
	}
	var all []error
	for _, name := range m.names {
		one := &mapping{at: m.at, values: make(map[string]*ast.MappingValueNode)}
		one.put(name, m.values[name])
		if err := scenario.Decode(one.node(), into); err != nil {
			all = append(all, err)
		}
	}
	if all == nil { // only together
		all = []error{err}
	}
	return all
}

// over returns the members of m and, where it has none, those of base. With deep, members that are mappings in both are
// merged in the same way.
func (m *mapping) over(base *mapping, deep func(name string) bool) *mapping {
	merged := &mapping{at: m.at, values: make(map[string]*ast.MappingValueNode)}
	for _, name := range base.names {
		merged.put(name, base.values[name])
	}
	for _, name := range m.names {
		value := m.values[name]
		if below := base.values[name]; below != nil && deep(name) {
			inner, isMapping := readMapping(value.Value)
			under, both := readMapping(below.Value)
			if isMapping && both {
				value = ast.MappingValue(value.Start, value.Key, inner.over(under, deep).node())
			}
		}
		merged.put(name, value)
	}
	return merged
}

// nested returns the mapping that has a value at a path such as delegation.subject.
func nested(path string, value, at ast.Node) *mapping {
	name, rest, further := strings.Cut(path, ".")
	if further {
		value = nested(rest, value, at).node()
	}
	t := *at.GetToken()
	t.Type, t.Value, t.Origin = token.StringType, name, name
	m := &mapping{at: at, values: make(map[string]*ast.MappingValueNode)}
	m.put(name, ast.MappingValue(&t, ast.String(&t), value))
	return m
}

// find returns the node at a path such as delegation.actors[0], or the nearest one above it.
func (m *mapping) find(path string) ast.Node {
	name, rest, _ := strings.Cut(path, ".")
	name, _, _ = strings.Cut(name, "[")
	value := m.values[name]
	if value == nil {
		return m.at
	}
	if inner, ok := readMapping(value.Value); ok && rest != "" && inner.has(strings.Split(rest, ".")[0]) {
		return inner.find(rest)
	}
	return value.Value
}

// start returns where a node begins: the token of a mapping is its first colon.
func start(node ast.Node) *token.Position {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return n.Values[0].Key.GetToken().Position
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken().Position
	}
	return node.GetToken().Position
}

// problemAt says that something is wrong at a node.
func problemAt(node ast.Node, format string, args ...any) error {
	position := start(node)
	return &scenario.YAMLError{Line: position.Line, Column: position.Column, Message: fmt.Sprintf(format, args...)}
}
