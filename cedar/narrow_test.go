package cedar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// toolTypes are JSON Schemas of an argument. There are few, so that many tools are alike.
var toolTypes = []string{
	`{"type":"string"}`, `{"type":"integer"}`, `{"type":"boolean"}`, `{"type":"array","items":{"type":"string"}}`,
	`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`,
	`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}}`,
}

// drawTools draws 0 to 30 pinned tools of two servers.
func drawTools(t *rapid.T) map[string]file {
	lists := map[string][]string{"crm": nil, "ledger": nil}
	for i := range rapid.IntRange(0, 30).Draw(t, "tools") {
		var properties, required []string
		for _, name := range []string{"a", "b", "input"} {
			if rapid.IntRange(0, 2).Draw(t, "has") > 0 {
				properties = append(properties, fmt.Sprintf("%q:%s", name, rapid.SampledFrom(toolTypes).Draw(t, "type")))
				if rapid.Bool().Draw(t, "required") {
					required = append(required, fmt.Sprintf("%q", name))
				}
			}
		}
		server := []string{"crm", "ledger"}[i%2]
		lists[server] = append(lists[server], fmt.Sprintf(
			`{"name":"t%d","inputSchema":{"type":"object","properties":{%s},"required":[%s]}}`,
			i, strings.Join(properties, ","), strings.Join(required, ",")))
	}
	tools := map[string]file{"wiki": {}}
	for server, list := range lists {
		tools[server] = file{server + ".json", []byte(`{"tools":[` + strings.Join(list, ",") + `]}`)}
	}
	return tools
}

// drawn writes random policies: right ones, and ones with mistakes of all sorts.
type drawn struct{ t *rapid.T }

func (d drawn) one(texts ...string) string { return rapid.SampledFrom(texts).Draw(d.t, "one") }

func (d drawn) chance(percent int) bool { return rapid.IntRange(1, 100).Draw(d.t, "chance") <= percent }

func (d drawn) action() string {
	return `Action::"` + d.one("call_tool", "call_tool", "call_tool:crm/t0", "call_tool:crm/t2", "call_tool:ledger/t1", "call_tool:ledger/t29",
		"write", "any", "read", "list", "lifecycle", "delegate", "revoke", "list_tools", "ping", "get_prompt", "unheard of", "call_tool:crm/none") + `"`
}

func (d drawn) entity() string {
	return d.one(`Tool::"crm/t0"`, `Server::"crm"`, `Workload::"spiffe://acme.example/planner"`, `WorkloadGroup::"agents"`,
		`TrustDomain::"acme.example"`, `User::"alice"`, `UserGroup::"finance"`, `Foo::"x"`, `StrArgs::"x"`, `Foo::Action::"x"`, d.action())
}

func (d drawn) actions() string {
	list := make([]string, rapid.IntRange(0, 4).Draw(d.t, "actions"))
	for i := range list {
		list[i] = d.action()
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func (d drawn) policy() string {
	text := d.one("permit", "forbid") + " (principal"
	switch rapid.IntRange(0, 5).Draw(d.t, "principal") {
	case 0:
		text += " == " + d.entity()
	case 1:
		text += " in " + d.entity()
	case 2:
		text += " is " + d.one("Workload", "User", "Foo")
	}
	text += ", action"
	switch rapid.IntRange(0, 5).Draw(d.t, "action") {
	case 0:
		text += " == " + d.action()
	case 1, 2:
		text += " in " + d.action()
	case 3:
		text += " in " + d.actions()
	}
	text += ", resource"
	switch rapid.IntRange(0, 5).Draw(d.t, "resource") {
	case 0:
		text += " == " + d.entity()
	case 1:
		text += " in " + d.entity()
	case 2:
		text += " is " + d.one("Tool", "Server", "Resource", "Foo")
	case 3:
		text += " is Tool in " + d.entity()
	}
	text += ")"
	for range rapid.IntRange(0, 2).Draw(d.t, "clauses") {
		text += d.one(" when", " unless") + " { " + d.condition(3) + " }"
	}
	return text + ";"
}

// condition is mostly of type Bool.
func (d drawn) condition(depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 7).Draw(d.t, "form") {
		case 0, 1:
			return "(" + d.condition(depth-1) + " && " + d.condition(depth-1) + ")"
		case 2:
			return "(" + d.condition(depth-1) + " || " + d.condition(depth-1) + ")"
		case 3:
			return "!" + "(" + d.condition(depth-1) + ")"
		case 4:
			return "(if " + d.condition(depth-1) + " then " + d.condition(depth-1) + " else " + d.condition(depth-1) + ")"
		case 5:
			return "(" + d.guard() + " && " + d.condition(depth-1) + ")"
		}
	}
	if d.chance(3) {
		return d.value()
	}
	return d.one(
		d.guard(), d.guard(), d.one("true", "false"),
		d.value()+" == "+d.value(), d.value()+" < "+d.value(), d.value()+" in "+d.entity(),
		d.value()+".contains("+d.value()+")", d.value()+" like \"x*\"", d.value()+" is "+d.one("Tool", "Foo", "Action"),
		"action in "+d.actions(), "action in "+d.action(), "action == "+d.action(), d.action()+" in "+d.action(),
		d.value()+".hasTag("+d.value()+")", d.value()+" is Tool in "+d.entity(), "["+d.value()+", "+d.value()+"].isEmpty()",
		"{a: "+d.value()+", b: 1}.a == "+d.value(), "ip("+d.value()+").isLoopback()",
	)
}

func (d drawn) guard() string {
	return d.one("context has input", "context has input.a", "context.input has a", "context.input has b", "context has delegation",
		"context has arguments", "context.arguments.num.hasTag(\"n\")", "context.input.a has b", "context has delegation.task",
		"principal has k8s", "context[\"input\"] has \"a\"", "action has a", "context.input.input has a", "principal.hasTag(\"t\")")
}

func (d drawn) value() string {
	return d.one("context.input.a", "context.input.a.a", "context.input.b", "context.input", "context", "context.input.input.a",
		"context.delegation.depth", "context.delegation.task", "context.arguments.num.getTag(\"n\")", "context.arguments.complete",
		"principal", "resource", "action", "principal.path", "resource.name", "resource.hints.read_only", "principal.getTag(\"t\")",
		"1", "\"x\"", "true", "[1, 2]", "[]", "{a: 1}", "context.nothing", "principal.k8s.namespace", "context.operation", d.entity())
}

// vocabularyOf is what policies can name with these pinned tools.
func vocabularyOf(t rapid.TB, tools map[string]file) (pins, *vocabulary) {
	t.Helper()
	read, bad := readPins(tools)
	if err := bad.err(); err != nil {
		t.Fatal(err)
	}
	words, err := newVocabulary(read)
	if err != nil {
		t.Fatal(err)
	}
	return read, words
}

// A policy is validated against a part of the schema only. The whole schema must say the same about it, whatever tools
// there are and whatever is wrong with the policy.
func TestNarrowValidation(t *testing.T) {
	rejected, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		_, words := vocabularyOf(t, drawTools(t))
		narrow := newValidators(newNarrower(words.schema))
		for range 10 {
			text := drawn{t}.policy()
			var p cedargo.Policy
			if err := p.UnmarshalCedar([]byte(text)); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			body := (*ast.Policy)(p.AST())
			want, got := distinct(narrow.sentences(words.validator, body)), distinct(narrow.sentences(narrow.of(body), body))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s\n%d tools (-whole schema +part of it):\n%s", text, len(words.schema.Actions), diff)
			}
			if len(got) > 0 {
				rejected++
			} else {
				accepted++
			}
		}
	})
	if rejected == 0 || accepted == 0 {
		t.Errorf("%d policies rejected, %d accepted: want both", rejected, accepted)
	}
}

// Policies that a careless choice of actions would judge differently.
func TestNarrowValidationOfExceptions(t *testing.T) {
	_, words := vocabularyOf(t, map[string]file{"crm": {"crm.json", []byte(`{"tools":[
		{"name":"t0","inputSchema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}},
		{"name":"t1","inputSchema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}},
		{"name":"t2","inputSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}},
		{"name":"t3","inputSchema":{"type":"object","properties":{"b":{"type":"string"}}}}]}`)}})
	v := newValidators(newNarrower(words.schema))
	for text, mistakes := range map[string]int{
		`(principal, action in Action::"call_tool", resource) when { context has input && !(action in Action::"call_tool:crm/t0") && context.nothing };`:           1,
		`(principal, action in Action::"call_tool", resource) when { action in [Action::"call_tool:crm/t0", Action::"call_tool:crm/t1"] && context.input.a > 1 };`: 0,
		`(principal, action in Action::"call_tool", resource) when { action in [Action::"call_tool:crm/t0", Action::"call_tool:crm/t2"] && context.input.a > 1 };`: 1,
		`(principal, action in [Action::"call_tool:crm/t0", Action::"call_tool:crm/t3"], resource) when { context.input.a > 1 };`:                                  1,
		`(principal, action in [Action::"call_tool:crm/t0", Action::"call_tool:crm/t1"], resource) when { context.input.a > 1 };`:                                  0,
		`(principal, action, resource) when { context has input.a && context.input.a > 1 };`:                                                                       1,
		`(principal, action, resource) unless { context has input.b && context.input.b == "x" };`:                                                                  0,
		`(principal, action in [], resource) when { context.input.a > 1 };`:                                                                                        5,
		`(principal == Action::"call_tool:crm/t3", action, resource);`:                                                                                             1,
	} {
		var p cedargo.Policy
		if err := p.UnmarshalCedar([]byte("forbid " + text)); err != nil {
			t.Fatal(err)
		}
		body := (*ast.Policy)(p.AST())
		want, got := distinct(v.sentences(words.validator, body)), distinct(v.sentences(v.of(body), body))
		if !slices.Equal(want, got) || len(got) != mistakes {
			t.Errorf("%s\n%d mistakes wanted\nwhole schema: %q\npart of it:   %q", text, mistakes, want, got)
		}
	}
}

func distinct(texts []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(texts)))
}

// The point of it: how many actions a policy is typed for does not grow with the tools.
func TestNarrowValidationIsNarrow(t *testing.T) {
	list := make([]string, 300)
	for i := range list {
		list[i] = fmt.Sprintf(`{"name":"t%d","inputSchema":{"type":"object","properties":{"a":%s,"p%d":{"type":"string"}}}}`, i, toolTypes[i%2], i)
	}
	_, words := vocabularyOf(t, map[string]file{"crm": {"crm.json", []byte(`{"tools":[` + strings.Join(list, ",") + `]}`)}})
	v := newValidators(newNarrower(words.schema))
	for name, tc := range map[string]struct {
		policy string
		want   int // actions with a context, at most
	}{
		"any tool":              {`permit (principal, action in Action::"call_tool", resource);`, 2},
		"anything":              {`permit (principal, action, resource) when { context.request.host == "x" };`, 20},
		"one tool":              {`permit (principal, action == Action::"call_tool:crm/t7", resource) when { context.input.a == 1 };`, 1},
		"one argument":          {`permit (principal, action in Action::"call_tool", resource) when { context has input.a };`, 3},
		"a tool as exception":   {`permit (principal, action in Action::"write", resource) unless { action == Action::"call_tool:crm/t0" };`, 6},
		"the arguments at once": {`permit (principal, action in Action::"call_tool", resource) when { context.input == {} };`, 301},
	} {
		t.Run(name, func(t *testing.T) {
			var p cedargo.Policy
			if err := p.UnmarshalCedar([]byte(tc.policy)); err != nil {
				t.Fatal(err)
			}
			v.of((*ast.Policy)(p.AST()))
			got := 0
			for _, key := range slices.Collect(maps.Keys(v.made)) {
				got = strings.Count(key, "!")
			}
			clear(v.made)
			if got == 0 || got > tc.want {
				t.Errorf("typed for %d actions, want at most %d", got, tc.want)
			}
		})
	}
}
