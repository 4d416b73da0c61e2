package cedar

import (
	"maps"

	"countersign.dev/authz/mcp"
)

// remainder is what has to be judged of arguments that conform to a shape: what the shape sees to itself is left out. It
// is nil if nothing remains, as for most tools.
func (d *demand) remainder(s *shape) *demand {
	if d.covered(s) {
		return nil
	}
	if d.object == nil {
		return d
	}
	// Only the outermost demand is taken apart: a reference may lead to the others from somewhere else.
	rest, object := *d, *d.object
	rest.object, object.members = &object, maps.Clone(object.members)
	for name, member := range object.members {
		if member.is.covered(s.member(name)) {
			member.is = nil
			object.members[name] = member
		}
	}
	return &rest
}

// covered reports whether all values that conform to a shape, null too if it is nullable, meet d. It may say no although
// they do.
func (d *demand) covered(s *shape) bool {
	switch {
	case d == nil || d.asksNothing():
		return true
	case s == nil || d.never || d.number != nil || d.text != nil || d.all != nil || d.exactly != nil || d.not != nil ||
		d.condition != nil || d.doubtful():
		return false
	case d.unions != nil:
		return d.coveredOrNull(s)
	case s.nullable && (d.types != 0 && d.types&jsonNull == 0 || d.constants != nil && !d.constants.scalars[mcp.Value(mcp.Null{})]):
		return false
	}
	for _, one := range s.alternatives() {
		if !d.coveredAlone(one) {
			return false
		}
	}
	return true
}

// asksNothing reports whether every value meets d.
func (d *demand) asksNothing() bool {
	return !d.never && d.types == 0 && d.constants == nil && d.number == nil && d.text == nil && d.list == nil &&
		d.object == nil && d.all == nil && d.unions == nil && d.exactly == nil && d.not == nil && d.condition == nil &&
		!d.doubtful()
}

// doubtful reports whether there is something about d that cannot be told.
func (d *demand) doubtful() bool {
	for _, u := range d.untold {
		if u.types != 0 {
			return true
		}
	}
	return false
}

// coveredOrNull is covered for the usual way to allow null: as one of two alternatives.
func (d *demand) coveredOrNull(s *shape) bool {
	rest := *d
	if rest.unions = nil; !s.nullable || !rest.asksNothing() || len(d.unions) != 1 || len(d.unions[0]) != 2 {
		return false
	}
	a, b := d.unions[0][0], d.unions[0][1]
	if a.types == jsonNull {
		a, b = b, a
	}
	value, alone := *s, *b
	value.nullable, alone.types = false, 0
	return b.types == jsonNull && alone.asksNothing() && a.covered(&value)
}

// typesOfShapes has every type that all values of a shape have.
var typesOfShapes = map[shapeKind]jsonTypes{
	shapeString: jsonString, shapeLong: jsonInteger | jsonNumber, shapeBool: jsonBoolean, shapeDecimal: jsonNumber,
	shapeSet: jsonArray, shapeRecord: jsonObject, shapeMap: jsonObject,
}

// coveredAlone is covered for a shape that is no choice.
func (d *demand) coveredAlone(s *shape) bool {
	if d.types != 0 && d.types&typesOfShapes[s.kind] == 0 {
		return false
	}
	if d.constants != nil {
		if s.constants == nil {
			return false
		}
		for c := range s.constants {
			if !d.constants.scalars[c] {
				return false
			}
		}
	}
	switch s.kind {
	case shapeSet:
		l := d.list
		return l == nil || l.least < 0 && l.most < 0 && !l.unique && l.prefix == nil && l.contains == nil &&
			l.unevaluated == nil && l.items.covered(s.element)
	case shapeRecord, shapeMap:
		return d.object == nil || d.object.covered(s)
	}
	return true
}

func (d *objectDemand) covered(s *shape) bool {
	if d.least >= 0 || d.most >= 0 || d.patterns != nil || d.names != nil || d.together != nil || d.unevaluated != nil {
		return false
	}
	for name, member := range d.members {
		if member.required && !s.fields[name].required || !member.is.covered(s.member(name)) {
			return false
		}
	}
	switch {
	case d.others == nil || d.others.asksNothing():
		return true
	case s.kind == shapeMap:
		return len(d.members) == 0 && d.others.covered(s.element)
	case !d.others.never || !s.closed:
		return false
	}
	for name := range s.fields {
		if !d.members[name].declared {
			return false
		}
	}
	for name := range s.left {
		if !d.members[name].declared {
			return false
		}
	}
	return true
}
