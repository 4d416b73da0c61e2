package cedar

import (
	"cmp"
	"maps"
	"slices"

	"countersign.dev/authz/mcp"
)

// and combines what two keywords of one schema say. What has no shape gives way to what has one: it can only take
// values away.
func (v verdict) and(other verdict) verdict {
	switch {
	case v.shape != nil && other.shape != nil:
		return intersect(v.shape, other.shape)
	case other == verdict{} || v.shape != nil:
		return v
	case v == verdict{} || other.shape != nil:
		return other
	}
	return v
}

// or combines alternatives, each with a shape or null. The zero verdict stands for none yet.
func (v verdict) or(other verdict) verdict {
	switch {
	case v == verdict{}:
		return other
	case v.shape != nil && other.shape != nil:
		return unite(v.shape, other.shape)
	case v.null && other.null:
		return v
	case v.null:
		v = other
	}
	v.shape.nullable = true
	return v
}

// keep takes a type together with the only values that are allowed, and reports whether any of them has it.
func (v *verdict) keep(constants mcp.Array) bool {
	if v.null {
		return slices.ContainsFunc(constants, func(c mcp.Value) bool { return c == mcp.Value(mcp.Null{}) })
	}
	if v.shape == nil {
		return true
	}
	found := make(map[mcp.Value]bool)
	for _, c := range constants {
		if v.shape.admits(c) {
			found[constant(c)] = true
		}
	}
	if v.shape.kind <= shapeBool {
		delete(found, nil)
		v.shape.constants = found
	}
	return len(found) > 0
}

// constant returns what stands for a value among the constants of a shape; nil for what Cedar's scalars cannot be.
func constant(v mcp.Value) mcp.Value {
	switch v.(type) {
	case mcp.String, mcp.Bool:
		return v
	}
	if whole, ok := long(v); ok {
		return mcp.Int(whole)
	}
	return nil
}

// intersect returns the shape of the values that have both shapes, or more.
func intersect(a, b *shape) verdict {
	all := verdict{reason: "its types contradict each other"}
	for _, x := range a.alternatives() {
		for _, y := range b.alternatives() {
			both := meet(x, y)
			switch {
			case both == nil:
			case all.shape == nil:
				all = verdict{shape: both}
			default:
				all = all.or(verdict{shape: both})
			}
		}
	}
	if all.shape != nil {
		all.shape.nullable = a.nullable && b.nullable
	}
	return all
}

// meet is intersect for two alternatives; nil when no value has both.
func meet(a, b *shape) *shape {
	if a.kind > b.kind {
		a, b = b, a
	}
	switch {
	case a.kind == shapeLong && b.kind == shapeDecimal, a.kind == shapeRecord && b.kind == shapeMap:
		return a
	case a.kind != b.kind:
		return nil
	}
	switch a.kind {
	case shapeRecord:
		return meetRecords(a, b)
	case shapeSet, shapeMap:
		element := intersect(a.element, b.element).shape
		if element == nil || a.kind == shapeMap && !element.canBeTag() {
			return a // only the empty one has both
		}
		return &shape{kind: a.kind, element: element}
	case shapeDecimal:
		return a
	}
	both := *a
	switch {
	case a.constants == nil:
		both.constants = b.constants
	case b.constants != nil:
		both.constants = make(map[mcp.Value]bool)
		for c := range a.constants {
			if b.constants[c] {
				both.constants[c] = true
			}
		}
		if len(both.constants) == 0 {
			return nil
		}
	}
	return &both
}

func meetRecords(a, b *shape) *shape {
	both := &shape{
		kind: shapeRecord, fields: maps.Clone(a.fields), left: maps.Clone(a.left), others: cmp.Or(a.others, b.others),
	}
	for name, reason := range b.left {
		both.left[name] = reason
	}
	for name, f := range b.fields {
		other, twice := both.fields[name]
		if !twice {
			both.fields[name] = f
			continue
		}
		if read := intersect(f.shape, other.shape); read.shape != nil {
			both.fields[name] = field{read.shape, f.required || other.required}
		} else {
			delete(both.fields, name)
			both.left[name] = read.reason
		}
	}
	for name := range both.fields {
		delete(both.left, name)
	}
	return both
}

// unite returns the shape of the values that have one shape or the other.
func unite(a, b *shape) verdict {
	all := slices.Clone(a.alternatives())
	for _, y := range b.alternatives() {
		i := slices.IndexFunc(all, func(x *shape) bool { return alike(x, y) })
		if i < 0 {
			all = append(all, y)
			continue
		}
		joined, reason := joinAlike(all[i], y)
		if reason != "" {
			return verdict{reason: reason}
		}
		all[i] = joined
	}
	slices.SortFunc(all, func(x, y *shape) int { return cmp.Compare(x.kind, y.kind) })
	united := *all[0]
	if len(all) > 1 {
		united = shape{kind: shapeChoice, choices: all}
	}
	united.nullable = a.nullable || b.nullable
	return verdict{shape: &united}
}

// alike reports whether values of two alternatives look the same in JSON.
func alike(a, b *shape) bool {
	number := func(s *shape) bool { return s.kind == shapeLong || s.kind == shapeDecimal }
	object := func(s *shape) bool { return s.kind == shapeRecord || s.kind == shapeMap }
	return a.kind == b.kind || number(a) && number(b) || object(a) && object(b)
}

// joinAlike is unite for two alternatives that look the same in JSON.
func joinAlike(a, b *shape) (joined *shape, reason string) {
	if a.kind > b.kind {
		a, b = b, a
	}
	switch a.kind {
	case shapeRecord:
		if b.kind == shapeMap {
			return nil, "an object with known names or an object with any"
		}
		return joinRecords(a, b), ""
	case shapeSet, shapeMap:
		element := unite(a.element, b.element)
		switch {
		case element.shape == nil:
			return nil, element.reason
		case a.kind == shapeMap && !element.shape.canBeTag():
			return nil, "an object with any names, whose values have several types"
		}
		return &shape{kind: a.kind, element: element.shape}, ""
	}
	joined = &shape{kind: b.kind}
	if a.kind == b.kind && a.constants != nil && b.constants != nil {
		joined.constants = maps.Clone(a.constants)
		maps.Copy(joined.constants, b.constants)
	}
	return joined, ""
}

// joinRecords has the members of both. One that only one of them describes is optional; that the other, if it is not
// closed, could have it with another type is left to the check of each call.
func joinRecords(a, b *shape) *shape {
	both := &shape{
		kind: shapeRecord, fields: map[string]field{}, left: maps.Clone(a.left),
		others: cmp.Or(a.others, b.others), closed: a.closed && b.closed,
	}
	maps.Copy(both.left, b.left)
	add := func(from, other *shape) {
		for name, f := range from.fields {
			if _, left := both.left[name]; left {
				continue
			}
			g, twice := other.fields[name]
			if !twice {
				both.fields[name] = field{shape: f.shape}
				continue
			}
			if read := unite(f.shape, g.shape); read.shape != nil {
				both.fields[name] = field{read.shape, f.required && g.required}
			} else {
				both.left[name] = read.reason
				delete(both.fields, name)
			}
		}
	}
	add(a, b)
	add(b, a)
	return both
}

// restrictElement makes a shape that of the elements of a list. Elements need hashes that nobody can make meet: those of
// sets are sums, so no element has a set in it. The reason says why nothing is left.
func (s *shape) restrictElement() (reason string) {
	switch s.kind {
	case shapeSet:
		return "a list of lists"
	case shapeMap:
		return "a list of objects with any names"
	case shapeChoice:
		for _, choice := range s.choices {
			if reason := choice.restrictElement(); reason != "" {
				return reason
			}
		}
	case shapeRecord:
		for _, name := range slices.Sorted(maps.Keys(s.fields)) {
			if reason := s.fields[name].shape.restrictElement(); reason != "" {
				delete(s.fields, name)
				s.left[name] = reason + ", within a list"
			}
		}
		if len(s.fields) == 0 {
			return "a list of objects: " + s.firstLeft()
		}
	}
	return ""
}

// firstLeft returns the reason of the first member that was left out.
func (s *shape) firstLeft() string {
	for _, name := range slices.Sorted(maps.Keys(s.left)) {
		return name + ": " + s.left[name]
	}
	return "nothing is known of its members"
}
