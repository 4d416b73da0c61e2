package cedar

import (
	"cmp"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign.dev/authz/mcp"
)

// numberDemand has the bounds of a number, exactly. Those that are not there are nil.
type numberDemand struct{ least, most, above, below, multipleOf *bound }

// bound is a number to compare others with.
type bound struct {
	exact *big.Rat
	fast  fast
}

// fast is a number that can be compared without exact arithmetic. Every number that is read is written like the shortest
// decimal of a binary64, or is an integer: two of them are in the order of their binary64 values, if these hold integers
// exactly.
type fast struct {
	whole   int64
	isInt   bool
	float   float64
	isFloat bool
}

func newFast(v mcp.Value) fast {
	switch v := v.(type) {
	case mcp.Int:
		return fast{int64(v), true, float64(v), v > -1<<53 && v < 1<<53}
	case mcp.Float:
		return fast{0, false, float64(v), true}
	}
	return fast{}
}

// whole reports whether a number is an integer. From 2^53 on every binary64 is.
func whole(f mcp.Float) bool { return float64(f) == math.Trunc(float64(f)) }

// exact is the number that was written: the shortest decimal that denotes a Float, which is the only one that is read.
func exact(v mcp.Value) *big.Rat {
	switch v := v.(type) {
	case mcp.Int:
		return new(big.Rat).SetInt64(int64(v))
	case mcp.Float:
		if r, ok := new(big.Rat).SetString(strconv.FormatFloat(float64(v), 'g', -1, 64)); ok {
			return r
		}
	}
	return nil
}

// number compares a number with its bounds (2020-12, validation, section 6.2).
func (j *judge) number(d *numberDemand, v mcp.Value, s *shape) standing {
	n := measured{fast: newFast(v)}
	if !n.measure(j, v, d) {
		return doubt(s)
	}
	switch {
	case d.least != nil && n.cmp(d.least) < 0:
		return j.breach("is less than %v", d.least)
	case d.most != nil && n.cmp(d.most) > 0:
		return j.breach("is more than %v", d.most)
	case d.above != nil && n.cmp(d.above) <= 0:
		return j.breach("is not more than %v", d.above)
	case d.below != nil && n.cmp(d.below) >= 0:
		return j.breach("is not less than %v", d.below)
	case d.multipleOf != nil && !n.multiple(d.multipleOf):
		return j.breach("is no multiple of %v", d.multipleOf)
	}
	return met
}

// String writes a bound as a decimal.
func (b *bound) String() string {
	return strings.TrimSuffix(strings.TrimRight(b.exact.FloatString(20), "0"), ".")
}

// measured is a number that was sent. It is made exact if it must be.
type measured struct {
	exact *big.Rat
	fast  fast
}

// measure makes a number exact if one of the bounds needs it.
func (n *measured) measure(j *judge, v mcp.Value, d *numberDemand) bool {
	for _, b := range []*bound{d.least, d.most, d.above, d.below} {
		if b == nil || n.fast.comparable(b.fast) {
			continue
		}
		if !j.spend(costOfNumber+bits(b.exact)) || !n.makeExact(j, v) {
			return false
		}
	}
	b := d.multipleOf
	return b == nil || n.fast.isInt && b.fast.isInt || j.spend(2*costOfNumber+bits(b.exact)) && n.makeExact(j, v)
}

func (n *measured) makeExact(j *judge, v mcp.Value) bool {
	if n.exact == nil {
		n.exact = exact(v)
	}
	return n.exact != nil && j.spend(bits(n.exact))
}

// bits is about what it takes to compute with a number.
func bits(r *big.Rat) int { return (r.Num().BitLen() + r.Denom().BitLen()) / 4 }

func (f fast) comparable(other fast) bool {
	return f.isInt && other.isInt || f.isFloat && other.isFloat
}

func (n *measured) cmp(b *bound) int {
	switch {
	case n.fast.isInt && b.fast.isInt:
		return cmp.Compare(n.fast.whole, b.fast.whole)
	case n.fast.comparable(b.fast):
		return cmp.Compare(n.fast.float, b.fast.float)
	}
	return n.exact.Cmp(b.exact)
}

func (n *measured) multiple(b *bound) bool {
	if n.fast.isInt && b.fast.isInt {
		return n.fast.whole%b.fast.whole == 0
	}
	return new(big.Rat).Quo(n.exact, b.exact).IsInt()
}

// textDemand has the bounds of a string, in code points.
type textDemand struct {
	least, most int // -1 without
	pattern     *pattern
}

func (j *judge) string(d *textDemand, text string, s *shape) standing {
	if !j.spend(len(text) / 16) {
		return doubt(s)
	}
	if d.least >= 0 || d.most >= 0 {
		switch n := utf8.RuneCountInString(text); {
		case n < d.least:
			return j.breach("has %d characters, fewer than %d", n, d.least)
		case d.most >= 0 && n > d.most:
			return j.breach("has %d characters, more than %d", n, d.most)
		}
	}
	if d.pattern == nil {
		return met
	}
	switch matches, told := j.matches(d.pattern, text); {
	case !told:
		return doubt(s)
	case !matches:
		return j.breach("does not match the pattern %v", d.pattern)
	}
	return met
}

// constants are the only values that there are. Numbers are the same however they are written.
type constants struct {
	scalars  map[mcp.Value]bool
	composed map[string]bool // lists and objects, as JSON with sorted members
	all      mcp.Array
}

// String lists the values.
func (c *constants) String() string {
	all := make([]string, len(c.all))
	for i, v := range c.all {
		all[i] = jsonOf(v)
	}
	slices.Sort(all)
	return listed(slices.Compact(all))
}

func (j *judge) constant(c *constants, v mcp.Value, s *shape) standing {
	found := false
	switch v.(type) {
	case mcp.Array, mcp.Object:
		if len(c.composed) == 0 {
			break
		}
		text, ok := j.write(v)
		if !ok {
			return doubt(s)
		}
		found = c.composed[text]
	default:
		found = c.scalars[oneNumber(v)]
	}
	if !found {
		return j.breach("is none of the values that the schema has: %v", c)
	}
	return met
}

// oneNumber returns one value for all ways to write a number.
func oneNumber(v mcp.Value) mcp.Value {
	f, ok := v.(mcp.Float)
	if !ok || !whole(f) || math.Abs(float64(f)) >= 1<<64 {
		return v
	}
	if math.Abs(float64(f)) < 1<<53 {
		return mcp.Int(f)
	}
	if n := exact(v).Num(); n.IsInt64() {
		return mcp.Int(n.Int64())
	}
	return v
}

// write returns a text that two values share if they are equal (2020-12, core, section 4.2.2), and no others.
func (j *judge) write(v mcp.Value) (string, bool) {
	before := j.text
	if j.weigh(v); j.text < 0 || !j.spend(before-j.text) {
		return "", false
	}
	if text, ok := v.(mcp.String); ok {
		return `"` + string(text), true // nothing else begins like this
	}
	return jsonOf(inOneForm(v)), true
}

// weigh takes off about what it takes to write a value, until nothing is left.
func (j *judge) weigh(v mcp.Value) {
	j.text -= 8
	switch v := v.(type) {
	case mcp.String:
		j.text -= len(v)
	case mcp.Array:
		for _, e := range v {
			if j.text < 0 {
				return
			}
			j.weigh(e)
		}
	case mcp.Object:
		for name, member := range v.All() {
			if j.text < 0 {
				return
			}
			j.text -= 32 + len(name)
			j.weigh(member)
		}
	}
}

// inOneForm brings the members of all objects into one order, and numbers into one form.
func inOneForm(v mcp.Value) mcp.Value {
	switch v := v.(type) {
	case mcp.Array:
		list := make(mcp.Array, len(v))
		for i, e := range v {
			list[i] = inOneForm(e)
		}
		return list
	case mcp.Object:
		members := maps.Collect(v.All())
		all := make([]mcp.Member, 0, len(members))
		for _, name := range slices.Sorted(maps.Keys(members)) {
			all = append(all, mcp.Member{Name: name, Value: inOneForm(members[name])})
		}
		return mcp.NewObject(all...)
	}
	return oneNumber(v)
}
