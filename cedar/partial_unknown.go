package cedar

import (
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// tri is what is known about all of several things.
type tri int

const (
	never tri = iota
	sometimes
	always
)

// unknown is an entity of which something is known.
type unknown struct {
	kind       types.EntityType
	in         func(types.EntityUID) tri // as Cedar's `in`: itself, or above it
	attributes types.Record              // those that are the same for all that it may be
}

// is reports whether it may be that very entity.
func (u *unknown) is(id types.EntityUID) tri {
	if id.Type != u.kind || u.in(id) == never {
		return never
	}
	return sometimes
}

// scope is what one constraint of a scope comes to.
func (t term) scope(node ast.IsScopeNode) term {
	test := func(how tri, n ast.IsNode) term {
		switch how {
		case always:
			return known(types.True)
		case never:
			return known(types.False)
		}
		return term{node: n, may: yes | no}
	}
	binary := func(id types.EntityUID) ast.BinaryNode {
		return ast.BinaryNode{Left: t.node, Right: ast.NodeValue{Value: id}}
	}
	switch s := node.(type) {
	case ast.ScopeTypeEq:
		return test(t.who.is(s.Entity), ast.NodeTypeEquals{BinaryNode: binary(s.Entity)})
	case ast.ScopeTypeIn:
		return test(t.who.in(s.Entity), ast.NodeTypeIn{BinaryNode: binary(s.Entity)})
	case ast.ScopeTypeIs:
		return known(types.Boolean(s.Type == t.who.kind))
	case ast.ScopeTypeIsIn:
		if s.Type != t.who.kind {
			return known(types.False)
		}
		return test(t.who.in(s.Entity), ast.NodeTypeIn{BinaryNode: binary(s.Entity)})
	}
	return known(types.True)
}

// below says what the workloads at or below a SPIFFE path, or in a trust domain, have above them.
func (r *registry) below(all, x types.EntityUID) tri {
	root := string(all.ID)
	if all.Type == trustDomainType {
		root = "spiffe://" + root
	}
	domain, _, _ := strings.Cut(strings.TrimPrefix(root, "spiffe://"), "/")
	switch x.Type {
	case trustDomainType:
		if string(x.ID) == domain {
			return always
		}
	case workloadType, spiffePathType:
		switch id := string(x.ID); {
		case x.Type == spiffePathType && all.Type == spiffePathType && (id == root || strings.HasPrefix(root, id+"/")):
			return always
		case x.Type == workloadType && id == root, strings.HasPrefix(id, root+"/"):
			return sometimes
		}
	case workloadGroupType:
		group := x.String()
		if workload, err := spiffeid.FromString(root); err == nil && all.Type == spiffePathType {
			for _, prefix := range spiffePrefixes(workload) {
				if r.declaredIn(uid(spiffePathType, prefix), group) {
					return always
				}
			}
		}
		for id := range r.declared {
			if (id.Type == workloadType || id.Type == spiffePathType) &&
				(string(id.ID) == root || strings.HasPrefix(string(id.ID), root+"/")) && r.declaredIn(id, group) {
				return sometimes
			}
		}
	}
	return never
}

// group says what the members of a group have above them. The members are all there are.
func (r *registry) group(group types.EntityUID, members []types.EntityUID, x types.EntityUID) tri {
	if x == group || r.declaredIn(group, x.String()) {
		return always
	}
	if len(members) == 0 {
		return never
	}
	all, none := true, true
	for _, m := range members {
		var how tri
		switch m.Type {
		case spiffePathType:
			how = r.below(m, x)
		case workloadType:
			workload, err := spiffeid.FromString(string(m.ID))
			if err == nil && r.reaches(r.workload(workload), x) {
				how = always
			}
		default:
			if r.reaches(r.user(string(m.ID)), x) {
				how = always
			}
		}
		all, none = all && how == always, none && how == never
	}
	switch {
	case all && x.Type != workloadType && x.Type != userType:
		return always
	case none:
		return never
	}
	return sometimes
}

// someUser says what any user may have above it.
func (r *registry) someUser(x types.EntityUID) tri {
	if x.Type == userType {
		return sometimes
	}
	for id := range r.declared {
		if id.Type == userType && r.declaredIn(id, x.String()) {
			return sometimes
		}
	}
	return never
}

// reaches is Cedar's `in` for an entity whose groups do not depend on the request.
func (r *registry) reaches(e types.Entity, x types.EntityUID) bool {
	if e.UID == x {
		return true
	}
	for parent := range e.Parents.All() {
		if parent == x || r.declaredIn(parent, x.String()) {
			return true
		}
	}
	return false
}

// unpinned says what a tool of a server that is not pinned has above it.
func (s *Snapshot) unpinned(p *partial, server, x types.EntityUID) tri {
	prefix := string(server.ID) + "/"
	switch x.Type {
	case toolType:
		name, on := strings.CutPrefix(string(x.ID), prefix)
		if on && s.pins[string(server.ID)][name] == nil {
			return sometimes
		}
	case serverType, serverGroupType:
		e, ok := p.own[server]
		if !ok {
			e = s.registry.static[server]
		}
		if e.UID == server && s.registry.reaches(e, x) || x == server {
			return always
		}
	case toolGroupType:
		for id := range s.registry.declared {
			name, on := strings.CutPrefix(string(id.ID), prefix)
			if id.Type == toolType && on && s.pins[string(server.ID)][name] == nil && s.registry.declaredIn(id, x.String()) {
				return sometimes
			}
		}
	}
	return never
}
