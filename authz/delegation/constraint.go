package delegation

import (
	"errors"
	"fmt"
	"slices"

	"countersign.dev/authz/mcp"
)

// Constraint limits one argument of a tool. In JSON it is an object with a type and the members of that type:
//
//	{"type":"wildcard"}                                  any value
//	{"type":"exact","value":v}                           the value v
//	{"type":"range","min":0,"max":500}                   a number from min to max, both included; one may be absent
//	{"type":"one_of","values":[v,…]}                     one of these values
//	{"type":"not_one_of","values":[v,…]}                 any value but these
//	{"type":"contains","values":[v,…]}                   an array with all of these, and any other, elements
//	{"type":"subset","values":[v,…]}                     an array with no other elements than these
//	{"type":"all","constraints":[c,…]}                   what all of these constraints accept
//	{"type":"any","constraints":[c,…]}                   what at least one of these constraints accepts
//
// Lists are not empty. Numbers are compared by value, so 5 and 5.0 are equal; everything else by type and value.
// The outermost constraint may have "optional":true: the argument may be left out. The language is that of
// draft-niyikiza-oauth-attenuating-agent-tokens-02, section 3.4, without patterns.
type Constraint struct {
	// Type is the name of the constraint type.
	Type ConstraintType
	// Value belongs to exact.
	Value mcp.Value
	// Min and Max belong to range: an [mcp.Int] or [mcp.Float], nil if absent.
	Min, Max mcp.Value
	// Values belongs to one_of, not_one_of, contains and subset.
	Values []mcp.Value
	// Constraints belongs to all and any.
	Constraints []Constraint
	// Optional lets the argument be left out.
	Optional bool
}

// ConstraintType is the type of a [Constraint].
type ConstraintType string

// The constraint types.
const (
	Wildcard ConstraintType = "wildcard"
	Exact    ConstraintType = "exact"
	Range    ConstraintType = "range"
	OneOf    ConstraintType = "one_of"
	NotOneOf ConstraintType = "not_one_of"
	Contains ConstraintType = "contains"
	Subset   ConstraintType = "subset"
	All      ConstraintType = "all"
	Any      ConstraintType = "any"
)

// ParseConstraint reads the JSON text of a constraint. Everything that the grammar does not list is an error.
func ParseConstraint(text []byte) (Constraint, error) {
	o, err := mcp.ParseObject(text)
	if err != nil {
		return Constraint{}, fmt.Errorf("parsing a constraint: %w", err)
	}
	if n := nesting(o); n > MaxNesting {
		return Constraint{}, fmt.Errorf("a constraint with %d levels of nesting: at most %d", n, MaxNesting)
	}
	return readConstraint(o, true)
}

func readConstraint(v mcp.Value, outermost bool) (Constraint, error) {
	o, ok := v.(mcp.Object)
	if !ok {
		return Constraint{}, errors.New("a constraint is not an object")
	}
	m := members{object: o, where: "constraint"}
	c := Constraint{Type: ConstraintType(m.text("type", MaxIdentifier))}
	switch c.Type {
	case Wildcard:
	case Exact:
		c.Value = m.required("value")
	case Range:
		c.Min, c.Max = m.bound("min"), m.bound("max")
		if c.Min == nil && c.Max == nil {
			m.fail("range", "has neither min nor max")
		} else if c.Min != nil && c.Max != nil && !ordered(c.Min, c.Max) {
			m.fail("range", "has a min that is greater than its max")
		}
	case OneOf, NotOneOf, Contains, Subset:
		c.Values = m.list("values")
	case All, Any:
		for _, element := range m.list("constraints") {
			inner, err := readConstraint(element, false)
			m.adopt(err)
			c.Constraints = append(c.Constraints, inner)
		}
	default:
		m.fail("type", "%.80q is unknown", string(c.Type))
	}
	if optional, ok := m.optional("optional"); ok {
		if c.Optional = outermost && optional == mcp.Bool(true); !c.Optional {
			m.fail("optional", "is not true, or not in the outermost constraint")
		}
	}
	return c, m.close()
}

func (m *members) bound(name string) mcp.Value {
	v, ok := m.optional(name)
	if !ok {
		return nil
	}
	if !isNumber(v) {
		m.fail(name, "is not a number")
		return nil
	}
	return v
}

func (m *members) list(name string) []mcp.Value {
	values, ok := m.required(name).(mcp.Array)
	if !ok || len(values) == 0 || len(values) > MaxValues {
		m.fail(name, "is not an array of 1 to %d elements", MaxValues)
		return nil
	}
	return slices.Clone(values)
}

// object is the JSON form.
func (c Constraint) object() mcp.Object {
	written := []mcp.Member{{Name: "type", Value: mcp.String(c.Type)}}
	add := func(name string, v mcp.Value) { written = append(written, mcp.Member{Name: name, Value: v}) }
	if c.Type == Exact {
		add("value", c.Value)
	}
	if c.Min != nil {
		add("min", c.Min)
	}
	if c.Max != nil {
		add("max", c.Max)
	}
	if c.Values != nil {
		add("values", mcp.Array(c.Values))
	}
	if c.Constraints != nil {
		inner := make(mcp.Array, 0, len(c.Constraints))
		for _, i := range c.Constraints {
			inner = append(inner, i.object())
		}
		add("constraints", inner)
	}
	if c.Optional {
		add("optional", mcp.Bool(true))
	}
	return mcp.NewObject(written...)
}

// MarshalJSON returns the JSON text of the constraint. What [ParseConstraint] reads from it is the same constraint.
func (c Constraint) MarshalJSON() ([]byte, error) { return c.object().AppendJSON(nil), nil }
