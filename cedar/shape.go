package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"

	"countersign.dev/authz/mcp"
)

// shape is the part of a JSON Schema (2020-12) that has an exact counterpart in Cedar. The Cedar type and the
// conversion of values come from the same shape, so that a value which fits is always of the type policies were
// validated against.
type shape struct {
	kind     shapeKind
	nullable bool             // null stands for an absent member
	element  *shape           // of a set: string or long
	fields   map[string]field // of a record
	required int              // how many of them
}

type field struct {
	shape    *shape
	required bool
}

type shapeKind int

const (
	shapeString shapeKind = iota
	shapeLong
	shapeBool
	shapeDecimal
	shapeSet
	shapeRecord
)

// inputShape returns the shape of a tool's arguments. Members that Cedar cannot express are left out of it: policies
// cannot name them in context.input, and their values are not looked at.
func inputShape(schema mcp.Object) *shape { return recordShape(schema, 0) }

func recordShape(schema mcp.Object, depth int) *shape {
	s := &shape{kind: shapeRecord, fields: map[string]field{}}
	properties, _ := get[mcp.Object](schema, "properties")
	required, _ := get[mcp.Array](schema, "required")
	for name, property := range properties.All() {
		definition, ok := property.(mcp.Object)
		if !ok {
			continue
		}
		member := shapeOf(definition, depth+1)
		if member == nil {
			continue
		}
		f := field{member, !member.nullable && slices.Contains(required, mcp.Value(mcp.String(name)))}
		if s.fields[name] = f; f.required {
			s.required++
		}
	}
	return s
}

// shapeOf returns nil for what has no counterpart: unions, references, free-form objects, lists of lists.
func shapeOf(schema mcp.Object, depth int) *shape {
	if depth > mcp.MaxDepth {
		return nil
	}
	for _, union := range []string{"anyOf", "oneOf"} {
		if choices, ok := schema.Get(union); ok {
			return nullableShape(choices, depth)
		}
	}
	for _, unsupported := range []string{"$ref", "$dynamicRef", "allOf", "not", "if"} {
		if _, ok := schema.Get(unsupported); ok {
			return nil
		}
	}
	name, nullable := typeOf(schema)
	s := &shape{nullable: nullable}
	switch name {
	case "string":
		s.kind = shapeString
	case "integer":
		s.kind = shapeLong
	case "boolean":
		s.kind = shapeBool
	case "number":
		s.kind = shapeDecimal
	case "array":
		items, _ := get[mcp.Object](schema, "items")
		s.kind, s.element = shapeSet, shapeOf(items, depth+1)
		if _, tuple := schema.Get("prefixItems"); tuple || s.element == nil || s.element.nullable ||
			s.element.kind != shapeString && s.element.kind != shapeLong {
			return nil
		}
	case "object":
		record := recordShape(schema, depth)
		if len(record.fields) == 0 {
			return nil
		}
		s.kind, s.fields, s.required = shapeRecord, record.fields, record.required
	default:
		return nil
	}
	return s
}

// nullableShape reads the union of one type and null, which generators write for an optional member.
func nullableShape(choices mcp.Value, depth int) *shape {
	list, _ := choices.(mcp.Array)
	var found *shape
	null := false
	for _, choice := range list {
		definition, ok := choice.(mcp.Object)
		switch name, _ := get[mcp.String](definition, "type"); {
		case !ok || found != nil && name != "null":
			return nil
		case name == "null":
			null = true
		default:
			if found = shapeOf(definition, depth+1); found == nil {
				return nil
			}
		}
	}
	if found != nil && null {
		found.nullable = true
	}
	return found
}

// typeOf returns the one type that a schema allows besides null; that of its constants when it names none.
func typeOf(schema mcp.Object) (name string, nullable bool) {
	switch declared, _ := schema.Get("type"); declared := declared.(type) {
	case mcp.String:
		return string(declared), false
	case mcp.Array:
		for _, v := range declared {
			t, ok := v.(mcp.String)
			switch {
			case t == "null":
				nullable = true
			case !ok || name != "":
				return "", false
			default:
				name = string(t)
			}
		}
		return name, nullable
	}
	constants, _ := get[mcp.Array](schema, "enum")
	if constant, ok := schema.Get("const"); ok {
		constants = mcp.Array{constant}
	}
	for _, v := range constants {
		var t string
		switch v.(type) {
		case mcp.String:
			t = "string"
		case mcp.Int:
			t = "integer"
		case mcp.Bool:
			t = "boolean"
		}
		if t == "" || name != "" && name != t {
			return "", false
		}
		name = t
	}
	return name, false
}

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
	default:
		record := make(ast.RecordType, len(s.fields))
		for name, f := range s.fields {
			record[types.String(name)] = ast.Attribute{Type: f.shape.schemaType(), Optional: !f.required}
		}
		return record
	}
}

func get[T mcp.Value](object mcp.Object, name string) (T, bool) {
	v, _ := object.Get(name)
	t, ok := v.(T)
	return t, ok
}
