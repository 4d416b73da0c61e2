package cedar

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/authz/mcp"
)

// misfits says why arguments do not fit a shape, one argument each, by name. They are known not to.
func misfits(s *shape, sent mcp.Object) []string {
	if found := s.misfits(sent, ""); len(found) > 0 {
		return found
	}
	if s.conforms(sent) {
		return []string{s.violation(sent)}
	}
	return []string{fmt.Sprintf("together they have more than %d bytes of text", maxText)}
}

// violation says what the schema forbids about arguments that have the right types.
func (s *shape) violation(sent mcp.Object) string {
	var found breach
	if s.judged(s.asks, sent, &found) != violated {
		return "it cannot be told whether they meet the schema"
	}
	slices.Reverse(found.path)
	path := "the object of all arguments"
	for i, name := range found.path {
		switch _, err := strconv.Atoi(name); {
		case i == 0:
			path = fmt.Sprintf("%.64s", name)
		case err == nil:
			path += "[" + name + "]"
		default:
			path += fmt.Sprintf(".%.64s", name)
		}
	}
	return path + " " + found.text
}

func (s *shape) misfits(sent mcp.Object, path string) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		f := s.fields[name]
		v, present := sent.Get(name)
		_, null := v.(mcp.Null)
		left := budget(maxText)
		switch {
		case !present && f.required:
			found = append(found, path+name+" is missing")
		case !present, null && f.shape.nullable, f.shape.fitsValue(v, &left):
		default:
			found = append(found, f.shape.misfit(v, path+name)...)
		}
	}
	for name := range sent.All() {
		_, known := s.fields[name]
		if _, leftOut := s.left[name]; s.closed && !known && !leftOut {
			found = append(found, fmt.Sprintf("%s%.64s is not in the schema, which allows no other members", path, name))
		}
	}
	return found
}

// misfit says why one value does not fit, as deep inside of it as that can be told.
func (s *shape) misfit(v mcp.Value, path string) []string {
	as := s.of(v)
	if as == nil || !as.admits(v) {
		return []string{fmt.Sprintf("%s is %s, the schema has %s", path, jsonText(v), s.describe())}
	}
	var inner []string
	switch v := v.(type) {
	case mcp.Array:
		inner = as.misfitElement(v, path)
	case mcp.Object:
		if as.kind == shapeMap {
			inner = as.misfitMember(v, path)
		} else {
			inner = as.misfits(v, path+".")
		}
	default:
		if as.constants != nil {
			return []string{path + " is none of the values that the schema has: " + s.valuesLike(as)}
		}
	}
	if inner == nil {
		inner = []string{fmt.Sprintf("%s is %s, the schema has %s", path, jsonText(v), s.describe())}
	}
	return inner
}

// misfitElement returns what is wrong with the first element that does not fit alone; nil if the list is too long.
func (s *shape) misfitElement(list mcp.Array, path string) []string {
	for i, e := range list[:min(len(list), maxElements)] {
		if left := budget(maxText); !s.element.fitsValue(e, &left) {
			return s.element.misfit(e, fmt.Sprintf("%s[%d]", path, i))
		}
	}
	return nil
}

// misfitMember returns what is wrong with the first member, by name, that does not fit alone.
func (s *shape) misfitMember(object mcp.Object, path string) []string {
	members := maps.Collect(object.All())
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if left := budget(maxText); !s.element.fitsValue(members[name], &left) {
			return s.element.misfit(members[name], fmt.Sprintf("%s.%.64s", path, name))
		}
	}
	return nil
}

// maxValues bounds how many constants are listed.
const maxValues = 20

// valuesLike lists the only values that there are; those of one alternative if there are others without any such.
func (s *shape) valuesLike(alternative *shape) string {
	all := s.alternatives()
	if slices.ContainsFunc(all, func(other *shape) bool { return other.constants == nil }) {
		return alternative.values()
	}
	var values []string
	for _, one := range all {
		values = append(values, one.allowed()...)
	}
	if s.nullable {
		values = append(values, "null")
	}
	return listed(values)
}

// values lists the only values that there are.
func (s *shape) values() string { return listed(s.allowed()) }

func listed(all []string) string {
	if more := len(all) - maxValues; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:maxValues], ", "), more)
	}
	return strings.Join(all, ", ")
}

// describe says what values of a shape are in JSON.
func (s *shape) describe() string {
	if s.constants != nil {
		return "one of " + s.values()
	}
	switch s.kind {
	case shapeString:
		return "a string"
	case shapeLong:
		return "an integer"
	case shapeBool:
		return "a Boolean"
	case shapeDecimal:
		return "a number with four decimal digits at most"
	case shapeSet:
		return fmt.Sprintf("a list of %d elements at most, each %s", maxElements, s.element.describe())
	case shapeMap:
		return fmt.Sprintf("an object of %d members at most, each %s", maxElements, s.element.describe())
	case shapeChoice:
		var kinds []string
		for _, choice := range s.choices {
			kinds = append(kinds, choice.describe())
		}
		return strings.Join(kinds, " or ")
	}
	return "an object"
}

// jsonText says what a JSON value is.
func jsonText(v mcp.Value) string {
	switch v := v.(type) {
	case mcp.Null:
		return "null"
	case mcp.String:
		return "a string"
	case mcp.Bool:
		return "a Boolean"
	case mcp.Int:
		return fmt.Sprintf("the number %d", int64(v))
	case mcp.Float:
		return fmt.Sprintf("the number %v", float64(v))
	case mcp.Array:
		return fmt.Sprintf("a list of %d", len(v))
	}
	return "an object"
}
