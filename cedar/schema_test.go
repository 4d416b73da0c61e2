package cedar

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// described is a JSON Schema together with how to make values that are valid for it.
type described struct {
	schema mcp.Value
	value  func(*rapid.T) mcp.Value
}

func object(members ...any) mcp.Object {
	var all []mcp.Member
	for i := 0; i < len(members); i += 2 {
		all = append(all, mcp.Member{Name: members[i].(string), Value: members[i+1].(mcp.Value)})
	}
	return mcp.NewObject(all...)
}

var someNames = []string{"a", "b c", "if", "__cedar", "ä", "\"", "", "a/b~", "\n", "datetime", "input"}

// drawSchema makes a schema of the kinds that tools have. Those that Cedar cannot express are among them.
func drawSchema(t *rapid.T, depth int) described {
	kinds := []string{"string", "word", "integer", "number", "boolean", "anything", "tuple"}
	if depth < 3 {
		kinds = append(kinds, "list", "record", "record", "map", "nullable", "union", "allOf", "ref")
	}
	text := func(t *rapid.T) mcp.Value { return mcp.String(rapid.StringN(0, 5, -1).Draw(t, "text")) }
	whole := func(t *rapid.T) mcp.Value { return mcp.Int(rapid.Int64().Draw(t, "whole")) }
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "string":
		return described{object("type", mcp.String("string"), "minLength", mcp.Int(0)), text}
	case "word":
		words := mcp.Array{mcp.String("read"), mcp.String("write"), mcp.Int(7)}
		return described{object("enum", words), func(t *rapid.T) mcp.Value { return rapid.SampledFrom(words).Draw(t, "word") }}
	case "integer":
		return described{object("type", mcp.String("integer")), whole}
	case "number":
		return described{object("type", mcp.String("number")), func(t *rapid.T) mcp.Value {
			return mcp.Float(float64(rapid.IntRange(-1e9, 1e9).Draw(t, "ten-thousandths")) / 1e4)
		}}
	case "boolean":
		return described{object("type", mcp.String("boolean")), func(t *rapid.T) mcp.Value { return mcp.Bool(rapid.Bool().Draw(t, "truth")) }}
	case "tuple":
		return described{object("type", mcp.String("array"), "prefixItems", mcp.Array{mcp.Bool(true)}), func(t *rapid.T) mcp.Value { return mcp.Array{whole(t)} }}
	case "list":
		element := drawSchema(t, depth+1)
		return described{object("type", mcp.String("array"), "items", element.schema), func(t *rapid.T) mcp.Value {
			list := mcp.Array{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				list = append(list, element.value(t))
			}
			return list
		}}
	case "record":
		return drawRecord(t, depth, rapid.SampledFrom(someNames).Draw)
	case "map":
		element := drawSchema(t, 3)
		return described{object("type", mcp.String("object"), "additionalProperties", element.schema), func(t *rapid.T) mcp.Value {
			var members []mcp.Member
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				members = append(members, mcp.Member{Name: rapid.SampledFrom(someNames).Draw(t, "name"), Value: element.value(t)})
			}
			return mcp.NewObject(members...)
		}}
	case "nullable":
		inner := drawSchema(t, depth+1)
		return described{object("anyOf", mcp.Array{object("type", mcp.String("null")), inner.schema}), func(t *rapid.T) mcp.Value {
			if rapid.Bool().Draw(t, "null") {
				return mcp.Null{}
			}
			return inner.value(t)
		}}
	case "union":
		return drawUnion(t, depth)
	case "allOf":
		// The names of two objects do not meet, as those of a type and its embedded one do not.
		one := drawRecord(t, depth, func(t *rapid.T, label string) string { return "x" + rapid.SampledFrom(someNames).Draw(t, label) })
		two := drawRecord(t, depth, func(t *rapid.T, label string) string { return "y" + rapid.SampledFrom(someNames).Draw(t, label) })
		open := func(v mcp.Value) mcp.Value { // an object that is closed would refuse the other's names
			var members []mcp.Member
			for name, member := range v.(mcp.Object).All() {
				if name != "additionalProperties" {
					members = append(members, mcp.Member{Name: name, Value: member})
				}
			}
			return mcp.NewObject(members...)
		}
		return described{object("allOf", mcp.Array{open(one.schema), open(two.schema)}), func(t *rapid.T) mcp.Value {
			var members []mcp.Member
			for _, part := range []described{one, two} {
				for name, v := range part.value(t).(mcp.Object).All() {
					members = append(members, mcp.Member{Name: name, Value: v})
				}
			}
			return mcp.NewObject(members...)
		}}
	case "ref":
		return described{object("$ref", mcp.String("#/$defs/word")), text}
	}
	return described{mcp.Bool(true), func(t *rapid.T) mcp.Value { return rapid.SampledFrom(anything).Draw(t, "thing") }}
}

var anything = []mcp.Value{
	mcp.Null{}, mcp.Int(1), mcp.Float(1.5), mcp.Float(0.00001), mcp.String("x"), mcp.Bool(true), mcp.Array{}, mcp.Array{mcp.Array{}},
	mcp.Array{mcp.Null{}}, object(), object("a", mcp.Int(1)),
}

func drawRecord(t *rapid.T, depth int, drawName func(*rapid.T, string) string) described {
	var properties []mcp.Member
	members := map[string]described{}
	var required mcp.Array
	for range rapid.IntRange(0, 4).Draw(t, "properties") {
		name := drawName(t, "name")
		if _, twice := members[name]; twice {
			continue
		}
		members[name] = drawSchema(t, depth+1)
		properties = append(properties, mcp.Member{Name: name, Value: members[name].schema})
		if rapid.Bool().Draw(t, "required") {
			required = append(required, mcp.String(name))
		}
	}
	closed := rapid.Bool().Draw(t, "closed")
	all := []mcp.Member{{Name: "type", Value: mcp.String("object")}, {Name: "properties", Value: mcp.NewObject(properties...)}, {Name: "required", Value: required}}
	if closed {
		all = append(all, mcp.Member{Name: "additionalProperties", Value: mcp.Bool(false)})
	}
	return described{mcp.NewObject(all...), func(t *rapid.T) mcp.Value {
		sent := []mcp.Member{}
		for _, p := range properties {
			if slices.Contains(required, mcp.Value(mcp.String(p.Name))) || rapid.Bool().Draw(t, "present") {
				sent = append(sent, mcp.Member{Name: p.Name, Value: members[p.Name].value(t)})
			}
		}
		if !closed && rapid.Bool().Draw(t, "more") {
			sent = append(sent, mcp.Member{Name: "zz", Value: rapid.SampledFrom(anything).Draw(t, "thing")})
		}
		return mcp.NewObject(sent...)
	}}
}

// drawUnion makes a union of types that look different in JSON.
func drawUnion(t *rapid.T, depth int) described {
	alternatives := []described{
		{object("type", mcp.String("string")), func(t *rapid.T) mcp.Value { return mcp.String("x") }},
		{object("type", mcp.String("integer")), func(t *rapid.T) mcp.Value { return mcp.Int(1) }},
		{object("const", mcp.Bool(true)), func(t *rapid.T) mcp.Value { return mcp.Bool(true) }},
		{object("type", mcp.String("array"), "items", object("type", mcp.String("string"))), func(t *rapid.T) mcp.Value { return mcp.Array{mcp.String("x")} }},
		drawRecord(t, depth+1, rapid.SampledFrom(someNames).Draw),
	}
	chosen := rapid.SliceOfNDistinct(rapid.IntRange(0, len(alternatives)-1), 1, 3, rapid.ID[int]).Draw(t, "alternatives")
	var schemas mcp.Array
	for _, i := range chosen {
		schemas = append(schemas, alternatives[i].schema)
	}
	return described{object(rapid.SampledFrom([]string{"anyOf", "oneOf"}).Draw(t, "keyword"), schemas), func(t *rapid.T) mcp.Value {
		return alternatives[rapid.SampledFrom(chosen).Draw(t, "alternative")].value(t)
	}}
}

// mangle changes a value somewhere.
func mangle(t *rapid.T, v mcp.Value) mcp.Value {
	if rapid.IntRange(0, 3).Draw(t, "here") == 0 {
		return rapid.SampledFrom(anything).Draw(t, "instead")
	}
	switch v := v.(type) {
	case mcp.Array:
		if len(v) > 0 {
			v = slices.Clone(v)
			i := rapid.IntRange(0, len(v)-1).Draw(t, "element")
			v[i] = mangle(t, v[i])
		}
		return v
	case mcp.Object:
		var members []mcp.Member
		for name, member := range v.All() {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				members = append(members, mcp.Member{Name: name, Value: mangle(t, member)})
			case 1: // gone
			default:
				members = append(members, mcp.Member{Name: name, Value: member})
			}
		}
		return mcp.NewObject(members...)
	}
	return v
}

// Every value that is valid for a tool's schema is asked about as the typed action, with a context that Cedar's
// validator admits. Every other value is, too, or it is asked about as the untyped action, and arguments.complete is
// false. And the text of the schema is what policies are validated against.
func TestArgumentsConformToTheSchemaOfTheirTool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arguments := drawRecord(t, 0, rapid.SampledFrom(someNames).Draw)
		schema := mcp.NewObject(append(slices.Collect(membersOf(arguments.schema)),
			mcp.Member{Name: "$defs", Value: object("word", object("type", mcp.String("string")))})...)
		s := withTool(t, schema)
		words, err := newVocabulary(s.pins)
		if err != nil {
			t.Fatal(err)
		}
		if diff := sameSchema(words); diff != "" {
			t.Fatal(diff)
		}
		sent := arguments.value(t).(mcp.Object)
		if !s.pins["crm"]["t"].input.fits(sent) {
			t.Fatalf("schema %s: valid %s does not fit %s", text(schema), text(sent), describe(s.pins["crm"]["t"].input))
		}
		checkQuestion(t, s, words, sent)
		smallest := s.pins["crm"]["t"].input.smallestRecord()
		if !s.pins["crm"]["t"].input.fits(smallest) || smallest.Len() > sent.Len() {
			t.Fatalf("schema %s: %s is not the least that fits; %s does", text(schema), text(smallest), text(sent))
		}
		other, ok := mangle(t, sent).(mcp.Object)
		if ok {
			checkQuestion(t, s, words, other)
		}
	})
}

func membersOf(v mcp.Value) func(func(mcp.Member) bool) {
	return func(yield func(mcp.Member) bool) {
		for name, member := range v.(mcp.Object).All() {
			if !yield(mcp.Member{Name: name, Value: member}) {
				return
			}
		}
	}
}

func text(v mcp.Value) string { return string(object("", v).AppendJSON(nil)) }

// withTool returns a snapshot with the tool t of crm.
func withTool(t rapid.TB, schema mcp.Value) *Snapshot {
	t.Helper()
	list := object("tools", mcp.Array{object("name", mcp.String("t"), "inputSchema", schema)})
	s, err := newSnapshot(&sources{
		policies: []file{{"p.cedar", []byte(`@id("p") permit (principal, action, resource);`)}},
		tools:    map[string]file{"crm": {"t.json", list.AppendJSON(nil)}},
	}, Config{})
	if err != nil {
		t.Fatalf("schema %s: %v", text(schema), err)
	}
	return s
}

func askAbout(arguments mcp.Object) authz.Query {
	return authz.Query{
		Peer:   peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
		Server: "crm", Target: mcp.Target{Kind: mcp.TargetTool, Name: "t"},
		Call: &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call", Arguments: arguments},
	}
}

func checkQuestion(t rapid.TB, s *Snapshot, words *vocabulary, arguments mcp.Object) {
	t.Helper()
	q := askAbout(arguments)
	asked, ok, err := newLinear(s).ask(q)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := words.validator.Request(asked.request); err != nil {
		t.Errorf("%s: %v", text(arguments), err)
	}
	for _, e := range asked.own {
		if err := words.validator.Entity(e); err != nil {
			t.Errorf("%s: entity %s: %v", text(arguments), e.UID, err)
		}
	}
	if asked.request.Action.ID == callTool {
		sent, _ := asked.request.Context.Get("arguments")
		if complete, _ := sent.(types.Record).Get("complete"); complete != types.Value(types.False) {
			t.Errorf("%s: complete although they do not fit", text(arguments))
		}
	}
	if diff := sameFacts(s, q, asked); diff != "" {
		t.Errorf("%s: %s", text(arguments), diff)
	}
}

// sameSchema compares the text of a schema with what it should say.
func sameSchema(words *vocabulary) string {
	var read schema.Schema
	if err := read.UnmarshalCedar(words.text); err != nil {
		return fmt.Sprintf("%v\n%s", err, words.text)
	}
	resolved, err := read.Resolve()
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, words.text)
	}
	if !reflect.DeepEqual(words.schema.Actions, resolved.Actions) {
		return fmt.Sprintf("the text does not say what is validated against:\n%s", words.text)
	}
	return ""
}

// A record made of chosen members, in a list, is refused as a chosen string is; see [TestHashIsThatOfCedar].
func TestRecordHashIsThatOfCedar(t *testing.T) {
	record := func(i int) types.Value {
		d, err := types.NewDecimal(int64(i*7919), -4)
		if err != nil {
			t.Fatal(err)
		}
		return types.NewRecord(types.RecordMap{
			"text": types.String(fmt.Sprint(i)), "n": types.Long(-i), "b": types.Boolean(i%2 == 0), "d": d,
			"r": types.NewRecord(types.RecordMap{"n": types.Long(i)}), "none": types.NewRecord(nil),
		})
	}
	list := make([]types.Value, 200)
	for i := range list {
		list[i] = record(i)
	}
	set, ok := recordSet(list)
	if !ok {
		t.Fatal("refused")
	}
	slices.SortFunc(list, func(a, b types.Value) int {
		if recordHash(a) < recordHash(b) {
			return -1
		}
		return 1
	})
	var texts []string
	for _, v := range list {
		texts = append(texts, string(v.MarshalCedar()))
	}
	// Cedar-go writes the elements of a set in the order of their hashes, and the members of a record in any.
	names := func(text string) []string {
		var found []string
		for _, m := range regexp.MustCompile(`"text": ?"(\d+)"`).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return found
	}
	if diff := cmp.Diff(names(strings.Join(texts, ", ")), names(set.String())); diff != "" || len(names(set.String())) != len(list) {
		t.Errorf("(-our order +cedar-go's):\n%s", diff)
	}
	if _, ok := recordSet(slices.Concat(list, list)); !ok {
		t.Error("the same records twice were refused")
	}
	one := func(text string) types.Value { return types.NewRecord(types.RecordMap{"text": types.String(text)}) }
	if _, ok := recordSet(append(list, one(twin), one(otherTwin))); ok {
		t.Error("two records with one hash were not refused")
	}
}
