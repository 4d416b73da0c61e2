package lint_test

import (
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"

	"countersign.dev/cedar"
	"countersign.dev/cedar/lint"
)

// What the rules know about actions and entities is what the schema of the server says.
func TestSchema(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), cedar.Config{
		Policies: "../testdata/acme/policies", Entities: "../testdata/acme/entities.json",
		Tools: map[string]string{"crm": "../testdata/acme/tools/crm.json", "ledger": "../testdata/acme/tools/ledger.json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var s schema.Schema
	if err := s.UnmarshalCedar(snapshot.Schema()); err != nil {
		t.Fatal(err)
	}
	rs, err := s.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	parents := make(map[types.EntityUID]bool)
	writing := make(map[types.EntityUID]bool) // what is in "write", or has it in it
	above := func(id types.EntityUID, visit func(types.EntityUID)) {
		for todo := []types.EntityUID{id}; len(todo) > 0; {
			next := todo[0]
			todo = todo[1:]
			visit(next)
			for parent := range rs.Actions[next].Entity.Parents.All() {
				todo = append(todo, parent)
			}
		}
	}
	for id := range rs.Actions {
		inWrite := false
		above(id, func(a types.EntityUID) {
			parents[a] = parents[a] || a != id
			inWrite = inWrite || a.ID == "write"
		})
		if inWrite {
			above(id, func(a types.EntityUID) { writing[a] = true })
		}
	}
	for id := range rs.Actions {
		text := `forbid (principal == Workload::"a", action == ` + id.String() + `, resource);`
		if got := run(t, only(t, "action-eq-parent"), text) != nil; got != parents[id] {
			t.Errorf("action-eq-parent of %s: %t, and it is a parent: %t", id, got, parents[id])
		}
		text = `permit (principal == Workload::"a", action == ` + id.String() + `, resource);`
		if got := run(t, only(t, "delegation-unchecked"), text) != nil; got != writing[id] {
			t.Errorf("delegation-unchecked of %s: %t, and it may write: %t", id, got, writing[id])
		}
	}
	// Every entity that the context brings is a step, and nothing else is.
	var walk func(path string, kind resolved.IsType)
	walk = func(path string, kind resolved.IsType) {
		_, isEntity := kind.(resolved.EntityType)
		text := `permit (principal, action, resource) when { ` + path + `.x == 1 };`
		if got := run(t, only(t, "level", "max: 0"), text) != nil; got != isEntity {
			t.Errorf("level of %s: %t, and it is an entity: %t", path, got, isEntity)
		}
		if record, ok := kind.(resolved.RecordType); ok {
			for name, attribute := range record {
				walk(path+"."+string(name), attribute.Type)
			}
		}
	}
	for _, action := range []types.String{"call_tool", "ping", "revoke"} {
		walk("context", rs.Actions[types.NewEntityUID("Action", action)].AppliesTo.Context)
	}
	likeIsFixed := func(text string) bool {
		t.Helper()
		linter := lint.New(only(t, "like-without-wildcard"), nil, today)
		_, fixed, err := linter.Fix(t.Context(), lint.Source{Name: "p.cedar", Data: []byte(text)}, false)
		if err != nil {
			t.Error(err)
		}
		return len(fixed) > 0
	}
	attributes, tags := wordsOf(t, rs)
	for path, kind := range tags {
		text := `forbid (principal, action, resource) when { ` + path + `.getTag("x") like "x" };`
		if got, want := likeIsFixed(text), kind == (resolved.StringType{}); got != want {
			t.Errorf("like on tags of %s is fixed: %t, and they are strings: %t", path, got, want)
		}
	}
	for path, attribute := range attributes {
		guard, parent, name := "true", path[:strings.LastIndexByte(path, '.')], path[strings.LastIndexByte(path, '.')+1:]
		if root, above, nested := strings.Cut(parent, "."); nested {
			guard = root + " has " + above
		}
		text := `forbid (principal, action, resource) when { ` + guard + ` && ` + parent + `["` + name + `"] like "x" };`
		if got := run(t, only(t, "forbid-may-error"), text) != nil; got != attribute.Optional {
			t.Errorf("forbid-may-error of %s: %t, and it is optional: %t", path, got, attribute.Optional)
		}
		if got, want := likeIsFixed(text), attribute.Type == (resolved.StringType{}); got != want {
			t.Errorf("like on %s is fixed: %t, and it is a string: %t", path, got, want)
		}
	}
}

// wordsOf returns everything that policies can look at, by its path, and the types of tags. What is called the same is the
// same everywhere: the rules do not ask which type a resource has.
func wordsOf(t *testing.T, rs *resolved.Schema) (all map[string]resolved.Attribute, tags map[string]resolved.IsType) {
	t.Helper()
	all, tags = make(map[string]resolved.Attribute), make(map[string]resolved.IsType)
	var walk func(path string, kind resolved.IsType)
	walk = func(path string, kind resolved.IsType) {
		record, _ := kind.(resolved.RecordType)
		if entity, ok := kind.(resolved.EntityType); ok {
			record = rs.Entities[types.EntityType(entity)].Shape
			if tag := rs.Entities[types.EntityType(entity)].Tags; tag != nil {
				if before, seen := tags[path]; seen && before != tag {
					t.Errorf("the tags of %s are not the same everywhere", path)
				}
				tags[path] = tag
			}
		}
		for name, attribute := range record {
			below := path + "." + string(name)
			if below == "context.input" {
				continue // has the types of a tool
			}
			if before, seen := all[below]; seen && (before.Optional != attribute.Optional || before.Type == (resolved.StringType{}) != (attribute.Type == (resolved.StringType{}))) {
				t.Errorf("%s is not the same everywhere", below)
			}
			all[below] = attribute
			walk(below, attribute.Type)
		}
	}
	for _, action := range rs.Actions {
		if action.AppliesTo == nil {
			continue
		}
		for _, kind := range action.AppliesTo.Resources {
			walk("resource", resolved.EntityType(kind))
		}
		walk("principal", resolved.EntityType("Workload"))
		walk("context", action.AppliesTo.Context)
	}
	return all, tags
}
