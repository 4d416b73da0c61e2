package delegation_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

func parse(t testing.TB, text string) delegation.Constraint {
	t.Helper()
	c, err := delegation.ParseConstraint([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func value(t testing.TB, text string) mcp.Value {
	t.Helper()
	o, err := mcp.ParseObject([]byte(`{"v":` + text + `}`))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	v, _ := o.Get("v")
	return v
}

func TestConstraintAccepts(t *testing.T) {
	for _, c := range []struct {
		constraint     string
		accepts, never []string
	}{
		{`{"type":"wildcard"}`, []string{`1`, `"a"`, `null`, `[]`, `{}`}, nil},
		{`{"type":"exact","value":5}`, []string{`5`, `5.0`, `5e0`}, []string{`"5"`, `6`, `null`, `[5]`}},
		{`{"type":"exact","value":"a"}`, []string{`"a"`, `"\u0061"`}, []string{`"A"`, `"a "`, `0`}},
		{`{"type":"exact","value":null}`, []string{`null`}, []string{`""`, `0`, `false`, `{}`}},
		{`{"type":"exact","value":{"a":[1,{}]}}`, []string{`{"a":[1.0,{}]}`}, []string{`{"a":[1]}`, `{"a":[1,{}],"b":1}`, `{"b":[1,{}]}`, `{}`, `[]`}},
		{`{"type":"range","min":0,"max":500}`, []string{`0`, `500`, `500.0`, `0.5`, `-0.0`}, []string{`-1`, `501`, `500.5`, `"1"`, `null`, `[1]`}},
		{`{"type":"range","min":9007199254740993}`, []string{`9007199254740993`, `1e300`}, []string{`9007199254740992`, `9007199254740992.0`}},
		{`{"type":"range","max":0.5}`, []string{`0`, `-9223372036854775808`, `-1e300`, `0.5`}, []string{`1`, `0.75`}},
		{`{"type":"range","min":-1.5,"max":-1.5}`, []string{`-1.5`}, []string{`-1`, `-2`, `1.5`}},
		{`{"type":"range","max":9223372036854775807}`, []string{`9223372036854775807`}, []string{`9.223372036854776e18`}},
		{`{"type":"range","min":-9223372036854775808}`, []string{`-9223372036854775808`}, []string{`-9.223372036854778e18`}},
		{`{"type":"one_of","values":["a",1,null]}`, []string{`"a"`, `1`, `1.0`, `null`}, []string{`"b"`, `2`, `[]`, `"1"`}},
		{`{"type":"not_one_of","values":["a",1]}`, []string{`"b"`, `2`, `null`}, []string{`"a"`, `1`, `1.0`}},
		{`{"type":"contains","values":["a","b"]}`, []string{`["a","b"]`, `["c","b","a"]`}, []string{`["a"]`, `[]`, `"ab"`, `{"a":1,"b":1}`, `[["a","b"]]`}},
		{`{"type":"subset","values":["a","b"]}`, []string{`["a"]`, `[]`, `["b","a","a"]`}, []string{`["c"]`, `"a"`, `{}`, `["a","c"]`}},
		{`{"type":"all","constraints":[{"type":"range","min":1},{"type":"not_one_of","values":[3]}]}`, []string{`1`, `2`}, []string{`0`, `3`, `3.0`, `"x"`}},
		{`{"type":"any","constraints":[{"type":"exact","value":"x"},{"type":"range","max":0}]}`, []string{`"x"`, `-1`}, []string{`1`, `"y"`}},
	} {
		constraint := parse(t, c.constraint)
		for _, text := range c.accepts {
			if !constraint.Accepts(value(t, text)) {
				t.Errorf("%s refuses %s", c.constraint, text)
			}
		}
		for _, text := range c.never {
			if constraint.Accepts(value(t, text)) {
				t.Errorf("%s accepts %s", c.constraint, text)
			}
		}
	}
}

// TestConstraintsThatNobodyParsed accept nothing, whatever is missing in them.
func TestConstraintsThatNobodyParsed(t *testing.T) {
	for _, kind := range []delegation.ConstraintType{"", "regex", "exact", "range", "one_of", "not_one_of", "contains", "subset", "all", "any"} {
		c := delegation.Constraint{Type: kind}
		for _, v := range []mcp.Value{nil, mcp.Null{}, mcp.Int(0), mcp.Float(math.NaN()), mcp.String(""), mcp.Array{}, mcp.NewObject()} {
			if c.Accepts(v) {
				t.Errorf("%q accepts %v", kind, v)
			}
		}
	}
	nan := mcp.Float(math.NaN())
	if parse(t, `{"type":"range","min":0}`).Accepts(nan) || parse(t, `{"type":"range","max":0.5}`).Accepts(nan) {
		t.Error("a range accepts what is not a number")
	}
	if (delegation.Constraint{Type: "range", Min: nan}).Accepts(mcp.Int(1)) || (delegation.Constraint{Type: "range", Max: nan}).Accepts(mcp.Int(1)) {
		t.Error("a range that is not a number accepts one")
	}
}

func TestParseConstraintRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{}`, `"wildcard"`, `{"type":"wildcard"`, `{"type":"wildcard"}x`,
		`{"type":"pattern","value":".*"}`,
		`{"type":"regex"}`,
		`{"Type":"wildcard"}`,
		`{"type":"Wildcard"}`,
		`{"type":"wildcard","value":1}`,
		`{"type":"wildcard","optional":false}`,
		`{"type":"wildcard","optional":1}`,
		`{"type":"wildcard","Optional":true}`,
		`{"type":"wildcard","type":"exact"}`,
		`{"type":"exact"}`,
		`{"type":"exact","value":1,"values":[2]}`,
		`{"type":"range"}`,
		`{"type":"range","min":"0"}`,
		`{"type":"range","min":null,"max":1}`,
		`{"type":"range","min":2,"max":1}`,
		`{"type":"range","min":0,"maximum":1}`,
		`{"type":"range","max":1e999}`,
		`{"type":"one_of","values":[]}`,
		`{"type":"one_of","values":"a"}`,
		`{"type":"one_of"}`,
		`{"type":"not_one_of","values":[]}`,
		`{"type":"contains","values":[]}`,
		`{"type":"subset","values":[]}`,
		`{"type":"subset","values":[` + strings.Repeat("1,", 256) + `1]}`,
		`{"type":"all","constraints":[]}`,
		`{"type":"any","constraints":[]}`,
		`{"type":"any","constraints":[1]}`,
		`{"type":"any","constraints":[{"type":"wildcard","optional":true}]}`,
		`{"type":"any","constraints":[{"type":"regex"}]}`,
		strings.Repeat(`{"type":"all","constraints":[`, 9) + `{"type":"wildcard"}` + strings.Repeat(`]}`, 9),
	} {
		if c, err := delegation.ParseConstraint([]byte(text)); err == nil {
			t.Errorf("%.60s: got %+v", text, c)
		}
	}
}

func TestConstraintSubsumes(t *testing.T) {
	for _, c := range []struct {
		parent, derived string
		want            bool
	}{
		{`{"type":"wildcard"}`, `{"type":"not_one_of","values":[1]}`, true},
		{`{"type":"exact","value":1}`, `{"type":"exact","value":1.0}`, true},
		{`{"type":"exact","value":1}`, `{"type":"exact","value":2}`, false},
		{`{"type":"exact","value":1}`, `{"type":"one_of","values":[1]}`, false},
		{`{"type":"exact","value":1}`, `{"type":"wildcard"}`, false},
		{`{"type":"range","min":0,"max":9}`, `{"type":"range","min":0,"max":9}`, true},
		{`{"type":"range","min":0,"max":9}`, `{"type":"range","min":1,"max":8.5}`, true},
		{`{"type":"range","min":0,"max":9}`, `{"type":"range","min":0,"max":10}`, false},
		{`{"type":"range","min":0,"max":9}`, `{"type":"range","min":-1,"max":9}`, false},
		{`{"type":"range","min":0,"max":9}`, `{"type":"range","min":0}`, false},
		{`{"type":"range","min":0}`, `{"type":"range","max":9}`, false},
		{`{"type":"range","min":0}`, `{"type":"range","min":1,"max":9}`, true},
		{`{"type":"range","min":0,"max":9}`, `{"type":"exact","value":9}`, true},
		{`{"type":"range","min":0,"max":9}`, `{"type":"exact","value":"9"}`, false},
		{`{"type":"one_of","values":["a","b"]}`, `{"type":"one_of","values":["b"]}`, true},
		{`{"type":"one_of","values":["a","b"]}`, `{"type":"one_of","values":["b","c"]}`, false},
		{`{"type":"one_of","values":["a","b"]}`, `{"type":"exact","value":"a"}`, true},
		{`{"type":"one_of","values":["a","b"]}`, `{"type":"exact","value":"c"}`, false},
		{`{"type":"not_one_of","values":["a"]}`, `{"type":"not_one_of","values":["a","b"]}`, true},
		{`{"type":"not_one_of","values":["a","b"]}`, `{"type":"not_one_of","values":["a"]}`, false},
		{`{"type":"not_one_of","values":["a"]}`, `{"type":"exact","value":"b"}`, false},
		{`{"type":"contains","values":["a"]}`, `{"type":"contains","values":["a","b"]}`, true},
		{`{"type":"contains","values":["a","b"]}`, `{"type":"contains","values":["a"]}`, false},
		{`{"type":"subset","values":["a","b"]}`, `{"type":"subset","values":["a"]}`, true},
		{`{"type":"subset","values":["a"]}`, `{"type":"subset","values":["a","b"]}`, false},
		{`{"type":"all","constraints":[{"type":"range","min":0},{"type":"range","max":9}]}`,
			`{"type":"all","constraints":[{"type":"range","max":8},{"type":"range","min":1},{"type":"not_one_of","values":[3]}]}`, true},
		{`{"type":"all","constraints":[{"type":"range","min":0},{"type":"range","max":9}]}`,
			`{"type":"all","constraints":[{"type":"range","min":1}]}`, false},
		{`{"type":"any","constraints":[{"type":"exact","value":1},{"type":"range","min":5}]}`,
			`{"type":"any","constraints":[{"type":"range","min":6}]}`, true},
		{`{"type":"any","constraints":[{"type":"exact","value":1}]}`,
			`{"type":"any","constraints":[{"type":"exact","value":1},{"type":"exact","value":2}]}`, false},
		{`{"type":"any","constraints":[{"type":"exact","value":1}]}`, `{"type":"exact","value":1}`, false},
	} {
		if got := parse(t, c.parent).Subsumes(parse(t, c.derived)); got != c.want {
			t.Errorf("%s over %s: got %t", c.parent, c.derived, got)
		}
	}
	if (delegation.Constraint{Type: "regex"}).Subsumes(delegation.Constraint{Type: "regex"}) {
		t.Error("an unknown type subsumes itself")
	}
}

// values come from a small set, so that random constraints often meet.
func values() *rapid.Generator[mcp.Value] {
	scalar := rapid.SampledFrom([]mcp.Value{
		mcp.Int(-1), mcp.Int(0), mcp.Int(1), mcp.Int(2), mcp.Float(1), mcp.Float(0.5), mcp.Float(math.Copysign(0, -1)),
		mcp.String("a"), mcp.String("b"), mcp.Bool(true), mcp.Null{},
		mcp.Int(math.MaxInt64), mcp.Float(1 << 63),
	})
	return rapid.Custom(func(t *rapid.T) mcp.Value {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0, 1:
			return mcp.Array(rapid.SliceOfN(scalar, 0, 3).Draw(t, "array"))
		case 2:
			return mcp.NewObject(mcp.Member{Name: "a", Value: scalar.Draw(t, "member")})
		default:
			return scalar.Draw(t, "scalar")
		}
	})
}

func constraints(depth int) *rapid.Generator[delegation.Constraint] {
	return rapid.Custom(func(t *rapid.T) delegation.Constraint {
		kinds := []delegation.ConstraintType{
			delegation.Wildcard, delegation.Exact, delegation.Range, delegation.Range, delegation.OneOf, delegation.NotOneOf,
			delegation.Contains, delegation.Subset,
		}
		if depth > 0 {
			kinds = append(kinds, delegation.All, delegation.Any)
		}
		c := delegation.Constraint{Type: rapid.SampledFrom(kinds).Draw(t, "type")}
		switch c.Type {
		case delegation.Wildcard:
		case delegation.Exact:
			c.Value = values().Draw(t, "value")
		case delegation.Range:
			bound := rapid.SampledFrom([]mcp.Value{mcp.Int(0), mcp.Float(0.5), mcp.Int(1), mcp.Float(1), mcp.Int(2)})
			c.Min = bound.Draw(t, "min")
			if rapid.Bool().Draw(t, "bounded") {
				c.Max = mcp.Int(2)
			}
			if rapid.Bool().Draw(t, "unbounded") {
				c.Min, c.Max = nil, bound.Draw(t, "max")
			}
		case delegation.All, delegation.Any:
			c.Constraints = rapid.SliceOfN(constraints(depth-1), 1, 3).Draw(t, "constraints")
		default:
			c.Values = rapid.SliceOfN(values(), 1, 3).Draw(t, "values")
		}
		return c
	})
}

// narrowed changes a constraint a little, more often than not to a narrower one.
func narrowed(t *rapid.T, c delegation.Constraint) delegation.Constraint {
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		return constraints(2).Draw(t, "another")
	case 1:
		return c
	}
	switch {
	case c.Type == delegation.Range:
		c.Max = rapid.SampledFrom([]mcp.Value{nil, mcp.Int(1), mcp.Int(2)}).Draw(t, "max")
		if c.Min == nil && c.Max == nil {
			c.Max = mcp.Int(0)
		}
	case len(c.Values) > 1 && rapid.Bool().Draw(t, "fewer"):
		c.Values = c.Values[1:]
	case len(c.Values) > 0:
		c.Values = append([]mcp.Value{values().Draw(t, "more")}, c.Values...)
	case len(c.Constraints) > 0:
		inner := append([]delegation.Constraint{}, c.Constraints...)
		i := rapid.IntRange(0, len(inner)-1).Draw(t, "inner")
		inner[i] = narrowed(t, inner[i])
		c.Constraints = inner
	}
	return c
}

func TestWhatSubsumesAcceptsMore(t *testing.T) {
	subsumed := 0
	rapid.Check(t, func(t *rapid.T) {
		parent := constraints(2).Draw(t, "parent")
		derived := narrowed(t, parent)
		if !parent.Subsumes(parent) {
			t.Fatalf("%+v does not subsume itself", parent)
		}
		if !parent.Subsumes(derived) {
			return
		}
		subsumed++
		for range 20 {
			v := values().Draw(t, "v")
			if derived.Accepts(v) && !parent.Accepts(v) {
				t.Fatalf("%+v subsumes %+v, which accepts %v", parent, derived, v)
			}
		}
	})
	if subsumed == 0 {
		t.Error("the generator is of no use")
	}
}

func TestSubsumesIsTransitive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := constraints(2).Draw(t, "a")
		b := narrowed(t, a)
		c := narrowed(t, b)
		if a.Subsumes(b) && b.Subsumes(c) && !a.Subsumes(c) {
			t.Fatalf("%+v > %+v > %+v", a, b, c)
		}
	})
}

func TestConstraintText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := constraints(2).Draw(t, "c")
		c.Optional = rapid.Bool().Draw(t, "optional")
		if c.Min != nil && c.Max != nil {
			c.Max = nil // their order is another question
		}
		text, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		read, err := delegation.ParseConstraint(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(c, read, equateObjects); diff != "" {
			t.Fatalf("%s: %s", text, diff)
		}
	})
}

var equateObjects = cmp.Comparer(func(a, b mcp.Object) bool { return a.Equal(b) })

var argumentNames = []string{"id", "ID", "amount", "note", "*"}

func arguments() *rapid.Generator[delegation.Arguments] {
	return rapid.Custom(func(t *rapid.T) delegation.Arguments {
		a := delegation.Arguments{}
		for _, name := range argumentNames {
			if !rapid.Bool().Draw(t, name) {
				continue
			}
			if name == "*" {
				a[name] = delegation.Constraint{Type: delegation.Wildcard}
				continue
			}
			c := constraints(1).Draw(t, "constraint")
			c.Optional = rapid.Bool().Draw(t, "optional")
			a[name] = c
		}
		return a
	})
}

func calls() *rapid.Generator[mcp.Object] {
	return rapid.Custom(func(t *rapid.T) mcp.Object {
		members := []mcp.Member{}
		for _, name := range []string{"id", "ID", "Id", "amount", "note", "other", "*"} {
			if rapid.IntRange(0, 2).Draw(t, name) == 0 {
				members = append(members, mcp.Member{Name: name, Value: values().Draw(t, "value")})
			}
		}
		return mcp.NewObject(members...)
	})
}

func TestArgumentsThatSubsumeAcceptMore(t *testing.T) {
	subsumed, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parent := arguments().Draw(t, "parent")
		derived := delegation.Arguments{}
		for name, c := range parent {
			optional := c.Optional
			if name != "*" {
				c = narrowed(t, c)
			}
			c.Optional = optional && rapid.Bool().Draw(t, "still optional")
			if rapid.IntRange(0, 4).Draw(t, "kept") > 0 {
				derived[name] = c
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "added") == 0 {
			derived[rapid.SampledFrom(argumentNames).Draw(t, "name")] = delegation.Constraint{Type: delegation.Wildcard}
		}
		if !parent.Subsumes(parent) {
			t.Fatalf("%+v does not subsume itself", parent)
		}
		if !parent.Subsumes(derived) {
			return
		}
		subsumed++
		for range 20 {
			call := calls().Draw(t, "call")
			if _, why := derived.Accepts(call); why != "" {
				continue
			}
			accepted++
			if name, why := parent.Accepts(call); why != "" {
				t.Fatalf("%+v subsumes %+v, which accepts %s: %s %s", parent, derived, call.AppendJSON(nil), name, why)
			}
		}
	})
	if subsumed == 0 || accepted == 0 {
		t.Errorf("the generator is of no use: %d subsumed, %d accepted", subsumed, accepted)
	}
}

func TestArgumentsSubsume(t *testing.T) {
	read := func(text string) delegation.Arguments {
		t.Helper()
		o, err := mcp.ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		a := delegation.Arguments{}
		for name, v := range o.All() {
			object, _ := v.(mcp.Object)
			a[name] = parse(t, string(object.AppendJSON(nil)))
		}
		return a
	}
	const small, large = `{"type":"range","max":1}`, `{"type":"range","max":9}`
	const optional = `{"type":"range","max":9,"optional":true}`
	const rest = `"*":{"type":"wildcard"}`
	for _, c := range []struct {
		name, parent, derived string
		want                  bool
	}{
		{"the same", `{"a":` + large + `}`, `{"a":` + large + `}`, true},
		{"a tighter one", `{"a":` + large + `}`, `{"a":` + small + `}`, true},
		{"a wider one", `{"a":` + small + `}`, `{"a":` + large + `}`, false},
		{"a new argument", `{"a":` + large + `}`, `{"a":` + large + `,"b":` + small + `}`, false},
		{"a new argument of the rest", `{` + rest + `}`, `{"b":` + small + `}`, true},
		{"another spelling as one of the rest", `{"a":` + optional + `,` + rest + `}`, `{"A":` + small + `}`, false},
		{"a required argument left out", `{"a":` + large + `}`, `{}`, false},
		{"an optional argument left out", `{"a":` + optional + `}`, `{}`, true},
		{"an optional argument among the rest", `{"a":` + optional + `,` + rest + `}`, `{` + rest + `}`, false},
		{"a required one becomes optional", `{"a":` + large + `}`, `{"a":` + optional + `}`, false},
		{"an optional one becomes required", `{"a":` + optional + `}`, `{"a":` + large + `}`, true},
		{"the rest is opened", `{}`, `{` + rest + `}`, false},
		{"the rest is closed", `{` + rest + `}`, `{}`, true},
	} {
		if got := read(c.parent).Subsumes(read(c.derived)); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

func TestCovers(t *testing.T) {
	w := newWorld(t)
	c := root()
	c.Scope = delegation.Scope{"mcp:crm:refund", "mcp:crm:note", "mcp:ledger:*"}
	c.Details = []delegation.Detail{
		{Server: "crm", Tools: map[string]delegation.Arguments{
			"refund": {
				"amount": parse(t, `{"type":"range","min":0,"max":500}`),
				"reason": parse(t, `{"type":"wildcard","optional":true}`),
			},
			"other": {},
		}},
		{Server: "ledger", Tools: map[string]delegation.Arguments{
			"read": {"id": parse(t, `{"type":"exact","value":"4711","optional":true}`), "*": parse(t, `{"type":"wildcard"}`)},
			"ping": {},
		}},
	}
	token, err := w.verifier(t).Verify(t.Context(), w.mint(t, c), planner, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, server, tool, args string
		want                     denial.Reason
	}{
		{"within the limits", "crm", "refund", `{"amount":120}`, ""},
		{"with an optional argument", "crm", "refund", `{"amount":120,"reason":"late"}`, ""},
		{"over the limit", "crm", "refund", `{"amount":501}`, denial.CeilingExceeded},
		{"of another type", "crm", "refund", `{"amount":"120"}`, denial.CeilingExceeded},
		{"an argument that is not listed", "crm", "refund", `{"amount":120,"force":true}`, denial.CeilingExceeded},
		{"an argument in another case", "crm", "refund", `{"Amount":120}`, denial.CeilingExceeded},
		{"a required argument is missing", "crm", "refund", `{"reason":"late"}`, denial.CeilingExceeded},
		{"no arguments", "crm", "refund", ``, denial.CeilingExceeded},
		{"a tool without limits", "crm", "note", `{"anything":[1]}`, ""},
		{"a tool with limits that is not in the scope", "crm", "other", `{}`, denial.ScopeNotGranted},
		{"a tool that is not granted", "crm", "delete", `{}`, denial.ScopeNotGranted},
		{"a tool of another server", "hr", "refund", `{"amount":1}`, denial.ScopeNotGranted},
		{"a server that imitates another", "crm:refund", "x", `{}`, denial.ScopeNotGranted},
		{"a server without a name", "", "refund", `{}`, denial.ScopeNotGranted},
		{"a wildcard grants any tool", "ledger", "anything at all", `{"x":1}`, ""},
		{"the rest is granted", "ledger", "read", `{"verbose":true}`, ""},
		{"the rest with the listed one", "ledger", "read", `{"id":"4711","verbose":true}`, ""},
		{"the rest with a wrong one", "ledger", "read", `{"id":"4712"}`, denial.CeilingExceeded},
		{"the rest does not hide another spelling", "ledger", "read", `{"ID":"4712"}`, denial.CeilingExceeded},
		{"an argument called like the wildcard", "ledger", "read", `{"*":1}`, ""},
		{"a tool that takes nothing", "ledger", "ping", `{}`, ""},
		{"a tool that takes nothing, called with something", "ledger", "ping", `{"x":1}`, denial.CeilingExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			var args mcp.Object
			if c.args != "" {
				if args, err = mcp.ParseObject([]byte(c.args)); err != nil {
					t.Fatal(err)
				}
			}
			if err := token.Covers(c.server, c.tool, args); reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestDetailsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	d0 := w.mint(t, root())
	for name, details := range map[string]string{
		"not an array":               `{}`,
		"not objects":                `[1]`,
		"no type":                    `[{"server":"crm","tools":{"a":{}}}]`,
		"no server":                  `[{"type":"mcp_tools","tools":{"a":{}}}]`,
		"a server with a colon":      `[{"type":"mcp_tools","server":"a:b","tools":{"a":{}}}]`,
		"all servers":                `[{"type":"mcp_tools","server":"*","tools":{"a":{}}}]`,
		"no tools":                   `[{"type":"mcp_tools","server":"crm"}]`,
		"empty tools":                `[{"type":"mcp_tools","server":"crm","tools":{}}]`,
		"tools as an array":          `[{"type":"mcp_tools","server":"crm","tools":["a"]}]`,
		"a tool without a name":      `[{"type":"mcp_tools","server":"crm","tools":{"":{}}}]`,
		"a tool that is an array":    `[{"type":"mcp_tools","server":"crm","tools":{"a":[]}}]`,
		"a constraint that is text":  `[{"type":"mcp_tools","server":"crm","tools":{"a":{"b":"x"}}}]`,
		"another wildcard":           `[{"type":"mcp_tools","server":"crm","tools":{"a":{"*":{"type":"exact","value":1}}}}]`,
		"an optional wildcard":       `[{"type":"mcp_tools","server":"crm","tools":{"a":{"*":{"type":"wildcard","optional":true}}}}]`,
		"locations":                  `[{"type":"mcp_tools","server":"crm","tools":{"a":{}},"locations":["x"]}]`,
		"a server twice":             `[{"type":"mcp_tools","server":"crm","tools":{"a":{}}},{"type":"mcp_tools","server":"crm","tools":{"b":{}}}]`,
		"a tool in two cases":        `[{"type":"mcp_tools","server":"crm","tools":{"a":{},"A":{}}}]`,
		"too many tools":             `[{"type":"mcp_tools","server":"crm","tools":{` + many(129, `"t%":{}`) + `}}]`,
		"too many arguments":         `[{"type":"mcp_tools","server":"crm","tools":{"a":{` + many(129, `"a%":{"type":"wildcard"}`) + `}}}]`,
		"too many details":           `[` + many(65, `{"type":"mcp_tools","server":"s%","tools":{"a":{}}}`) + `]`,
		"an unknown constraint type": `[{"type":"mcp_tools","server":"crm","tools":{"a":{"b":{"type":"cel"}}}}]`,
	} {
		token := w.edit(t, tts, d0, `,"tctx"`, `,"authorization_details":`+details+`,"tctx"`)
		_, err := w.verifier(t).Verify(t.Context(), token, planner, now)
		if r := reason(err); r != denial.TokenClaims && r != denial.TokenMalformed {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func many(n int, pattern string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(pattern, "%", strings.Repeat("x", i%10)+string(rune('a'+i/10)))
	}
	return strings.Join(list, ",")
}
