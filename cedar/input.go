package cedar

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// memberCost is what a value counts, in bytes of text, of which there can be many whatever the schema says: members of
// objects in a list, and elements of lists in an object with any names. Each takes part in a hash.
const memberCost = 128

// conforms reports whether arguments have the types that policies were validated against. Nothing is converted for it.
func (s *shape) conforms(sent mcp.Object) bool {
	left := budget(maxText)
	return s.fitsRecord(sent, &left)
}

func (s *shape) fitsValue(v mcp.Value, left *budget) bool {
	switch s.kind {
	case shapeString:
		text, ok := v.(mcp.String)
		return ok && s.fitsConstant(text) && left.afford(string(text))
	case shapeLong:
		whole, ok := long(v)
		return ok && s.fitsConstant(mcp.Int(whole))
	case shapeBool:
		truth, ok := v.(mcp.Bool)
		return ok && s.fitsConstant(truth)
	case shapeDecimal:
		_, ok := decimal(v)
		return ok
	case shapeSet:
		list, ok := v.(mcp.Array)
		return ok && s.fitsList(list, left)
	case shapeChoice:
		choice := s.of(v)
		return choice != nil && choice.fitsValue(v, left)
	case shapeMap:
		object, ok := v.(mcp.Object)
		return ok && s.fitsMap(object, left)
	default:
		object, ok := v.(mcp.Object)
		return ok && s.fitsRecord(object, left)
	}
}

func (s *shape) fitsConstant(v mcp.Value) bool { return s.constants == nil || s.constants[v] }

func (s *shape) fitsList(list mcp.Array, left *budget) bool {
	if len(list) > maxElements {
		return false
	}
	composed := s.element.kind == shapeRecord || s.element.kind == shapeChoice
	for _, e := range list {
		if !s.element.fitsValue(e, left) || composed && !left.spend(memberCost*members(e)) {
			return false
		}
	}
	return true
}

// members is how many values a value has in it, itself included.
func members(v mcp.Value) int {
	n := 1
	if object, ok := v.(mcp.Object); ok {
		for _, member := range object.All() {
			n += members(member)
		}
	}
	return n
}

func (s *shape) fitsMap(object mcp.Object, left *budget) bool {
	if object.Len() > maxElements {
		return false
	}
	for name, v := range object.All() {
		list, _ := v.(mcp.Array)
		if !left.afford(name) || !left.spend(memberCost*len(list)) || !s.element.fitsValue(v, left) {
			return false
		}
	}
	return true
}

// fitsRecord looks at the members that the shape knows. An absent object is an empty one.
func (s *shape) fitsRecord(object mcp.Object, left *budget) bool {
	required := 0
	for name, v := range object.All() {
		f, known := s.fields[name]
		if !known {
			if _, leftOut := s.left[name]; s.closed && !leftOut {
				return false
			}
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
	switch s.kind {
	case shapeSet:
		list, _ := v.(mcp.Array)
		return a.elements(s.element, list)
	case shapeRecord:
		object, _ := v.(mcp.Object)
		record := types.RecordMap{}
		for name, member := range object.All() {
			if f, known := s.fields[name]; known {
				a.member(record, name, f, member)
			}
		}
		return types.NewRecord(record)
	case shapeChoice:
		choice := s.of(v)
		return types.NewRecord(types.RecordMap{choiceNames[choice.kind]: a.value(choice, v)})
	case shapeMap:
		return s.entity()
	}
	return s.scalar(v)
}

// scalar converts a value that fits a shape without parts.
func (s *shape) scalar(v mcp.Value) types.Value {
	switch v := v.(type) {
	case mcp.String:
		return types.String(v)
	case mcp.Bool:
		return types.Boolean(v)
	}
	if s.kind == shapeDecimal {
		d, _ := decimal(v)
		return d
	}
	whole, _ := long(v)
	return whole
}

// elements makes the set of a list that fits.
func (a *arguments) elements(s *shape, list mcp.Array) types.Set {
	switch s.kind {
	case shapeString:
		return a.set(texts(list))
	case shapeRecord, shapeChoice:
		values := make([]types.Value, len(list))
		for i, e := range list {
			values[i] = a.value(s, e)
		}
		set, ok := recordSet(values)
		if !ok {
			a.hostile = true
		}
		return set
	}
	values := make([]types.Value, len(list))
	for i, e := range list {
		values[i] = s.scalar(e)
	}
	return types.NewSet(values...) // the hash of a number or truth is its value: different ones never meet
}

// recordSet makes a set of records without sets in them. It refuses two different ones with one hash, as stringSet does.
func recordSet(values []types.Value) (types.Set, bool) {
	if len(values) > alwaysSmall {
		seen := make(map[uint64]types.Value, len(values))
		for _, v := range values {
			h := recordHash(v)
			if other, met := seen[h]; met && !other.Equal(v) {
				return types.Set{}, false
			}
			seen[h] = v
		}
	}
	return types.NewSet(values...), true
}

// recordHash is cedar-go's hash of a value without sets: of a record, that of its names and the hashes of its members.
func recordHash(v types.Value) uint64 {
	switch v := v.(type) {
	case types.String:
		return hash(v)
	case types.Long:
		return uint64(v) //nolint:gosec // the bits are meant
	case types.Boolean:
		if v {
			return 1
		}
		return 0
	case types.Decimal: // its ten-thousandths
		whole, fraction, _ := strings.Cut(v.String(), ".")
		n, _ := strconv.ParseInt(whole+fraction+"0000"[len(fraction):], 10, 64)
		return uint64(n) //nolint:gosec // the bits are meant
	case types.Record:
		if v.Len() > 0 {
			return hash(recordText(v))
		}
	}
	return 0
}

// recordText is what the hash of a record is made of.
func recordText(r types.Record) []byte {
	var text []byte
	for _, name := range slices.Sorted(r.Keys()) {
		member, _ := r.Get(name)
		text = append(text, name...)
		text = binary.LittleEndian.AppendUint64(text, recordHash(member))
	}
	return text
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
