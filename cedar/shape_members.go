package cedar

import (
	"strconv"

	"countersign.dev/authz/mcp"
)

// listDemand is about the elements of a list (2020-12, core, section 10.3.1; validation, section 6.4).
type listDemand struct {
	prefix      []*demand
	items       *demand // of those after the prefix
	least, most int     // -1 without
	unique      bool
	contains    *demand
	few, many   int     // that it must and may contain; -1 without the latter
	unevaluated *demand // of those that no other keyword is about
}

func (j *judge) array(d *listDemand, list mcp.Array, s *shape) standing {
	switch n := len(list); {
	case n < d.least:
		return j.breach("has %d elements, fewer than %d", n, d.least)
	case d.most >= 0 && n > d.most:
		return j.breach("has %d elements, more than %d", n, d.most)
	}
	var element *shape
	if s != nil && s.kind == shapeSet {
		element = s.element
	}
	all := met
	for i, e := range list {
		if d.items == nil && d.unevaluated == nil && i >= len(d.prefix) {
			break
		}
		o := met
		switch {
		case i < len(d.prefix):
			o = j.of(d.prefix[i], e, element)
		case d.items != nil:
			o = j.of(d.items, e, element)
		case j.of(d.unevaluated, e, element) != met: // unless another keyword saw to it
			o = doubt(element)
		}
		if o == violated {
			if j.found != nil {
				j.below(strconv.Itoa(i))
			}
			return violated
		}
		if all = max(all, o); j.left < 0 {
			return untold
		}
	}
	if d.unique {
		all = max(all, j.unique(list, s))
	}
	if d.contains != nil && all != violated {
		all = max(all, j.contains(d, list, element))
	}
	return all
}

// unique compares texts, so that a list takes no longer than writing it.
func (j *judge) unique(list mcp.Array, s *shape) standing {
	seen := make(map[string]bool, min(len(list), maxElements))
	for _, e := range list {
		text, ok := j.write(e)
		switch {
		case !ok:
			return doubt(s)
		case seen[text]:
			return j.breach("has an element twice")
		}
		seen[text] = true
	}
	return met
}

func (j *judge) contains(d *listDemand, list mcp.Array, element *shape) standing {
	good, doubtful := 0, 0
	for _, e := range list {
		switch j.of(d.contains, e, element) {
		case met:
			good++
		case violated:
		default:
			doubtful++
		}
		if j.left < 0 {
			return untold
		}
	}
	switch most := good + doubtful; {
	case most < d.few:
		return j.breach("lacks an element that its schema wants")
	case d.many >= 0 && good > d.many:
		return j.breach("has more of an element than its schema allows")
	case good < d.few, d.many >= 0 && most > d.many:
		return doubt(element)
	}
	return met
}

// objectDemand is about the members of an object (2020-12, core, section 10.3.2; validation, section 6.5).
type objectDemand struct {
	members     map[string]memberDemand
	required    []string // without those that occur twice
	patterns    []patternDemand
	others      *demand // of members that neither of these is about
	names       *demand
	least, most int // -1 without
	together    []togetherDemand
	unevaluated *demand // of those that no other keyword is about
}

type memberDemand struct {
	is                 *demand
	declared, required bool
}

type patternDemand struct {
	name *pattern
	is   *demand
}

// togetherDemand is what holds if an object has a member.
type togetherDemand struct {
	name  string
	names []string // which are there, too
	is    *demand  // of the whole object
}

func (j *judge) object(d *objectDemand, object mcp.Object, s *shape) standing {
	switch n := object.Len(); {
	case n < d.least:
		return j.breach("has %d members, fewer than %d", n, d.least)
	case d.most >= 0 && n > d.most:
		return j.breach("has %d members, more than %d", n, d.most)
	}
	all, required := met, 0
	for name, v := range object.All() {
		known := d.members[name]
		if known.required {
			required++
		}
		o := j.member(d, known, name, v, s.member(name))
		if o == violated {
			j.below(name)
			return violated
		}
		if all = max(all, o); !j.spend(1) {
			return untold
		}
	}
	if required < len(d.required) {
		return j.missing(d.required, object)
	}
	for _, t := range d.together {
		if !j.spend(object.Len() * (1 + len(t.names)) / 4) {
			return untold
		}
		if _, has := object.Get(t.name); !has {
			continue
		}
		for _, name := range t.names {
			if _, has := object.Get(name); !has {
				return j.breach("has %.64q without %.64q", t.name, name)
			}
		}
		if all = max(all, j.of(t.is, object, s)); all == violated {
			return violated
		}
	}
	return all
}

func (j *judge) missing(required []string, object mcp.Object) standing {
	if j.found != nil {
		for _, name := range required {
			if _, has := object.Get(name); !has {
				j.found.text, j.found.path = "is missing", []string{name}
				return violated
			}
		}
	}
	return violated
}

// member judges one member by every keyword that is about it.
func (j *judge) member(d *objectDemand, known memberDemand, name string, v mcp.Value, s *shape) standing {
	all, seen := met, known.declared
	if known.declared {
		all = j.of(known.is, v, s)
	}
	unclear := false
	for _, p := range d.patterns {
		switch matches, told := j.matches(p.name, name); {
		case !told:
			unclear = true
			all = max(all, doubt(s))
		case matches:
			seen = true
			all = max(all, j.of(p.is, v, s))
		}
	}
	if d.names != nil && all != violated {
		o := j.of(d.names, mcp.String(name), s)
		if o == violated {
			return j.breach("has a name that its schema does not allow")
		}
		all = max(all, o)
	}
	switch {
	case seen || all == violated:
	case unclear:
		all = max(all, doubt(s))
	case d.others != nil:
		if d.others.never {
			return j.breach("is not in the schema, which allows no other members")
		}
		all = max(all, j.of(d.others, v, s))
	case d.unevaluated != nil && j.of(d.unevaluated, v, s) != met: // unless another keyword saw to it
		all = max(all, doubt(s))
	}
	return all
}

// member is the shape of a member, or nil if it is not in context.input.
func (s *shape) member(name string) *shape {
	switch {
	case s == nil:
		return nil
	case s.kind == shapeMap:
		return s.element
	case s.kind == shapeRecord:
		return s.fields[name].shape
	}
	return nil
}
