package lint_test

import (
	"strings"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"pgregory.net/rapid"

	"countersign.dev/cedar/lint"
)

// author makes up policies with everything in them that has a fix.
type author struct {
	t   *rapid.T
	out strings.Builder
}

func (a *author) n(limit int) int { return rapid.IntRange(0, limit-1).Draw(a.t, "n") }

func (a *author) pick(all ...string) string { return rapid.SampledFrom(all).Draw(a.t, "text") }

// write writes words, which are separated by spaces, with something else in place of some spaces.
func (a *author) write(words string) {
	for _, word := range strings.Fields(words) {
		a.out.WriteString(word)
		a.out.WriteString(a.pick(" ", " ", " ", " ", " ", "\n", "\u00a0", " /* a */ ", "/**/", " // countersign:ignore x y\n"))
	}
}

func (a *author) policy() {
	a.write(a.pick("permit", "permit", "forbid"))
	a.write("( " + a.pick("principal", "principal", `principal == Workload::"a"`) + " ,")
	a.write(a.pick("action", `action == Action::"call_tool"`, `action == Action::"any"`, `action in Action::"write"`,
		`action in [ Action::"write" , Action::"ping" ]`, `action == Action::"ping"`))
	a.write(", " + a.pick("resource", `resource == Tool::"crm/a"`, "resource is Tool") + " )")
	for range a.n(3) {
		a.write(a.pick("when", "unless") + " {")
		a.condition(3)
		a.write("}")
	}
	a.out.WriteString(" ;\n")
}

func (a *author) condition(depth int) {
	choice := a.n(9)
	if depth == 0 {
		choice = 5 + choice%4
	}
	switch choice {
	case 0, 1:
		a.write("(")
		a.condition(depth - 1)
		a.write(a.pick("&&", "||", "==", "!="))
		a.condition(depth - 1)
		a.write(")")
	case 2:
		a.write("( if")
		a.condition(depth - 1)
		a.write("then")
		a.condition(depth - 1)
		a.write("else")
		a.condition(depth - 1)
		a.write(")")
	case 3:
		a.write(strings.Repeat("! ", 1+a.n(8)) + "(")
		a.condition(depth - 1)
		a.write(")")
	case 4:
		a.write(strings.Repeat("- ", 1+a.n(8)) + a.operand() + a.pick(" == 1", " < 0", " == - 1", " != 9223372036854775807"))
	case 5, 6:
		a.write(a.operand() + " like " + a.pick(`"x"`, `"x"`, `"\*"`, `"x*"`, `""`))
	case 7:
		a.write(a.pick("action", "( action )", `Action::"write"`, "context.b", "resource") + a.pick(" == ", " != ", " in ") +
			a.pick(`Action::"write"`, `Action::"call_tool"`, "action", "principal", "context.a"))
	case 8:
		a.write(a.pick("true", "context has a", "context.b", `[ Action::"write" ] .contains( action )`))
	}
}

// operand is something of a type that nobody knows, or that the schema tells.
func (a *author) operand() string {
	return a.pick("principal", "principal.path", `( principal )["path"]`, "principal.b", "resource.name", "resource.uri", "context.a", "context.b",
		"context.method", "context.delegation.task", "context.request.host", `"x"`, "1", "9223372036854775808", "true", "( true )", `ip("::1")`,
		`context.arguments.str.getTag("a")`, `context.arguments.num.getTag("a")`, `principal.getTag("a")`, `{ a : "x" } .a`, `[ "x" ]`)
}

// asked makes up a request. What the schema does not tell has any type; what it does, has that type if it is there.
func asked(t *rapid.T) (types.EntityMap, types.Request) {
	maybe := func(r types.RecordMap, name types.String, values ...types.Value) {
		if i := rapid.IntRange(-1, len(values)-1).Draw(t, string(name)); i >= 0 {
			r[name] = values[i]
		}
	}
	anything := []types.Value{
		types.String("x"), types.String("*"), types.Long(1), types.Long(-9223372036854775808), types.True, types.False,
		types.NewEntityUID("Workload", "a"), types.NewSet(types.String("x")), types.NewRecord(types.RecordMap{"a": types.String("x")}),
	}
	texts := []types.Value{types.String("x"), types.String("*"), types.String("")}
	str, num := types.NewEntityUID("StrArgs", "a"), types.NewEntityUID("NumArgs", "a")
	uid := func(kind types.EntityType, ids ...types.String) types.EntityUID {
		return types.NewEntityUID(kind, rapid.SampledFrom(ids).Draw(t, string(kind)))
	}
	principal, resource := uid("Workload", "a", "b"), uid("Tool", "crm/a", "crm/b")
	action := uid("Action", "call_tool:crm/a", "call_tool", "write", "any", "ping", "update_task")

	context, delegation, request := types.RecordMap{}, types.RecordMap{}, types.RecordMap{}
	maybe(context, "a", anything...)
	maybe(context, "b", anything...)
	maybe(context, "method", texts...)
	maybe(delegation, "task", texts...)
	maybe(request, "host", texts...)
	maybe(context, "delegation", types.NewRecord(delegation))
	maybe(context, "request", types.NewRecord(request))
	maybe(context, "arguments", types.NewRecord(types.RecordMap{"str": str, "num": num}))
	of, named, strTags, numTags, tags := types.RecordMap{}, types.RecordMap{}, types.RecordMap{}, types.RecordMap{}, types.RecordMap{}
	maybe(of, "path", texts...)
	maybe(of, "b", anything...)
	maybe(named, "name", texts...)
	maybe(named, "uri", texts...)
	maybe(strTags, "a", texts...)
	maybe(numTags, "a", types.Long(1), types.Long(-9223372036854775808))
	maybe(tags, "a", texts...)
	entities := types.EntityMap{
		principal: {UID: principal, Attributes: types.NewRecord(of), Tags: types.NewRecord(tags)},
		resource:  {UID: resource, Attributes: types.NewRecord(named)},
		str:       {UID: str, Tags: types.NewRecord(strTags)},
		num:       {UID: num, Tags: types.NewRecord(numTags)},
	}
	for child, parent := range map[types.String]types.String{
		"call_tool:crm/a": "call_tool", "call_tool": "write", "update_task": "write", "write": "any", "ping": "any",
	} {
		id := types.NewEntityUID("Action", child)
		entities[id] = types.Entity{UID: id, Parents: types.NewEntityUIDSet(types.NewEntityUID("Action", parent))}
	}
	return entities, types.Request{Principal: principal, Action: action, Resource: resource, Context: types.NewRecord(context)}
}

// A fix that nobody has to ask for lets nobody do what was denied: neither by the rules of Cedar, to which a policy that
// fails does not apply, nor by those of the server, which denies when one fails.
func TestSafeFixesDoNotWiden(t *testing.T) {
	fixes := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		a := author{t: t}
		for range 1 + a.n(3) {
			a.policy()
		}
		text := a.out.String()
		linter := lint.New(&lint.Config{}, nil, today)
		fixed, done, err := linter.Fix(t.Context(), lint.Source{Name: "p.cedar", Data: []byte(text)}, false)
		if err != nil {
			t.Skip(err) // it has numbers that are too large, for one
		}
		for _, f := range done {
			fixes[f.Rule]++
		}
		// To the server the file with no-break spaces is none; what it was meant to say is what the fix must keep.
		before, err := cedargo.NewPolicySetFromBytes("p.cedar", []byte(strings.ReplaceAll(text, "\u00a0", " ")))
		if err != nil {
			t.Skip(err)
		}
		after, err := cedargo.NewPolicySetFromBytes("p.cedar", fixed)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			entities, request := asked(t)
			was, wasDiagnostic := cedargo.Authorize(before, entities, request)
			is, isDiagnostic := cedargo.Authorize(after, entities, request)
			if is == types.Allow && was != types.Allow {
				t.Fatalf("by the rules of Cedar, the fixed policies allow what was denied:\n%s\n%s\n%+v", text, fixed, request)
			}
			if is == types.Allow && len(isDiagnostic.Errors) == 0 && len(wasDiagnostic.Errors) > 0 {
				t.Fatalf("by the rules of the server, the fixed policies allow what was denied:\n%s\n%s\n%+v\n%v", text, fixed, request, wasDiagnostic.Errors)
			}
		}
	})
	for _, rule := range lint.Rules() {
		if rule.Fixable && fixes[rule.ID] == 0 {
			t.Errorf("no fix of rule %s was tried", rule.ID)
		}
	}
}
