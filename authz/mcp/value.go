package mcp

import (
	"iter"
	"slices"
	"strings"
)

// Value is a JSON value (RFC 8259): [Null], [Bool], [Int], [Float], [String], [Array] or [Object].
type Value interface{ value() }

// Null is the JSON literal null.
type Null struct{}

// Bool is true or false.
type Bool bool

// Int is a number written without fraction and exponent.
type Int int64

// Float is a number written with a fraction or an exponent, also where it denotes an integer: 1.0 is a Float.
type Float float64

// String is a JSON string, decoded. It is valid UTF-8.
type String string

// Array is a JSON array.
type Array []Value

// Object is a JSON object whose members keep the order in which they came. It is immutable. The zero Object stands for
// an absent one; an empty one is present and not zero.
type Object struct{ members []Member }

// Member is one name and value of an [Object].
type Member struct {
	Name  string
	Value Value
}

func (Null) value()   {}
func (Bool) value()   {}
func (Int) value()    {}
func (Float) value()  {}
func (String) value() {}
func (Array) value()  {}
func (Object) value() {}

// NewObject returns an object with the given members. Of two members with one name the later is kept, in the place of
// the earlier. A nil value becomes [Null].
func NewObject(members ...Member) Object {
	kept := make([]Member, 0, len(members))
	index := make(map[string]int, len(members))
	for _, m := range members {
		if m.Value == nil {
			m.Value = Null{}
		}
		if i, seen := index[m.Name]; seen {
			kept[i] = m
			continue
		}
		index[m.Name] = len(kept)
		kept = append(kept, m)
	}
	return Object{kept}
}

// IsZero reports whether the object is absent.
func (o Object) IsZero() bool { return o.members == nil }

// Len returns the number of members.
func (o Object) Len() int { return len(o.members) }

// Get returns the value of the member with exactly this name.
func (o Object) Get(name string) (Value, bool) {
	for i := range o.members {
		if o.members[i].Name == name {
			return o.members[i].Value, true
		}
	}
	return nil, false
}

// All returns the members in order.
func (o Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, m := range o.members {
			if !yield(m.Name, m.Value) {
				return
			}
		}
	}
}

// Equal reports whether two objects have the same members, in any order. Int and Float are never equal. An absent
// object equals only an absent one.
func (o Object) Equal(other Object) bool {
	if o.IsZero() != other.IsZero() || o.Len() != other.Len() {
		return false
	}
	a, b := sorted(o.members), sorted(other.members)
	return slices.EqualFunc(a, b, func(x, y Member) bool { return x.Name == y.Name && Equal(x.Value, y.Value) })
}

func sorted(members []Member) []Member {
	return slices.SortedFunc(slices.Values(members), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
}

// Equal reports whether two values are of one type and equal; see [Object.Equal].
func Equal(a, b Value) bool {
	switch a := a.(type) {
	case Array:
		b, ok := b.(Array)
		return ok && slices.EqualFunc(a, b, Equal)
	case Object:
		b, ok := b.(Object)
		return ok && a.Equal(b)
	}
	switch b.(type) {
	case Array, Object:
		return false
	}
	return a == b
}
