package cedar

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// axis is a variable that the scope of a policy constrains.
type axis int

const (
	principalAxis axis = iota
	actionAxis
	resourceAxis
	axes // how many there are
)

// constraint is what a scope asks of one variable, in numbers; the zero value asks nothing.
type constraint struct {
	entity int32 // 0 for any
	kind   int32 // 0 for any type
	exact  bool  // entity itself, and nothing below it
	never  bool  // `action in []`
}

// scope is the whole scope of a policy.
type scope [axes]constraint

// place is where a request's principal, action or resource stands, in numbers.
type place struct {
	self  int32   // 0 when no scope names it
	kind  int32   // 0 when no scope names its type
	above []int32 // itself and everything above it that some scope names, each once
}

// holds is what Cedar's `==`, `in` and `is` come to for entities. None of them can fail to evaluate.
func (c constraint) holds(at place) bool {
	switch {
	case c.never || c.kind != 0 && c.kind != at.kind:
		return false
	case c.entity == 0:
		return true
	case c.exact:
		return c.entity == at.self
	default:
		return slices.Contains(at.above, c.entity)
	}
}

func (s *scope) holds(at *[axes]place) bool {
	return s[resourceAxis].holds(at[resourceAxis]) && s[principalAxis].holds(at[principalAxis]) &&
		s[actionAxis].holds(at[actionAxis])
}

// numbering gives every entity and type that some scope names a number from 1, so that a scope is checked by comparing
// integers. It grows while a snapshot is built and does not change afterwards.
type numbering struct {
	entities [axes]map[types.EntityUID]int32
	kinds    [axes]map[types.EntityType]int32
	lists    map[string]int32  // a list of actions, by the numbers of its members
	listsOf  map[int32][]int32 // the lists that an action is in
	last     int32
	static   [axes]map[types.EntityUID][]int32 // place.above of entities that are the same for every request
}

func newNumbering() *numbering {
	n := &numbering{lists: make(map[string]int32), listsOf: make(map[int32][]int32)}
	for a := range axes {
		n.entities[a] = make(map[types.EntityUID]int32)
		n.kinds[a] = make(map[types.EntityType]int32)
	}
	return n
}

func number[K comparable](n *numbering, m map[K]int32, k K) int32 {
	if known, ok := m[k]; ok {
		return known
	}
	n.last++
	m[k] = n.last
	return n.last
}

// scope translates the scope of a policy.
func (n *numbering) scope(body *ast.Policy) scope {
	return scope{
		n.constraint(principalAxis, body.Principal),
		n.constraint(actionAxis, body.Action),
		n.constraint(resourceAxis, body.Resource),
	}
}

func (n *numbering) constraint(a axis, node ast.IsScopeNode) constraint {
	switch s := node.(type) {
	case ast.ScopeTypeEq:
		return constraint{entity: number(n, n.entities[a], s.Entity), exact: true}
	case ast.ScopeTypeIn:
		return constraint{entity: number(n, n.entities[a], s.Entity)}
	case ast.ScopeTypeIs:
		return constraint{kind: number(n, n.kinds[a], s.Type)}
	case ast.ScopeTypeIsIn:
		return constraint{kind: number(n, n.kinds[a], s.Type), entity: number(n, n.entities[a], s.Entity)}
	case ast.ScopeTypeInSet:
		return n.list(a, s.Entities)
	}
	return constraint{}
}

// list takes a list of entities for an entity that its members are in: `in [A, B]` becomes `in` one number.
func (n *numbering) list(a axis, members []types.EntityUID) constraint {
	numbers := make([]int32, len(members))
	for i, id := range members {
		numbers[i] = number(n, n.entities[a], id)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	switch len(numbers) {
	case 0:
		return constraint{never: true}
	case 1:
		return constraint{entity: numbers[0]}
	}
	var name []byte
	for _, member := range numbers {
		name = binary.BigEndian.AppendUint32(name, uint32(member)) //nolint:gosec // numbers are positive
	}
	before := n.last
	list := number(n, n.lists, string(name))
	if list > before { // a new one
		for _, member := range numbers {
			n.listsOf[member] = append(n.listsOf[member], list)
		}
	}
	return constraint{entity: list}
}

// keep notes where entities stand that are the same for every request, after all scopes were numbered. What is above
// them must be the same too: kept before, or among them, or nothing that ever has parents.
func (n *numbering) keep(same types.EntityMap) {
	for a := range axes {
		places := make(map[types.EntityUID][]int32, len(same))
		for id := range same {
			if (id.Type == actionType) == (a == actionAxis) {
				places[id] = n.place(a, same, id).above
			}
		}
		maps.Copy(places, n.static[a])
		n.static[a] = places
	}
}

// places finds where a request stands. The entities must be those that the policies are evaluated with.
func (n *numbering) places(entities types.EntityGetter, principal, action, resource types.EntityUID) [axes]place {
	return [axes]place{
		n.place(principalAxis, entities, principal),
		n.place(actionAxis, entities, action),
		n.place(resourceAxis, entities, resource),
	}
}

func (n *numbering) place(a axis, entities types.EntityGetter, id types.EntityUID) place {
	p := place{self: n.entities[a][id], kind: n.kinds[a][id.Type]}
	if above, known := n.static[a][id]; known {
		p.above = above
		return p
	}
	c := climb{numbers: n, axis: a, entities: entities, above: make([]int32, 0, 8)}
	if p.self != 0 {
		c.above = append(c.above, p.self)
	}
	c.from(id)
	if p.above = c.above; a == actionAxis {
		p.above = n.withLists(p.above)
	}
	return p
}

// climb collects what is above an entity.
type climb struct {
	numbers       *numbering
	axis          axis
	entities      types.EntityGetter
	above         []int32
	visited, todo []types.EntityUID
}

func (c *climb) from(id types.EntityUID) {
	for {
		if e, ok := c.entities.Get(id); ok {
			c.visited = append(c.visited, id)
			for parent := range e.Parents.All() {
				c.note(parent)
			}
		}
		if len(c.todo) == 0 {
			return
		}
		id, c.todo = c.todo[len(c.todo)-1], c.todo[:len(c.todo)-1]
	}
}

// note adds a parent, and goes on from there later if something may be above it. Cycles end: nothing is visited twice.
func (c *climb) note(parent types.EntityUID) {
	if above, known := c.numbers.static[c.axis][parent]; known {
		for _, number := range above {
			c.add(number)
		}
		return
	}
	if number := c.numbers.entities[c.axis][parent]; number != 0 {
		c.add(number)
	}
	if e, ok := c.entities.Get(parent); ok && e.Parents.Len() > 0 &&
		!slices.Contains(c.visited, parent) && !slices.Contains(c.todo, parent) {
		c.todo = append(c.todo, parent)
	}
}

func (c *climb) add(number int32) {
	if !slices.Contains(c.above, number) {
		c.above = append(c.above, number)
	}
}

// withLists adds the lists that an action, or something above it, is in.
func (n *numbering) withLists(above []int32) []int32 {
	for i := 0; i < len(above); i++ {
		for _, list := range n.listsOf[above[i]] {
			if !slices.Contains(above, list) {
				above = append(above, list)
			}
		}
	}
	return above
}
