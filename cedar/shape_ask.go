package cedar

import (
	"fmt"
	"slices"
	"strings"

	"countersign.dev/authz/mcp"
)

// asker reads what the input schema of one tool asks. What it does not understand cannot be told.
type asker struct {
	root    mcp.Object
	foreign bool               // a dialect before 2019-09, in which nothing beside a reference counts
	refs    map[string]*demand // what they lead to, which may lead back
}

func asks(root mcp.Object) *demand {
	dialect, _ := get[mcp.String](root, "$schema")
	a := asker{root: root, refs: map[string]*demand{}}
	a.foreign = strings.Contains(string(dialect), "//json-schema.org/draft-0") // later ones have a year
	a.refs[""] = &demand{}
	a.fill(a.refs[""], root, true)
	return a.refs[""]
}

func (a *asker) read(v mcp.Value) *demand {
	d := &demand{}
	a.fill(d, v, false)
	return d
}

// optional reads a keyword that has a schema; nil without.
func (a *asker) optional(schema mcp.Object, keyword string) *demand {
	if v, ok := schema.Get(keyword); ok {
		return a.read(v)
	}
	return nil
}

func (d *demand) cannot(types jsonTypes, format string, args ...any) {
	d.untold = append(d.untold, untoldDemand{types, fmt.Sprintf(format, args...)})
}

// incomprehensible are keywords that say something about values in some dialect, which we do not look into.
var incomprehensible = []string{"$dynamicRef", "$recursiveRef", "dependencies", "disallow", "extends", "divisibleBy"}

func (a *asker) fill(d *demand, v mcp.Value, root bool) {
	schema, ok := v.(mcp.Object)
	if truth, isTruth := v.(mcp.Bool); isTruth {
		d.never = !bool(truth)
		return
	} else if !ok {
		d.cannot(jsonAny, "not a schema")
		return
	}
	if _, embedded := schema.Get("$id"); embedded && !root {
		d.cannot(jsonAny, "a schema of its own ($id)")
		return
	}
	for _, keyword := range incomprehensible {
		if _, has := schema.Get(keyword); has {
			d.cannot(jsonAny, "%s", keyword)
		}
	}
	if format, has := schema.Get("format"); has { // which only says what a value means (2020-12, validation, section 7.2.1)
		d.cannot(0, "format %.64s, which is taken for a comment", jsonOf(format))
	}
	a.types(d, schema)
	a.values(d, schema)
	a.numbers(d, schema)
	a.texts(d, schema)
	a.lists(d, schema)
	a.objects(d, schema)
	a.logic(d, schema)
}

func (a *asker) types(d *demand, schema mcp.Object) {
	declared, has := schema.Get("type")
	if !has {
		return
	}
	list, several := declared.(mcp.Array)
	if !several {
		list = mcp.Array{declared}
	}
	for _, v := range list {
		name, _ := v.(mcp.String)
		kind, known := namesOfTypes[string(name)]
		if !known {
			d.cannot(jsonAny, "no type of JSON: %.64s", jsonOf(v))
			d.types = 0
			return
		}
		d.types |= kind
	}
	d.never = len(list) == 0
}

var namesOfTypes = map[string]jsonTypes{
	"null": jsonNull, "boolean": jsonBoolean, "integer": jsonInteger, "number": jsonNumber, "string": jsonString,
	"array": jsonArray, "object": jsonObject,
}

// values reads enum and const, both of which hold.
func (a *asker) values(d *demand, schema mcp.Object) {
	if v, has := schema.Get("enum"); has {
		if list, ok := v.(mcp.Array); ok {
			d.constants = newConstants(list)
		} else {
			d.cannot(jsonAny, "enum is no list")
		}
	}
	v, has := schema.Get("const")
	switch {
	case has && d.constants == nil:
		d.constants = newConstants(mcp.Array{v})
	case has:
		d.all = append(d.all, &demand{constants: newConstants(mcp.Array{v})})
	}
}

func newConstants(list mcp.Array) *constants {
	c := &constants{scalars: map[mcp.Value]bool{}, composed: map[string]bool{}, all: list}
	for _, v := range list {
		switch v.(type) {
		case mcp.Array, mcp.Object:
			c.composed[jsonOf(inOneForm(v))] = true
		default:
			c.scalars[oneNumber(v)] = true
		}
	}
	return c
}

func (a *asker) numbers(d *demand, schema mcp.Object) {
	var n numberDemand
	found := false
	for keyword, to := range map[string]**bound{
		"minimum": &n.least, "maximum": &n.most, "exclusiveMinimum": &n.above, "exclusiveMaximum": &n.below, "multipleOf": &n.multipleOf,
	} {
		v, has := schema.Get(keyword)
		if !has {
			continue
		}
		r := exact(v)
		if r == nil || keyword == "multipleOf" && r.Sign() <= 0 {
			d.cannot(jsonNumber, "%s: %.64s", keyword, jsonOf(v))
			continue
		}
		*to, found = &bound{r, newFast(v)}, true
	}
	if found {
		d.number = &n
	}
	slices.SortFunc(d.untold, func(a, b untoldDemand) int { return strings.Compare(a.reason, b.reason) })
}

// size reads a number of characters, elements or members; -1 without.
func size(d *demand, schema mcp.Object, keyword string, types jsonTypes) int {
	v, has := schema.Get(keyword)
	if !has {
		return -1
	}
	n, ok := long(v)
	if !ok || n < 0 {
		d.cannot(types, "%s: %.64s", keyword, jsonOf(v))
		return -1
	}
	return int(n)
}

func (a *asker) texts(d *demand, schema mcp.Object) {
	t := textDemand{least: size(d, schema, "minLength", jsonString), most: size(d, schema, "maxLength", jsonString)}
	if v, has := schema.Get("pattern"); has {
		p, reason := newPattern(v)
		if t.pattern = p; p == nil {
			d.cannot(jsonString, "%s", reason)
		}
	}
	if t.least >= 0 || t.most >= 0 || t.pattern != nil {
		d.text = &t
	}
}

func (a *asker) lists(d *demand, schema mcp.Object) {
	l := listDemand{
		least: size(d, schema, "minItems", jsonArray), most: size(d, schema, "maxItems", jsonArray),
		contains: a.optional(schema, "contains"), few: 1, many: -1, unevaluated: a.optional(schema, "unevaluatedItems"),
	}
	l.items, l.prefix = a.elements(d, schema)
	unique, has := schema.Get("uniqueItems")
	if truth, ok := unique.(mcp.Bool); has && !ok {
		d.cannot(jsonArray, "uniqueItems: %.64s", jsonOf(unique))
	} else {
		l.unique = bool(truth)
	}
	if l.contains != nil {
		if few := size(d, schema, "minContains", jsonArray); few >= 0 {
			l.few = few
		}
		l.many = size(d, schema, "maxContains", jsonArray)
	}
	if l.least >= 0 || l.most >= 0 || l.unique || l.items != nil || l.prefix != nil || l.contains != nil || l.unevaluated != nil {
		d.list = &l
	}
}

// elements reads what is asked of elements by their place. Before 2020-12, a list of schemas in items was the prefix.
func (a *asker) elements(d *demand, schema mcp.Object) (items *demand, prefix []*demand) {
	items = a.optional(schema, "items")
	list, has := schema.Get("prefixItems")
	if old, several := get[mcp.Array](schema, "items"); several {
		items = a.optional(schema, "additionalItems")
		if has {
			d.cannot(jsonArray, "two prefixes")
			return nil, nil
		}
		list, has = old, true
	}
	schemas, ok := list.(mcp.Array)
	if has && !ok {
		d.cannot(jsonArray, "prefixItems is no list")
		return nil, nil
	}
	return items, a.readAll(schemas)
}

func (a *asker) readAll(schemas mcp.Array) []*demand {
	var all []*demand
	for _, v := range schemas {
		all = append(all, a.read(v))
	}
	return all
}

func (a *asker) objects(d *demand, schema mcp.Object) {
	o := objectDemand{
		members: map[string]memberDemand{},
		least:   size(d, schema, "minProperties", jsonObject), most: size(d, schema, "maxProperties", jsonObject),
		others: a.optional(schema, "additionalProperties"), names: a.optional(schema, "propertyNames"),
		unevaluated: a.optional(schema, "unevaluatedProperties"),
	}
	for name, v := range named(d, schema, "properties").All() {
		o.members[name] = memberDemand{is: a.read(v), declared: true}
	}
	for _, name := range texted(d, schema, "required") {
		m := o.members[name]
		if !m.required {
			o.required = append(o.required, name)
		}
		m.required = true
		o.members[name] = m
	}
	for name, v := range named(d, schema, "patternProperties").All() {
		is := a.read(v)
		p, reason := newPattern(mcp.String(name))
		if p == nil {
			d.cannot(jsonObject, "%s", reason)
			o.others, o.unevaluated = nil, nil // it cannot be told which they are
			continue
		}
		o.patterns = append(o.patterns, patternDemand{p, is})
	}
	a.together(d, &o, schema)
	if len(o.members) > 0 || o.patterns != nil || o.others != nil || o.names != nil || o.least >= 0 || o.most >= 0 ||
		o.together != nil || o.unevaluated != nil {
		d.object = &o
	}
}

func (a *asker) together(d *demand, o *objectDemand, schema mcp.Object) {
	dependent := named(d, schema, "dependentRequired")
	for name := range dependent.All() {
		o.together = append(o.together, togetherDemand{name: name, names: texted(d, dependent, name)})
	}
	for name, v := range named(d, schema, "dependentSchemas").All() {
		o.together = append(o.together, togetherDemand{name: name, is: a.read(v)})
	}
}

// named reads a keyword that has an object.
func named(d *demand, schema mcp.Object, keyword string) mcp.Object {
	v, has := schema.Get(keyword)
	object, ok := v.(mcp.Object)
	if has && !ok {
		d.cannot(jsonObject, "%s is no object", keyword)
	}
	return object
}

// texted reads a keyword that has a list of names.
func texted(d *demand, schema mcp.Object, keyword string) []string {
	v, has := schema.Get(keyword)
	list, ok := v.(mcp.Array)
	if has && !ok {
		d.cannot(jsonObject, "%.64s is no list", keyword)
	}
	var names []string
	for _, v := range list {
		name, ok := v.(mcp.String)
		if !ok {
			d.cannot(jsonObject, "%.64s has what is no name", keyword)
			continue
		}
		names = append(names, string(name))
	}
	return names
}

func (a *asker) logic(d *demand, schema mcp.Object) {
	schemas := func(keyword string) []*demand {
		v, has := schema.Get(keyword)
		list, _ := v.(mcp.Array)
		if has && len(list) == 0 {
			d.cannot(jsonAny, "%s is no list of schemas", keyword)
		}
		return a.readAll(list)
	}
	d.all = append(d.all, schemas("allOf")...)
	if union := schemas("anyOf"); union != nil {
		d.unions = append(d.unions, union)
	}
	d.exactly = schemas("oneOf")
	d.not = a.optional(schema, "not")
	if when := a.optional(schema, "if"); when != nil {
		d.condition = &conditionDemand{when, a.optional(schema, "then"), a.optional(schema, "else")}
	}
	if ref, has := schema.Get("$ref"); has {
		if a.foreign && !d.asksNothing() {
			d.cannot(jsonAny, "what stands beside a reference, which the dialect of this schema ignores")
		}
		d.all = append(d.all, a.follow(ref))
	}
}

// follow reads what a reference leads to, once.
func (a *asker) follow(v mcp.Value) *demand {
	ref, _ := v.(mcp.String)
	pointer, at, reason := pointed(a.root, string(ref))
	if reason != "" {
		d := &demand{}
		d.cannot(jsonAny, "%s", reason)
		return d
	}
	if known, ok := a.refs[pointer]; ok {
		return known
	}
	d := &demand{}
	a.refs[pointer] = d
	a.fill(d, at, false)
	return d
}
