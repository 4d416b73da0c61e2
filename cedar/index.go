package cedar

import "slices"

// index finds the policies whose scope covers a request without looking at the others.
//
// A policy can only apply, or fail to evaluate, when all three constraints of its scope hold. Each is therefore filed
// once, under the one of its constraints that the fewest policies share, and looked up by everything that the request
// is and is in. What is found has its whole scope checked, in integers. Nothing that applies or fails is missed, so
// that decision, reasons and errors are those of plain Cedar.
type index struct {
	entries []entry
	files   map[heading][]int32 // entries, ascending
}

// entry is one policy in an index.
type entry struct {
	scope  scope
	policy int32 // its position in load order
}

// heading is what a policy is filed under: an axis, a relation and a number. Zero is for policies without constraints.
type heading uint64

type relation uint64

const (
	isEntity relation = iota + 1
	inEntity
	isOfKind
)

func under(a axis, r relation, number int32) heading {
	return heading(a)<<40 | heading(r)<<32 | heading(uint32(number)) //nolint:gosec // numbers are positive
}

// headings returns what the scope may be filed under: each is necessary for it to hold.
func (s *scope) headings() []heading {
	var all []heading
	for _, a := range []axis{resourceAxis, principalAxis, actionAxis} { // of equally rare ones the first is taken
		c := s[a]
		switch {
		case c.entity != 0 && c.exact:
			all = append(all, under(a, isEntity, c.entity))
		case c.entity != 0:
			all = append(all, under(a, inEntity, c.entity))
		}
		if c.kind != 0 {
			all = append(all, under(a, isOfKind, c.kind))
		}
	}
	return all
}

func newIndex(entries []entry) *index {
	shared := make(map[heading]int)
	for i := range entries {
		for _, h := range entries[i].scope.headings() {
			shared[h]++
		}
	}
	x := &index{entries: entries, files: make(map[heading][]int32)}
	for i := range entries {
		if entries[i].scope[actionAxis].never {
			continue
		}
		var rarest heading
		for _, h := range entries[i].scope.headings() {
			if rarest == 0 || shared[h] < shared[rarest] {
				rarest = h
			}
		}
		x.files[rarest] = append(x.files[rarest], int32(i)) //nolint:gosec // fewer than bytes of policy files
	}
	return x
}

// find returns the positions of the policies whose scope covers a request, in load order.
func (x *index) find(at *[axes]place) []int32 {
	found := x.look(make([]int32, 0, 32), 0, at)
	for a := range axes {
		if at[a].self != 0 {
			found = x.look(found, under(a, isEntity, at[a].self), at)
		}
		for _, above := range at[a].above {
			found = x.look(found, under(a, inEntity, above), at)
		}
		if at[a].kind != 0 {
			found = x.look(found, under(a, isOfKind, at[a].kind), at)
		}
	}
	slices.Sort(found)
	return found
}

// look appends what is filed under h and covers the request.
func (x *index) look(found []int32, h heading, at *[axes]place) []int32 {
	for _, i := range x.files[h] {
		if e := &x.entries[i]; e.scope.holds(at) {
			found = append(found, e.policy)
		}
	}
	return found
}
