package cedar

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// mcpMethods reads the method table of package mcp, which has no reason to export it.
func mcpMethods(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../authz/mcp/methods.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "methods" {
			return true
		}
		ast.Inspect(spec.Values[0], func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := pair.Key.(*ast.BasicLit); ok {
				names = append(names, strings.Trim(key.Value, `"`))
			}
			return false
		})
		return false
	})
	if len(names) < 20 {
		t.Fatalf("found only the methods %q", names)
	}
	return names
}

// Every method that mcp lets through has an action, every action is in the schema for the right kind of resource, and
// the schema has no action that nothing leads to.
func TestEveryMethodHasAnAction(t *testing.T) {
	words, err := newVocabulary(nil)
	if err != nil {
		t.Fatal(err)
	}
	resources := map[mcp.TargetKind]types.EntityType{
		mcp.TargetNone: serverType, mcp.TargetTool: toolType, mcp.TargetPrompt: promptType,
		mcp.TargetResource: resourceType, mcp.TargetTask: taskType,
	}
	reached := map[string]bool{"delegate": true, "revoke": true}
	check := func(t *testing.T, call *mcp.Call, target mcp.TargetKind) {
		t.Helper()
		name, ok := action(call, target)
		if !ok {
			t.Fatalf("%s %s about %q has no action", call.Kind, call.Method, target)
		}
		reached[name] = true
		declared, ok := words.schema.Actions[actionUID(name)]
		if !ok || declared.AppliesTo == nil {
			t.Fatalf("the schema has no action %q", name)
		}
		if !slices.Contains(declared.AppliesTo.Resources, resources[target]) {
			t.Errorf("action %q does not apply to %s", name, resources[target])
		}
	}
	methods := mcpMethods(t)
	for _, name := range methods {
		if strings.HasPrefix(name, "notifications/") {
			check(t, &mcp.Call{Kind: mcp.KindNotification, Method: name}, mcp.TargetNone)
			continue
		}
		if len(actions[name]) == 0 {
			t.Errorf("method %q has no action", name)
		}
		for target := range actions[name] {
			check(t, &mcp.Call{Kind: mcp.KindRequest, Method: name}, target)
		}
	}
	for name := range actions {
		if !slices.Contains(methods, name) {
			t.Errorf("%q is no method of package mcp", name)
		}
	}
	for kind := range kinds {
		check(t, &mcp.Call{Kind: kind}, mcp.TargetNone)
	}
	for id, declared := range words.schema.Actions {
		if declared.AppliesTo != nil && !reached[string(id.ID)] {
			t.Errorf("nothing leads to action %q", id.ID)
		}
	}
}
