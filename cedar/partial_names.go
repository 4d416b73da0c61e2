package cedar

import (
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Members returns the workloads, SPIFFE paths, users, servers and tools that the entities file puts into a group or into
// a group in it, as Cedar such as User::"alice", sorted. The group is given as Cedar too.
func (s *Snapshot) Members(group string) []string {
	var members []string
	for id := range s.registry.declared {
		if s.registry.declaredIn(id, group) {
			members = append(members, id.String())
		}
	}
	slices.Sort(members)
	return members
}

// declaredIn reports whether the entities file puts something into a group, which is given as Cedar.
func (r *registry) declaredIn(id types.EntityUID, group string) bool {
	seen := map[types.EntityUID]bool{}
	todo := []types.EntityUID{id}
	for len(todo) > 0 {
		id, todo = todo[len(todo)-1], todo[:len(todo)-1]
		e, ok := r.declared[id]
		if !ok {
			e = r.static[id]
		}
		for parent := range e.Parents.All() {
			if parent.String() == group {
				return true
			}
			if !seen[parent] {
				seen[parent] = true
				todo = append(todo, parent)
			}
		}
	}
	return false
}

// Principals returns the callers that policies and entities name, as Cedar: workloads, SPIFFE paths, trust domains and
// groups, sorted.
func (s *Snapshot) Principals() []string {
	return s.named(workloadType, spiffePathType, trustDomainType, workloadGroupType)
}

// Users returns the users and groups of users that policies and entities name, as Cedar, sorted.
func (s *Snapshot) Users() []string { return s.named(userType, userGroupType) }

// CallableTools returns the tools that are pinned, and those that policies and entities name, as "<server>/<tool>",
// sorted. For a server whose tools are not pinned there is "<server>/*" as well, which stands for any other tool.
func (s *Snapshot) CallableTools() []string {
	var names []string
	for server, pinned := range s.pins {
		for name := range pinned {
			names = append(names, toolID(server, name))
		}
		if pinned == nil {
			names = append(names, toolID(server, "*"))
		}
	}
	for _, id := range s.entitiesOf(toolType) {
		server, _, _ := strings.Cut(string(id.ID), "/")
		if _, configured := s.pins[server]; configured {
			names = append(names, string(id.ID))
		}
	}
	return sorted(names)
}

func (s *Snapshot) named(kinds ...types.EntityType) []string {
	var names []string
	for _, id := range s.entitiesOf(kinds...) {
		names = append(names, id.String())
	}
	return sorted(names)
}

// entitiesOf returns the entities of some types that policies and entities name.
func (s *Snapshot) entitiesOf(kinds ...types.EntityType) []types.EntityUID {
	seen := make(map[types.EntityUID]bool)
	note := func(id types.EntityUID) {
		if slices.Contains(kinds, id.Type) {
			seen[id] = true
		}
	}
	for _, p := range s.policies {
		body := (*ast.Policy)(p.body.AST())
		for _, id := range slices.Concat(scopeEntities(body.Principal), scopeEntities(body.Resource), conditionEntities(body)) {
			note(id)
		}
	}
	for _, all := range []types.EntityMap{s.registry.declared, s.registry.static} {
		for id, e := range all {
			note(id)
			for parent := range e.Parents.All() { // a group need not be declared itself
				note(parent)
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}
