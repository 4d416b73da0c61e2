package cedar

import (
	"fmt"

	"countersign.dev/authz/mcp"
)

// demand is what a JSON Schema (2020-12) asks of a value, all of it: a shape has only what Cedar can express. Values are
// judged in the three-valued logic of Kleene, because there are keywords that we cannot judge.
type demand struct {
	never     bool      // the schema false
	types     jsonTypes // zero for any
	constants *constants
	number    *numberDemand
	text      *textDemand
	list      *listDemand
	object    *objectDemand
	all       []*demand   // of allOf, and what a reference leads to; it can be this demand itself
	unions    [][]*demand // of anyOf
	exactly   []*demand   // of oneOf; nil without
	not       *demand
	condition *conditionDemand
	untold    []untoldDemand
}

type conditionDemand struct{ when, then, otherwise *demand }

// untoldDemand is something that we cannot judge of values of some types.
type untoldDemand struct {
	types  jsonTypes
	reason string
}

// jsonTypes is a set of types of JSON.
type jsonTypes uint8

const (
	jsonNull jsonTypes = 1 << iota
	jsonBoolean
	jsonInteger // which is a number, too
	jsonNumber
	jsonString
	jsonArray
	jsonObject
	jsonAny jsonTypes = 0xff
)

// typesOf are the names that a value's type has. An integer may be written 1.0 (2020-12, validation, section 6.1.1).
func typesOf(v mcp.Value) jsonTypes {
	switch v := v.(type) {
	case mcp.Null:
		return jsonNull
	case mcp.Bool:
		return jsonBoolean
	case mcp.Int:
		return jsonInteger | jsonNumber
	case mcp.Float:
		if whole(v) {
			return jsonInteger | jsonNumber
		}
		return jsonNumber
	case mcp.String:
		return jsonString
	case mcp.Array:
		return jsonArray
	}
	return jsonObject
}

// standing is what is known of a value. A greater one outweighs a lesser one where all have to be met.
type standing int

const (
	met      standing = iota
	outside           // it cannot be told, and the value is not in context.input
	untold            // it cannot be told of a value in context.input
	violated          // the schema forbids it
)

// opposite is that of a schema behind "not".
func (o standing) opposite() standing {
	switch o {
	case met:
		return violated
	case violated:
		return met
	}
	return o
}

// The maxima of one look at a call.
const (
	maxJudged      = 500       // demands within demands
	maxWork        = 1 << 17   // what all of it may cost: about 8 ns each
	costOfDemand   = 4         // to look at one
	costOfNumber   = 100       // to compute with one exactly
	maxPattern     = 1024      // bytes of a pattern
	maxPatternSize = 1000      // its parts, repetitions written out
	maxUntold      = 100       // lines of a report
	maxConstants   = 256 << 10 // bytes that are written to compare lists and objects, or to find two that are the same
)

// judge looks at one call.
type judge struct {
	left  int     // of maxWork
	text  int     // of maxConstants
	depth int     // of maxJudged
	found *breach // what is violated, if somebody wants to know
}

// breach says where a value violates what, the last part of the path first.
type breach struct {
	path []string
	text string
}

// examine reports whether arguments have the types that policies were validated against and violate nothing that we can
// judge, so that they can be asked about as the typed action; and whether they are known to meet the schema.
func (s *shape) examine(sent mcp.Object) (fit, meets bool) {
	switch {
	case !s.conforms(sent):
		return false, false
	case s.rest == nil:
		return true, true
	}
	found := s.judged(s.rest, sent, nil)
	return found <= outside, found == met
}

// fits reports whether arguments can be asked about as the typed action.
func (s *shape) fits(sent mcp.Object) bool {
	fit, _ := s.examine(sent)
	return fit
}

// fitsAll reports whether there are no arguments that do not fit.
func (s *shape) fitsAll() bool { return len(s.fields) == 0 && !s.closed && s.rest == nil }

func (s *shape) judged(d *demand, sent mcp.Object, found *breach) standing {
	j := judge{left: maxWork, text: maxConstants, found: found}
	o := j.of(d, sent, s)
	if j.left < 0 {
		return untold
	}
	return o
}

// spend accounts for work. When there was too much of it, nothing can be told any more.
func (j *judge) spend(n int) bool {
	j.left -= n
	return j.left >= 0
}

// doubt is the standing for a value about which something cannot be told.
func doubt(s *shape) standing {
	if s == nil {
		return outside
	}
	return untold
}

// breach notes what is violated.
func (j *judge) breach(format string, args ...any) standing {
	if j.found != nil {
		*j.found = breach{text: fmt.Sprintf(format, args...)}
	}
	return violated
}

// jsonWords says what a value is, when somebody wants to know.
type jsonWords struct{ value mcp.Value }

// String implements [fmt.Stringer].
func (w jsonWords) String() string { return jsonText(w.value) }

// below notes the member or element in which something is violated.
func (j *judge) below(name string) {
	if j.found != nil {
		j.found.path = append(j.found.path, name)
	}
}

// of judges a value. The shape is that which the value has in context.input; nil if it is not there.
func (j *judge) of(d *demand, v mcp.Value, s *shape) standing {
	if d == nil {
		return met
	}
	if j.depth == maxJudged || !j.spend(costOfDemand) {
		return doubt(s)
	}
	j.depth++
	defer func() { j.depth-- }()
	if s != nil && s.kind == shapeChoice {
		s = s.of(v)
	}
	kind := typesOf(v)
	switch {
	case d.never:
		return j.breach("is not allowed")
	case d.types != 0 && d.types&kind == 0:
		return j.breach("is %v, which its schema does not allow", jsonWords{v})
	}
	all := j.own(d, v, s)
	for _, u := range d.untold {
		if u.types&kind != 0 {
			all = max(all, doubt(s))
		}
	}
	for _, part := range d.all {
		if all == violated {
			break
		}
		all = max(all, j.of(part, v, s))
	}
	if all == violated {
		return violated
	}
	return max(all, j.logic(d, v, s))
}

// own judges a value by the keywords of its type.
func (j *judge) own(d *demand, v mcp.Value, s *shape) standing {
	all := met
	if d.constants != nil {
		all = j.constant(d.constants, v, s)
	}
	if all == violated {
		return violated
	}
	switch v := v.(type) {
	case mcp.Int, mcp.Float:
		if d.number != nil {
			all = max(all, j.number(d.number, v, s))
		}
	case mcp.String:
		if d.text != nil {
			all = max(all, j.string(d.text, string(v), s))
		}
	case mcp.Array:
		if d.list != nil {
			all = max(all, j.array(d.list, v, s))
		}
	case mcp.Object:
		if d.object != nil {
			all = max(all, j.object(d.object, v, s))
		}
	}
	return all
}

// logic judges a value by alternatives, negation and conditions (2020-12, core, section 10.2).
func (j *judge) logic(d *demand, v mcp.Value, s *shape) standing {
	all := met
	for _, union := range d.unions {
		if all = max(all, j.union(union, v, s)); all == violated {
			return violated
		}
	}
	if d.exactly != nil {
		all = max(all, j.exactly(d.exactly, v, s))
	}
	if d.not != nil && all != violated {
		if o := j.of(d.not, v, s).opposite(); o == violated {
			return j.breach("has what its schema excludes with \"not\"")
		} else if o != met {
			all = max(all, o)
		}
	}
	if d.condition != nil && all != violated {
		all = max(all, j.conditional(d.condition, v, s))
	}
	return all
}

func (j *judge) union(union []*demand, v mcp.Value, s *shape) standing {
	best := violated
	for _, part := range union {
		if best = min(best, j.of(part, v, s)); best == met {
			return met
		}
	}
	if best == violated {
		return j.breach("is none of the alternatives that its schema has")
	}
	return best
}

func (j *judge) exactly(union []*demand, v mcp.Value, s *shape) standing {
	good, doubts := 0, met
	for _, part := range union {
		switch o := j.of(part, v, s); o {
		case met:
			good++
		case violated:
		default:
			doubts = max(doubts, o)
		}
	}
	switch {
	case good > 1:
		return j.breach("is more than one of the alternatives of which its schema wants exactly one")
	case doubts != met:
		return doubts
	case good == 0:
		return j.breach("is none of the alternatives that its schema has")
	}
	return met
}

func (j *judge) conditional(c *conditionDemand, v mcp.Value, s *shape) standing {
	switch when := j.of(c.when, v, s); when {
	case met:
		return j.of(c.then, v, s)
	case violated:
		return j.of(c.otherwise, v, s)
	default:
		a, b := j.of(c.then, v, s), j.of(c.otherwise, v, s)
		if a == violated && b == violated || a == met && b == met {
			return a
		}
		return when
	}
}
