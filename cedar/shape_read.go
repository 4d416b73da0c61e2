package cedar

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// The maxima of one tool's input schema.
const (
	maxSchemaBytes = 256 << 10 // as JSON
	maxSchemaParts = 2000      // subschemas, with references followed
	maxShapeDepth  = 16        // members of members
)

// inputShape returns the shape of a tool's arguments. Members that Cedar cannot express are left out of it, with the
// reason: policies cannot name them in context.input.
func inputShape(schema mcp.Object) (*shape, error) {
	if size := len(schema.AppendJSON(nil)); size > maxSchemaBytes {
		return nil, fmt.Errorf("its input schema has %d bytes; %d are the most", size, maxSchemaBytes)
	}
	r := shapeReader{root: schema, refs: []string{""}}
	read := r.read(schema, 0)
	if r.parts > maxSchemaParts {
		return nil, fmt.Errorf("its input schema has more than %d parts when all references are followed", maxSchemaParts)
	}
	s := read.shape
	if s == nil || s.kind != shapeRecord {
		s = &shape{kind: shapeRecord, others: read.reason}
	}
	s.nullable = false
	s.finish(inputID)
	s.asks = asks(schema)
	s.rest = s.asks.remainder(s)
	return s, nil
}

// finish counts what is required, and names the entities of maps by the path to them.
func (s *shape) finish(path string) {
	s.required = 0
	for name, f := range s.fields {
		f.required = f.required && !f.shape.nullable
		if s.fields[name] = f; f.required {
			s.required++
		}
		f.shape.finish(path + "/" + pointerEscape.Replace(name))
	}
	for _, choice := range s.choices {
		choice.finish(path)
	}
	if s.element != nil {
		s.element.finish(path + "/*")
	}
	if s.kind == shapeMap {
		s.id = types.String(path)
	}
}

// How a name is written in a JSON Pointer (RFC 6901, section 3), and read from it.
var (
	pointerEscape   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// verdict is what a schema says about the type of a value: its shape, or why there is none. The zero verdict is that of
// a schema that says nothing.
type verdict struct {
	shape  *shape
	reason string
	null   bool // only null; then there is a reason too
}

func leftOut(format string, args ...any) verdict {
	return verdict{reason: fmt.Sprintf(format, args...)}
}

// shapeReader reads the input schema of one tool.
type shapeReader struct {
	root  mcp.Object
	parts int
	refs  []string // those that are being followed, the whole schema first
}

// read puts together what the keywords of a schema say, each of which holds (2020-12, section 7.7). A keyword that
// Cedar cannot express is ignored where another one gives a shape: the values are then among those of the shape.
func (r *shapeReader) read(v mcp.Value, depth int) verdict {
	if r.parts++; r.parts > maxSchemaParts {
		return leftOut("the schema is too large")
	}
	schema, ok := v.(mcp.Object)
	switch allowed, truth := v.(mcp.Bool); {
	case truth && bool(allowed):
		return verdict{}
	case truth:
		return leftOut("no value is allowed")
	case !ok:
		return leftOut("not a schema")
	case depth > maxShapeDepth:
		return leftOut("nested deeper than %d", maxShapeDepth)
	}
	if _, embedded := schema.Get("$id"); embedded && depth > 0 {
		return leftOut("a schema of its own ($id)")
	}
	all := r.own(schema, depth)
	if ref, ok := schema.Get("$ref"); ok {
		all = all.and(r.follow(ref, depth))
	}
	if parts, ok := get[mcp.Array](schema, "allOf"); ok {
		for _, part := range parts {
			all = all.and(r.read(part, depth))
		}
	}
	for _, union := range []string{"anyOf", "oneOf"} {
		if choices, ok := get[mcp.Array](schema, union); ok {
			all = all.and(r.union(choices, depth))
		}
	}
	if _, ok := schema.Get("$dynamicRef"); ok {
		all = all.and(leftOut("a dynamic reference"))
	}
	return all
}

// follow reads what a reference within the same schema points to (RFC 6901).
func (r *shapeReader) follow(v mcp.Value, depth int) verdict {
	ref, _ := v.(mcp.String)
	pointer, at, reason := pointed(r.root, string(ref))
	switch {
	case reason != "":
		return verdict{reason: reason}
	case slices.Contains(r.refs, pointer):
		return leftOut("it contains itself")
	}
	r.refs = append(r.refs, pointer)
	defer func() { r.refs = r.refs[:len(r.refs)-1] }()
	return r.read(at, depth)
}

// pointed finds what a reference within a schema points to (RFC 6901, section 6), or says why it does not.
func pointed(root mcp.Object, ref string) (pointer string, at mcp.Value, reason string) {
	fragment, local := strings.CutPrefix(ref, "#")
	pointer, err := url.PathUnescape(fragment)
	if !local || err != nil || pointer != "" && pointer[0] != '/' {
		return "", nil, "a reference to another schema"
	}
	at = root
	for i, token := range strings.Split(pointer, "/")[1:] {
		object, _ := at.(mcp.Object)
		if _, embedded := object.Get("$id"); embedded && i > 0 {
			return "", nil, "a reference into a schema of its own ($id)"
		}
		if at, _ = object.Get(pointerUnescape.Replace(token)); at == nil {
			return "", nil, "a reference to nothing"
		}
	}
	return pointer, at, ""
}

// union reads alternatives. One that says nothing, or that Cedar cannot express, decides for all.
func (r *shapeReader) union(choices mcp.Array, depth int) verdict {
	var all verdict
	for _, choice := range choices {
		read := r.read(choice, depth)
		if !read.null && read.shape == nil {
			return read
		}
		if all = all.or(read); all.shape == nil && !all.null {
			return all
		}
	}
	return all
}

// own reads the type that a schema names itself, or that its constants and properties have.
func (r *shapeReader) own(schema mcp.Object, depth int) verdict {
	constants, limited := get[mcp.Array](schema, "enum")
	if constant, ok := schema.Get("const"); ok {
		constants, limited = mcp.Array{constant}, true
	}
	var all, refused verdict
	for _, name := range typeNames(schema, constants) {
		read := r.typed(name, schema, depth)
		if limited && !read.keep(constants) {
			refused = leftOut("no value of its type is allowed")
			continue
		}
		if read.shape == nil && !read.null {
			return read
		}
		if all = all.or(read); all.shape == nil && !all.null {
			return all
		}
	}
	if all == (verdict{}) {
		return refused
	}
	return all
}

// typeNames returns the types that a schema allows: those that it names, else those of its constants, else that of an
// object if it describes the members of one.
func typeNames(schema mcp.Object, constants mcp.Array) []string {
	var names []string
	switch declared, _ := schema.Get("type"); declared := declared.(type) {
	case mcp.String:
		return []string{string(declared)}
	case mcp.Array:
		for _, v := range declared {
			name, _ := v.(mcp.String)
			names = append(names, string(name))
		}
		return names
	}
	for _, v := range constants {
		if name := typeName(v); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if _, described := get[mcp.Object](schema, "properties"); described && len(names) == 0 {
		return []string{"object"}
	}
	return names
}

func typeName(v mcp.Value) string {
	switch v.(type) {
	case mcp.Null:
		return "null"
	case mcp.Bool:
		return "boolean"
	case mcp.Int:
		return "integer"
	case mcp.Float:
		return "number"
	case mcp.String:
		return "string"
	case mcp.Array:
		return "array"
	default:
		return "object"
	}
}

func (r *shapeReader) typed(name string, schema mcp.Object, depth int) verdict {
	switch name {
	case "null":
		return verdict{reason: "only null", null: true}
	case "string":
		return verdict{shape: &shape{kind: shapeString}}
	case "integer":
		return verdict{shape: &shape{kind: shapeLong}}
	case "boolean":
		return verdict{shape: &shape{kind: shapeBool}}
	case "number":
		return verdict{shape: &shape{kind: shapeDecimal}}
	case "array":
		return r.list(schema, depth)
	case "object":
		return r.object(schema, depth)
	}
	return leftOut("no type of JSON: %.64q", name)
}

func (r *shapeReader) list(schema mcp.Object, depth int) verdict {
	items, _ := schema.Get("items")
	_, several := items.(mcp.Array)
	if _, tuple := schema.Get("prefixItems"); tuple || several {
		return leftOut("a list whose elements differ by their place")
	}
	if items == nil {
		return leftOut("a list of anything")
	}
	element := r.read(items, depth+1)
	switch {
	case element == verdict{}:
		return leftOut("a list of anything")
	case element.shape == nil:
		return leftOut("a list: %s", element.reason)
	case element.shape.nullable:
		return leftOut("a list with nulls")
	}
	if reason := element.shape.restrictElement(); reason != "" {
		return verdict{reason: reason}
	}
	return verdict{shape: &shape{kind: shapeSet, element: element.shape}}
}

func (r *shapeReader) object(schema mcp.Object, depth int) verdict {
	s := &shape{kind: shapeRecord, fields: map[string]field{}, left: map[string]string{}}
	properties, _ := get[mcp.Object](schema, "properties")
	required, _ := get[mcp.Array](schema, "required")
	for name, property := range properties.All() {
		member := r.read(property, depth+1)
		switch {
		case member.shape != nil:
			s.fields[name] = field{member.shape, slices.Contains(required, mcp.Value(mcp.String(name)))}
		case member.reason != "":
			s.left[name] = member.reason
		default:
			s.left[name] = "it may be anything"
		}
	}
	_, patterns := schema.Get("patternProperties")
	additional, _ := schema.Get("additionalProperties")
	if properties.Len() == 0 && !patterns {
		if described, ok := additional.(mcp.Object); ok {
			return r.mapping(described, depth)
		}
	}
	if patterns {
		s.others = "names that follow a pattern"
	} else if _, described := additional.(mcp.Object); described {
		s.others = "other names than those that are known"
	}
	s.closed = !patterns && additional == mcp.Value(mcp.Bool(false))
	switch {
	case depth == 0 || len(s.fields) > 0:
		return verdict{shape: s}
	case len(s.left) == 0:
		return leftOut("an object without known members")
	}
	return leftOut("an object: %s", s.firstLeft())
}

// mapping reads an object whose members have any names, and values of one type.
func (r *shapeReader) mapping(values mcp.Object, depth int) verdict {
	read := r.read(values, depth+1)
	if read.shape == nil {
		return leftOut("an object with any names: %s", cmp.Or(read.reason, "values of any type"))
	}
	if !read.shape.canBeTag() {
		return leftOut("an object with any names, whose values no tag can have")
	}
	return verdict{shape: &shape{kind: shapeMap, element: read.shape}}
}

// canBeTag reports whether an entity can have such values as tags.
func (s *shape) canBeTag() bool {
	_, ok := mapTypes[s.kind]
	return ok && !s.nullable && (s.kind != shapeSet || s.element.kind == shapeString)
}
