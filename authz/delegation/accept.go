package delegation

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"countersign.dev/authz/mcp"
)

// Accepts reports whether the constraint lets a value pass. A constraint that [ParseConstraint] does not return accepts
// nothing.
func (c Constraint) Accepts(v mcp.Value) bool {
	switch c.Type {
	case Wildcard:
		return true
	case Exact:
		return equal(c.Value, v)
	case Range:
		return isNumber(v) && (c.Min != nil || c.Max != nil) &&
			(c.Min == nil || ordered(c.Min, v)) && (c.Max == nil || ordered(v, c.Max))
	case OneOf:
		return contains(c.Values, v)
	case NotOneOf:
		return len(c.Values) > 0 && !contains(c.Values, v)
	case Contains:
		array, ok := v.(mcp.Array)
		return ok && len(c.Values) > 0 && containsAll(array, c.Values)
	case Subset:
		array, ok := v.(mcp.Array)
		return ok && len(c.Values) > 0 && containsAll(c.Values, array)
	case All:
		return len(c.Constraints) > 0 &&
			!slices.ContainsFunc(c.Constraints, func(i Constraint) bool { return !i.Accepts(v) })
	case Any:
		return slices.ContainsFunc(c.Constraints, func(i Constraint) bool { return i.Accepts(v) })
	default:
		return false
	}
}

// Subsumes reports whether derived is provably not wider than c: all that derived accepts, c accepts. It knows the
// pairs of types below and says no to all others, also where it could be proven (rule R7 of the profile):
//
//	wildcard    over anything
//	exact       over exact
//	range       over a range inside it, or an exact number inside it
//	one_of      over one_of with fewer values, or exact with one of them
//	not_one_of  over not_one_of with more values
//	contains    over contains with more values
//	subset      over subset with fewer values
//	all         over all, if each of its constraints subsumes one of derived's
//	any         over any, if each of derived's is subsumed by one of its constraints
//
// Optional is not looked at; see [Arguments.Subsumes].
func (c Constraint) Subsumes(derived Constraint) bool {
	switch {
	case c.Type == Wildcard:
		return true
	case c.Type != derived.Type:
		return derived.Type == Exact && (c.Type == Range || c.Type == OneOf) && c.Accepts(derived.Value)
	}
	switch c.Type {
	case Exact:
		return equal(c.Value, derived.Value)
	case Range:
		return (c.Min == nil || derived.Min != nil && ordered(c.Min, derived.Min)) &&
			(c.Max == nil || derived.Max != nil && ordered(derived.Max, c.Max))
	case OneOf, Subset:
		return containsAll(c.Values, derived.Values)
	case NotOneOf, Contains:
		return containsAll(derived.Values, c.Values)
	case All:
		return len(c.Constraints) > 0 && !slices.ContainsFunc(c.Constraints, func(mine Constraint) bool {
			return !slices.ContainsFunc(derived.Constraints, mine.Subsumes)
		})
	case Any:
		return !slices.ContainsFunc(derived.Constraints, func(theirs Constraint) bool {
			return !slices.ContainsFunc(c.Constraints, func(mine Constraint) bool { return mine.Subsumes(theirs) })
		})
	default:
		return false
	}
}

// Arguments are the constraints of one tool, by the name of the argument. The name "*" stands for all arguments that
// are not listed; its constraint is a wildcard. Without it an argument that is not listed is refused. One that is
// listed must be there, unless its constraint is optional.
type Arguments map[string]Constraint

// Accepts returns the name of the first argument, in order, that the constraints do not let pass, and why. It returns
// "" if all pass.
func (a Arguments) Accepts(call mcp.Object) (argument, why string) {
	for name, value := range call.All() {
		c, ok := a.lookup(name)
		if !ok {
			return name, "is not granted"
		}
		if !c.Accepts(value) {
			return name, "has a value that is not granted"
		}
	}
	for _, name := range a.names() {
		if _, present := call.Get(name); !present && name != wildcard && !a[name].Optional {
			return name, "is missing, and the delegation demands it"
		}
	}
	return "", ""
}

// lookup finds the constraint of an argument. Another spelling of a listed name is not just any other argument: a
// backend that ignores case would read it as the listed one.
func (a Arguments) lookup(name string) (Constraint, bool) {
	if c, ok := a[name]; ok && name != wildcard {
		return c, true
	}
	rest, ok := a[wildcard]
	if !ok {
		return rest, false
	}
	for listed := range a {
		if strings.EqualFold(listed, name) && listed != wildcard {
			return rest, false
		}
	}
	return rest, true
}

// Subsumes reports whether derived is provably not wider than a: every call that derived accepts, a accepts.
func (a Arguments) Subsumes(derived Arguments) bool {
	_, open := derived[wildcard]
	for name, mine := range a {
		theirs, listed := derived[name]
		switch {
		case name == wildcard:
		case !listed:
			// Left out it can not be passed, so it must be optional; and it must not slip through as one of the rest.
			if open || !mine.Optional {
				return false
			}
		case !mine.Subsumes(theirs) || theirs.Optional && !mine.Optional:
			return false
		}
	}
	for name, theirs := range derived {
		if name == wildcard {
			if _, ok := a[wildcard]; !ok {
				return false
			}
			continue
		}
		if mine, ok := a.lookup(name); !ok || !mine.Subsumes(theirs) {
			return false
		}
	}
	return true
}

// equal compares JSON values, and numbers by what they denote: a backend may not tell 5 from 5.0, so a constraint must
// not either.
func equal(a, b mcp.Value) bool {
	switch a := a.(type) {
	case mcp.Int, mcp.Float:
		return isNumber(b) && ordered(a, b) && ordered(b, a)
	case mcp.Array:
		b, ok := b.(mcp.Array)
		return ok && slices.EqualFunc(a, b, equal)
	case mcp.Object:
		b, ok := b.(mcp.Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for name, value := range a.All() {
			if other, ok := b.Get(name); !ok || !equal(value, other) {
				return false
			}
		}
		return true
	case nil:
		return false
	default:
		return mcp.Equal(a, b)
	}
}

func contains(list []mcp.Value, v mcp.Value) bool {
	return slices.ContainsFunc(list, func(element mcp.Value) bool { return equal(element, v) })
}

// containsAll reports whether list has all of values.
func containsAll(list, values []mcp.Value) bool {
	return !slices.ContainsFunc(values, func(v mcp.Value) bool { return !contains(list, v) })
}

// isNumber reports whether v is a number that can be compared.
func isNumber(v mcp.Value) bool {
	f, isFloat := v.(mcp.Float)
	_, isInt := v.(mcp.Int)
	return isInt || isFloat && !math.IsNaN(float64(f))
}

// ordered reports whether a ≤ b for two numbers, exactly: an int64 does not fit into a float64.
func ordered(a, b mcp.Value) bool {
	switch a := a.(type) {
	case mcp.Int:
		switch b := b.(type) {
		case mcp.Int:
			return a <= b
		case mcp.Float:
			return !math.IsNaN(float64(b)) && compare(int64(a), float64(b)) <= 0
		}
	case mcp.Float:
		switch b := b.(type) {
		case mcp.Int:
			return !math.IsNaN(float64(a)) && compare(int64(b), float64(a)) >= 0
		case mcp.Float:
			return a <= b
		}
	}
	return false
}

// compare compares i with f, which is not NaN.
func compare(i int64, f float64) int {
	const limit = 1 << 63 // the first float64 above and, negated, the last one among the values of int64
	switch {
	case f >= limit:
		return -1
	case f < -limit:
		return 1
	}
	whole, fraction := math.Modf(f)
	if c := cmp.Compare(i, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(0, fraction)
}
