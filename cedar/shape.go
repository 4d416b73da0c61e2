package cedar

import (
	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// shape is the part of a JSON Schema (2020-12) that has an exact counterpart in Cedar. The Cedar type and the
// conversion of values come from the same shape, so that a value which fits is always of the type policies were
// validated against.
type shape struct {
	kind      shapeKind
	nullable  bool               // null stands for an absent member
	constants map[mcp.Value]bool // of a string, long or bool: the only ones; nil for any
	element   *shape             // of a set or map
	fields    map[string]field   // of a record
	required  int                // how many of them
	left      map[string]string  // of a record: the members that have no counterpart, with the reason
	others    string             // of a record: why members with other names have none; "" when the schema names none
	closed    bool               // of a record: there are no other members
	choices   []*shape           // of a choice: of different kinds, in their order
	id        types.String       // of a map: that of the entity whose tags the members are
	asks      *demand            // of all arguments: what their schema asks
	rest      *demand            // the same without what the shape sees to; nil when nothing is left
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
	shapeChoice // a record with one member, named for the type of the value
	shapeMap    // an entity with a tag for each member
)

// choiceNames are the members of a choice. They say what a value is and not which alternative it came by, so that
// policies mean the same when the alternatives of a schema change places.
var choiceNames = [...]types.String{
	shapeString: "string", shapeLong: "long", shapeBool: "bool", shapeDecimal: "decimal", shapeSet: "set", shapeRecord: "record",
	shapeMap: "map",
}

// mapTypes are the entities whose tags can have the type of a map's values.
var mapTypes = map[shapeKind]types.EntityType{
	shapeString: strArgsType, shapeLong: numArgsType, shapeBool: boolArgsType, shapeSet: listArgsType,
}

// alternatives returns the shapes that values of s can have, null aside.
func (s *shape) alternatives() []*shape {
	if s.kind == shapeChoice {
		return s.choices
	}
	return []*shape{s}
}

// of returns the alternative that a value could have, judged by what it is in JSON. Of a choice between numbers there
// is only one.
func (s *shape) of(v mcp.Value) *shape {
	if s.kind != shapeChoice {
		return s
	}
	for _, choice := range s.choices {
		if choice.admits(v) {
			return choice
		}
	}
	return nil
}

func (s *shape) admits(v mcp.Value) bool {
	switch v.(type) {
	case mcp.String:
		return s.kind == shapeString
	case mcp.Bool:
		return s.kind == shapeBool
	case mcp.Int, mcp.Float:
		return s.kind == shapeLong || s.kind == shapeDecimal
	case mcp.Array:
		return s.kind == shapeSet
	case mcp.Object:
		return s.kind == shapeRecord || s.kind == shapeMap
	}
	return false
}

func get[T mcp.Value](object mcp.Object, name string) (T, bool) {
	v, _ := object.Get(name)
	t, ok := v.(T)
	return t, ok
}
