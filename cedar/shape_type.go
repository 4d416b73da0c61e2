package cedar

import (
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
)

// schemaType is the Cedar type of the values that convert returns.
func (s *shape) schemaType() ast.IsType {
	switch s.kind {
	case shapeString:
		return ast.String()
	case shapeLong:
		return ast.Long()
	case shapeBool:
		return ast.Bool()
	case shapeDecimal:
		return ast.Decimal()
	case shapeSet:
		return ast.Set(s.element.schemaType())
	case shapeMap:
		return ast.EntityType(mapTypes[s.element.kind])
	case shapeChoice:
		record := make(ast.RecordType, len(s.choices))
		for _, choice := range s.choices {
			record[choiceNames[choice.kind]] = ast.Attribute{Type: choice.schemaType(), Optional: true}
		}
		return record
	default:
		record := make(ast.RecordType, len(s.fields))
		for name, f := range s.fields {
			record[types.String(name)] = ast.Attribute{Type: f.shape.schemaType(), Optional: !f.required}
		}
		return record
	}
}

// visit calls f for every member of s with the path to it, in order. The elements of a list are at "*", and the
// alternatives of a choice at its own path.
func (s *shape) visit(path string, f func(path string, member field)) {
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		below := path + "/" + pointerEscape.Replace(name)
		f(below, s.fields[name])
		s.fields[name].shape.visit(below, f)
	}
	for _, choice := range s.choices {
		choice.visit(path, f)
	}
	if s.kind == shapeSet {
		s.element.visit(path+"/*", f)
	}
}

// omitted returns what was left out of s and why.
func (s *shape) omitted(path string) []LeftOut {
	var all []LeftOut
	for _, name := range slices.Sorted(maps.Keys(s.left)) {
		all = append(all, LeftOut{path + "/" + pointerEscape.Replace(name), s.left[name]})
	}
	if s.others != "" {
		all = append(all, LeftOut{path + "/*", s.others})
	}
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		all = append(all, s.fields[name].shape.omitted(path+"/"+pointerEscape.Replace(name))...)
	}
	for _, choice := range s.choices {
		all = append(all, choice.omitted(path)...)
	}
	if s.kind == shapeSet {
		all = append(all, s.element.omitted(path+"/*")...)
	}
	return all
}

// allowed returns the only values that a string or integer can have, as JSON, sorted; nil for any.
func (s *shape) allowed() []string {
	var all []string
	for c := range s.constants {
		all = append(all, jsonOf(c))
	}
	slices.Sort(all)
	return all
}
