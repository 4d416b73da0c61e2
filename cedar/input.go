package cedar

import (
	"math"
	"strconv"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// fits reports whether arguments have the types that policies were validated against, so that they can be asked about
// as the typed action. Nothing is converted for it.
func (s *shape) fits(sent mcp.Object) bool {
	left := budget(maxText)
	return s.fitsRecord(sent, &left)
}

func (s *shape) fitsValue(v mcp.Value, left *budget) bool {
	switch s.kind {
	case shapeString:
		text, ok := v.(mcp.String)
		return ok && left.afford(string(text))
	case shapeLong:
		_, ok := long(v)
		return ok
	case shapeBool:
		_, ok := v.(mcp.Bool)
		return ok
	case shapeDecimal:
		_, ok := decimal(v)
		return ok
	case shapeSet:
		list, ok := v.(mcp.Array)
		if !ok || len(list) > maxElements {
			return false
		}
		for _, e := range list {
			if !s.element.fitsValue(e, left) {
				return false
			}
		}
		return true
	default:
		object, ok := v.(mcp.Object)
		return ok && s.fitsRecord(object, left)
	}
}

// fitsRecord looks at the members that the shape knows. An absent object is an empty one.
func (s *shape) fitsRecord(object mcp.Object, left *budget) bool {
	required := 0
	for name, v := range object.All() {
		f, known := s.fields[name]
		if !known {
			continue
		}
		if _, null := v.(mcp.Null); null && f.shape.nullable {
			continue
		}
		if !f.shape.fitsValue(v, left) {
			return false
		}
		if f.required {
			required++
		}
	}
	return required == s.required
}

// input returns context.input: the wanted members of arguments that fit.
func (a *arguments) input(s *shape, want *wanted) types.Record {
	record := types.RecordMap{}
	for name, v := range a.sent.All() {
		if f, known := s.fields[name]; known && want.argument(name) {
			a.member(record, name, f, v)
		}
	}
	return types.NewRecord(record)
}

// member converts a member of a record that fits. A null stands for an absent one.
func (a *arguments) member(record types.RecordMap, name string, f field, v mcp.Value) {
	if _, null := v.(mcp.Null); !null {
		record[types.String(name)] = a.value(f.shape, v)
	}
}

// value converts a value that fits.
func (a *arguments) value(s *shape, v mcp.Value) types.Value {
	switch v := v.(type) {
	case mcp.String:
		return types.String(v)
	case mcp.Bool:
		return types.Boolean(v)
	case mcp.Array:
		if s.element.kind == shapeString {
			return a.set(texts(v))
		}
		whole := make([]types.Value, len(v))
		for i, e := range v {
			whole[i], _ = long(e)
		}
		return types.NewSet(whole...) // the hash of a Long is its value: different ones never meet
	case mcp.Object:
		record := types.RecordMap{}
		for name, member := range v.All() {
			if f, known := s.fields[name]; known {
				a.member(record, name, f, member)
			}
		}
		return types.NewRecord(record)
	}
	if s.kind == shapeDecimal {
		d, _ := decimal(v)
		return d
	}
	whole, _ := long(v)
	return whole
}

// long accepts integers, also when written like 1.0 (JSON Schema, section 6.1.1). From 2^53 on a Float is not exact.
func long(v mcp.Value) (types.Long, bool) {
	switch n := v.(type) {
	case mcp.Int:
		return types.Long(n), true
	case mcp.Float:
		if f := float64(n); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return types.Long(f), true
		}
	}
	return 0, false
}

// decimal accepts numbers that Cedar's decimal holds exactly: four digits behind the point. A Float holds 15 digits
// exactly (IEEE 754 binary64), so eleven before the point are left.
func decimal(v mcp.Value) (types.Value, bool) {
	if whole, ok := long(v); ok {
		d, err := types.ParseDecimal(strconv.FormatInt(int64(whole), 10) + ".0")
		return d, err == nil
	}
	f, ok := v.(mcp.Float)
	if !ok || math.Abs(float64(f)) >= 1e11 {
		return nil, false
	}
	d, err := types.ParseDecimal(strconv.FormatFloat(float64(f), 'f', -1, 64))
	return d, err == nil
}
