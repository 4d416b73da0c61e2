package cedar

import (
	"maps"
	"math/big"
	"slices"
	"strings"

	"countersign.dev/authz/mcp"
)

// FittingArguments returns arguments that fit the schema of a pinned tool, with little more than it requires, as JSON, so
// that calling it with them is asked about as its typed action; false if the tool is not pinned. A schema that asks for
// what is hard to guess, such as a pattern, they may not meet.
func (s *Snapshot) FittingArguments(server, tool string) (arguments []byte, pinned bool) {
	p := s.pins[server][tool]
	if p == nil {
		return nil, false
	}
	return p.input.smallestRecord().AppendJSON(nil), true
}

func (s *shape) smallestRecord() mcp.Object {
	g := guess{left: maxGuesses}
	sent, _ := g.value([]*demand{s.asks}, s).(mcp.Object)
	if sent.IsZero() {
		return mcp.NewObject()
	}
	return sent
}

// maxGuesses bounds how many values are tried.
const maxGuesses = 500

// guess looks for small values that meet demands.
type guess struct{ left int }

// value returns a value that all demands are met by, if it finds one.
func (g *guess) value(all []*demand, s *shape) mcp.Value {
	all = together(all)
	if g.left--; g.left < 0 {
		return mcp.Null{}
	}
	for _, d := range all {
		for _, union := range append(slices.Clone(d.unions), d.exactly) {
			for _, part := range union {
				alone := *d
				alone.unions, alone.exactly = nil, nil
				others := append(slices.DeleteFunc(slices.Clone(all), func(other *demand) bool { return other == d }), &alone, part)
				if v := g.value(others, s); g.fits(all, v, s) {
					return v
				}
			}
		}
	}
	for _, v := range g.candidates(all, s) {
		if g.fits(all, v, s) {
			return v
		}
	}
	return mcp.Null{}
}

// together adds what demands refer to.
func together(all []*demand) []*demand {
	var found []*demand
	for len(all) > 0 {
		d := all[0]
		all = all[1:]
		if d != nil && !slices.Contains(found, d) {
			found = append(found, d)
			all = slices.Concat(all, d.all)
		}
	}
	return found
}

func (g *guess) fits(all []*demand, v mcp.Value, s *shape) bool {
	j := judge{left: maxWork, text: maxConstants}
	for _, d := range all {
		if j.of(d, v, s) > outside {
			return false
		}
	}
	left := budget(maxText)
	_, null := v.(mcp.Null)
	return s == nil || null && s.nullable || s.fitsValue(v, &left)
}

// candidates are values of every type, the smallest of it that most demands are met by, and the constants.
func (g *guess) candidates(all []*demand, s *shape) []mcp.Value {
	var found []mcp.Value
	characters, elements := 0, 0
	whole := []mcp.Value{mcp.Int(0), mcp.Int(1)}
	for _, d := range all {
		if d.constants != nil {
			found = append(found, slices.SortedFunc(slices.Values(d.constants.all), func(a, b mcp.Value) int {
				return strings.Compare(jsonOf(a), jsonOf(b))
			})...)
		}
		if d.text != nil {
			characters = max(characters, min(d.text.least, maxText))
		}
		if d.list != nil {
			elements = max(elements, min(d.list.least, maxElements))
		}
		if n := d.number; n != nil {
			whole = append(whole, near(n.least), near(n.above), near(n.most), near(n.below), near(n.multipleOf))
		}
	}
	found = append(found, mcp.Null{}, mcp.Bool(false), mcp.String(strings.Repeat("a", characters)))
	for _, n := range whole {
		if i, ok := n.(mcp.Int); ok {
			found = append(found, i, i+1, i-1)
		}
	}
	return append(found, g.object(all, s), g.list(all, elements, s))
}

// near is an integer that is close to a bound.
func near(b *bound) mcp.Value {
	if b == nil {
		return nil
	}
	if n := new(big.Int).Quo(b.exact.Num(), b.exact.Denom()); n.IsInt64() {
		return mcp.Int(n.Int64())
	}
	return nil
}

func (g *guess) list(all []*demand, elements int, s *shape) mcp.Value {
	var element *shape
	if s != nil && s.kind == shapeSet {
		element = s.element
	}
	list := make(mcp.Array, 0, elements)
	for i := range elements {
		var parts []*demand
		for _, d := range all {
			switch {
			case d.list == nil:
			case i < len(d.list.prefix):
				parts = append(parts, d.list.prefix[i])
			default:
				parts = append(parts, d.list.items, d.list.contains)
			}
		}
		list = append(list, g.value(parts, element))
	}
	return list
}

func (g *guess) object(all []*demand, s *shape) mcp.Value {
	parts := map[string][]*demand{}
	for _, d := range all {
		if d.object == nil {
			continue
		}
		for _, name := range d.object.required {
			parts[name] = nil
		}
	}
	for name := range parts {
		for _, d := range all {
			if d.object == nil {
				continue
			}
			is := d.object.others
			if member := d.object.members[name]; member.declared {
				is = member.is
			}
			parts[name] = append(parts[name], is)
		}
	}
	var members []mcp.Member
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		members = append(members, mcp.Member{Name: name, Value: g.value(parts[name], s.in(name))})
	}
	return mcp.NewObject(members...)
}

// in is the shape of a member of a record, or of one of the alternatives.
func (s *shape) in(name string) *shape {
	if s == nil || s.kind != shapeChoice {
		return s.member(name)
	}
	return s.of(mcp.NewObject()).member(name)
}

// jsonOf is a value as JSON.
func jsonOf(v mcp.Value) string {
	text := mcp.NewObject(mcp.Member{Name: "", Value: v}).AppendJSON(nil)
	return string(text[len(`{"":`) : len(text)-1])
}
