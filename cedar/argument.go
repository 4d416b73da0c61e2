package cedar

import (
	"iter"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// The maxima of what is converted for policy. Lists of lists and free-form objects never are.
const (
	maxElements = 1024      // names, and elements of one list
	maxText     = 256 << 10 // bytes of names and strings together
)

// The entities whose tags are the untyped arguments.
const (
	strArgsType  types.EntityType = "StrArgs"
	numArgsType  types.EntityType = "NumArgs"
	boolArgsType types.EntityType = "BoolArgs"
	listArgsType types.EntityType = "ListArgs"
	argumentsID  types.String     = "arguments"
	inputID                       = "input" // with the path to it, that of a map in context.input
)

// The same as values, for context.arguments.
var (
	strArgs  types.Value = types.NewEntityUID(strArgsType, argumentsID)
	numArgs  types.Value = types.NewEntityUID(numArgsType, argumentsID)
	boolArgs types.Value = types.NewEntityUID(boolArgsType, argumentsID)
	listArgs types.Value = types.NewEntityUID(listArgsType, argumentsID)
)

// arguments are those of one call. Without their types they are seen as top-level scalars and lists of strings by name.
// Everything that does not get a place makes that view incomplete, so that a policy which insists on
// context.arguments.complete cannot be got around with a value that it does not see.
type arguments struct {
	present                 bool // the action has arguments
	sent                    mcp.Object
	meets                   bool   // they are known to meet the pinned schema, if there is one
	typed                   *shape // of the typed action; nil for others
	hostile                 bool   // a set that was needed could not be made
	str, num, boolean, list tags
	maps                    types.EntityMap // those with any names, by the ids of their entities
}

// tags are made when they are first needed.
type tags struct {
	entity types.Entity
	made   bool
}

// forget makes the entities anew, for other wants.
func (a *arguments) forget() {
	a.str, a.num, a.boolean, a.list, a.maps = tags{}, tags{}, tags{}, tags{}, nil
}

// record returns context.arguments.
func (a *arguments) record(want facts) types.Record {
	record := make(types.RecordMap, 6)
	if want.has(factStrings) {
		record["str"] = strArgs
	}
	if want.has(factNumbers) {
		record["num"] = numArgs
	}
	if want.has(factBooleans) {
		record["bool"] = boolArgs
	}
	if want.has(factLists) {
		record["list"] = listArgs
	}
	if want.has(factKeys) {
		var keys []string
		for argument := range a.view() {
			keys = append(keys, argument.Name)
		}
		record["keys"] = a.set(keys)
	}
	if want.has(factComplete) {
		record["complete"] = types.Boolean(a.complete())
	}
	return types.NewRecord(record)
}

// complete reports whether nothing was left out, and the pinned schema is met.
func (a *arguments) complete() bool {
	if !a.meets {
		return false
	}
	seen := 0
	for _, shown := range a.view() {
		if !shown {
			return false
		}
		seen++
	}
	return seen == a.sent.Len()
}

// view returns the arguments that have a name in the view, and whether their value is shown too.
func (a *arguments) view() iter.Seq2[mcp.Member, bool] {
	return func(yield func(mcp.Member, bool) bool) {
		left, names := budget(maxText), 0
		for name, v := range a.sent.All() {
			if names == maxElements || !left.afford(name) {
				return
			}
			names++
			if !yield(mcp.Member{Name: name, Value: v}, left.show(v)) {
				return
			}
		}
	}
}

// budget is how many bytes of text may still be converted.
type budget int

func (b *budget) afford(text string) bool { return b.spend(len(text)) }

func (b *budget) spend(n int) bool {
	if n > int(*b) {
		return false
	}
	*b -= budget(n)
	return true
}

// show reports whether the view has a place for the value: not for null, a fraction, an object, or what is too long.
func (b *budget) show(v mcp.Value) bool {
	switch v := v.(type) {
	case mcp.String:
		return b.afford(string(v))
	case mcp.Bool:
		return true
	case mcp.Array:
		if len(v) > maxElements {
			return false
		}
		for _, e := range v {
			if text, ok := e.(mcp.String); !ok || !b.afford(string(text)) {
				return false
			}
		}
		return true
	}
	_, whole := long(v)
	return whole
}

// tagged returns the entity with that id, whose tags are arguments as far as they are wanted.
func (a *arguments) tagged(id types.EntityUID, want *wanted) (types.Entity, bool) {
	switch {
	case !a.present:
		return types.Entity{}, false
	case id.ID == argumentsID:
		return a.entity(id.Type, want), true
	}
	if made, ok := a.maps[id]; ok {
		return made, true
	}
	s, object := a.mapping(id)
	if s == nil {
		return types.Entity{}, false
	}
	found := types.RecordMap{}
	for name, v := range object.All() {
		if want.argument(name) {
			found[types.String(name)] = a.value(s.element, v)
		}
	}
	if a.maps == nil {
		a.maps = types.EntityMap{}
	}
	a.maps[id] = types.Entity{UID: id, Tags: types.NewRecord(found)}
	return a.maps[id], true
}

// mapping finds the map that an entity stands for, and what was sent for it, by the path in the id.
func (a *arguments) mapping(id types.EntityUID) (*shape, mcp.Object) {
	path, ok := strings.CutPrefix(string(id.ID), inputID+"/")
	if !ok || a.typed == nil {
		return nil, mcp.Object{}
	}
	at, v := a.typed, mcp.Value(a.sent)
	for token := range strings.SplitSeq(path, "/") {
		object, _ := v.(mcp.Object)
		name := pointerUnescape.Replace(token)
		f, known := at.fields[name]
		if v, _ = object.Get(name); !known || v == nil {
			return nil, mcp.Object{}
		}
		if at = f.shape.of(v); at == nil {
			return nil, mcp.Object{}
		}
	}
	object, ok := v.(mcp.Object)
	if !ok || at.kind != shapeMap || at.entity() != id {
		return nil, mcp.Object{}
	}
	return at, object
}

// entity is the value of a map.
func (s *shape) entity() types.EntityUID { return types.NewEntityUID(mapTypes[s.element.kind], s.id) }

// entity returns the entity whose tags are the arguments of one kind, as far as they are wanted.
func (a *arguments) entity(kind types.EntityType, want *wanted) types.Entity {
	kept := a.kept(kind)
	if kept.made {
		return kept.entity
	}
	found := types.RecordMap{}
	for argument, shown := range a.view() {
		if !shown || !want.argument(argument.Name) {
			continue
		}
		if tagKind(argument.Value) == kind {
			found[types.String(argument.Name)] = a.tag(argument.Value)
		}
	}
	*kept = tags{types.Entity{UID: types.NewEntityUID(kind, argumentsID), Tags: types.NewRecord(found)}, true}
	return kept.entity
}

func (a *arguments) kept(kind types.EntityType) *tags {
	switch kind {
	case strArgsType:
		return &a.str
	case numArgsType:
		return &a.num
	case boolArgsType:
		return &a.boolean
	default:
		return &a.list
	}
}

// tagKind tells the entity that a value which is shown is a tag of.
func tagKind(v mcp.Value) types.EntityType {
	switch v.(type) {
	case mcp.String:
		return strArgsType
	case mcp.Bool:
		return boolArgsType
	case mcp.Array:
		return listArgsType
	default:
		return numArgsType
	}
}

func (a *arguments) tag(v mcp.Value) types.Value {
	switch v := v.(type) {
	case mcp.String:
		return types.String(v)
	case mcp.Bool:
		return types.Boolean(v)
	case mcp.Array:
		return a.set(texts(v))
	default:
		whole, _ := long(v)
		return whole
	}
}

func (a *arguments) set(list []string) types.Set {
	set, ok := stringSet(list)
	if !ok {
		a.hostile = true
	}
	return set
}

func texts(list mcp.Array) []string {
	all := make([]string, len(list))
	for i, e := range list {
		text, _ := e.(mcp.String) // the caller looked
		all[i] = string(text)
	}
	return all
}
