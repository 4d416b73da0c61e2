package cedar

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	gocmp "github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// Two strings with one hash: no accident.
const twin, otherTwin = "WCp-mkEFxNi", "0gZZWmmcmdi"

func someStrings(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("value-%d", i)
	}
	return list
}

func TestStringSet(t *testing.T) {
	for name, tc := range map[string]struct {
		list []string
		len  int
		ok   bool
	}{
		"nothing":                       {nil, 0, true},
		"duplicates":                    {slices.Repeat([]string{"a"}, 1000), 1, true},
		"many":                          {someStrings(maxElements), maxElements, true},
		"two with one hash among many":  {append(someStrings(alwaysSmall), twin, otherTwin), 0, false},
		"one of them twice":             {append(someStrings(alwaysSmall), twin, twin), alwaysSmall + 1, true},
		"two with one hash in a few":    {[]string{twin, otherTwin}, 2, true},
		"two that go on alike":          {append(someStrings(alwaysSmall), twin+"/x", otherTwin+"/x"), 0, false},
		"hashes that lie side by side":  {append(someStrings(alwaysSmall), "ax", "ay", "az"), alwaysSmall + 3, true},
		"the longest list is no matter": {append(someStrings(maxElements-2), twin, otherTwin), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			set, ok := stringSet(tc.list)
			if ok != tc.ok || set.Len() != tc.len {
				t.Fatalf("%d elements, %v", set.Len(), ok)
			}
			for _, s := range tc.list {
				if ok && !set.Contains(types.String(s)) {
					t.Errorf("%q is not in the set", s)
				}
			}
		})
	}
}

// Cedar-go writes the elements of a set in the order of their hashes. Should it hash in another way one day, hostile
// lists would no longer be recognised.
func TestHashIsThatOfCedar(t *testing.T) {
	list := someStrings(200)
	set, ok := stringSet(list)
	if !ok {
		t.Fatal("refused")
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(hash(a), hash(b)) })
	if diff := gocmp.Diff(`["`+strings.Join(list, `", "`)+`"]`, set.String()); diff != "" {
		t.Errorf("(-our order +cedar-go's):\n%s", diff)
	}
}

// hostileLists are arguments that cost seconds when their sets are made without care.
func hostileLists() map[string]mcp.Value {
	pairs := make(mcp.Array, 8000) // the hash of a set is the sum of its elements' hashes: all are alike
	for i := range pairs {
		pairs[i] = mcp.Array{mcp.Int(i), mcp.Int(16_000 - i)}
	}
	numbers := make(mcp.Array, maxElements)
	for i := range numbers {
		numbers[i] = mcp.Int(i)
	}
	alike := make(mcp.Array, 0, maxElements)
	for i := range maxElements / 2 {
		alike = append(alike, mcp.String(fmt.Sprint(twin, i)), mcp.String(fmt.Sprint(otherTwin, i)))
	}
	long := make(mcp.Array, 0, 9_999)
	for i := range 9_999 {
		long = append(long, mcp.String(fmt.Sprint(i)))
	}
	return map[string]mcp.Value{"pairs": pairs, "numbers in a row": numbers, "strings with one hash": alike, "a long list": long}
}

// floodPolicies read all that there is to read of lists.
const floodPolicies = `
	@id("lists") permit (principal, action in Action::"call_tool", resource)
	when { context.arguments.keys.contains("tags") && !context.arguments.complete &&
	       context.arguments.list.hasTag("tags") && context.arguments.list.getTag("tags").contains("x") };
	@id("typed") permit (principal, action == Action::"call_tool:crm/search", resource)
	when { context.input has tags && context.input.tags.contains("x") };
	@id("any") permit (principal, action in Action::"call_tool", resource);`

func floodQuery(v mcp.Value) authz.Query {
	q := manyQuery()
	q.Call.Arguments = mcp.NewObject(mcp.Member{Name: "query", Value: mcp.String("x")}, mcp.Member{Name: "tags", Value: v})
	return q
}

// Work is bounded by what may be converted, whatever was sent.
func TestFlood(t *testing.T) {
	s, err := newSnapshot(acmeSources(t, floodPolicies), acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		list    string
		allowed bool
	}{
		"pairs are not converted":           {"pairs", true},
		"nor is a list that is too long":    {"a long list", true},
		"nor numbers where texts should be": {"numbers in a row", true},
		"chosen texts are refused":          {"strings with one hash", false},
	} {
		t.Run(name, func(t *testing.T) {
			q := floodQuery(hostileLists()[tc.list])
			v := s.Authorize(t.Context(), q)
			if v.Allowed != tc.allowed || !tc.allowed && !slices.Equal(v.Errors, []string{untranslatable}) {
				t.Errorf("%+v", v)
			}
			if got := testing.AllocsPerRun(10, func() { s.Authorize(context.Background(), q) }); got > 100 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

// BenchmarkFlood is the price of a call that was made to be expensive, with policies that read what was sent.
func BenchmarkFlood(b *testing.B) {
	s, err := newSnapshot(acmeSources(b, floodPolicies), acmeConfig())
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range hostileLists() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			q := floodQuery(v)
			b.ReportAllocs()
			for b.Loop() {
				s.Authorize(context.Background(), q)
			}
		})
	}
}

// hostileTool has arguments of every kind that takes part in a hash.
const hostileTool = `{"tools":[{"name":"t","inputSchema":{"type":"object","properties":{
	"rows":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"number"},"m":{"type":"integer"}}}},
	"either":{"type":"array","items":{"type":["string","integer"]}},
	"labels":{"type":"object","additionalProperties":{"type":"string"}},
	"lists":{"type":"object","additionalProperties":{"type":"array","items":{"type":"string"}}}}}}]}`

const hostileToolPolicies = `
	@id("any") permit (principal, action in Action::"call_tool", resource);
	@id("rows") forbid (principal, action == Action::"call_tool:crm/t", resource) when { context.input has rows && context.input.rows.isEmpty() };
	@id("either") forbid (principal, action == Action::"call_tool:crm/t", resource) when { context.input has either && context.input.either.isEmpty() };
	@id("labels") forbid (principal, action == Action::"call_tool:crm/t", resource) when { context.input has labels && context.input.labels.hasTag(context.method) };
	@id("lists") forbid (principal, action == Action::"call_tool:crm/t", resource) when { context.input has lists && context.input.lists.hasTag(context.method) };`

// hostileArguments were made to be slow, or to be too many.
func hostileArguments() map[string]mcp.Member {
	alike := func(i int) mcp.String {
		if i%2 == 0 {
			return mcp.String(fmt.Sprint(twin, i/2))
		}
		return mcp.String(fmt.Sprint(otherTwin, i/2))
	}
	var rows, either, wide, many mcp.Array
	var labels, lists []mcp.Member
	for i := range maxElements {
		if i%3 == 0 { // as many as fit
			wide = append(wide, mcp.NewObject(mcp.Member{Name: "a", Value: mcp.String(fmt.Sprint(i))}, mcp.Member{Name: "n", Value: mcp.Float(0.5)}))
			rows = append(rows, mcp.NewObject(mcp.Member{Name: "a", Value: alike(i)}), mcp.NewObject(mcp.Member{Name: "a", Value: alike(i + 1)}))
		}
		either = append(either, alike(i))
		many = append(many, mcp.String(fmt.Sprint(i)))
		labels = append(labels, mcp.Member{Name: fmt.Sprint(i), Value: alike(i)})
	}
	for i := range 9 {
		lists = append(lists, mcp.Member{Name: fmt.Sprint(i), Value: many})
	}
	return map[string]mcp.Member{
		"objects with one hash": {Name: "rows", Value: rows}, "choices with one hash": {Name: "either", Value: either},
		"as many objects as fit": {Name: "rows", Value: wide}, "a map of texts with one hash": {Name: "labels", Value: mcp.NewObject(labels...)},
		"a map of long lists": {Name: "lists", Value: mcp.NewObject(lists...)},
	}
}

func hostileToolSnapshot(t testing.TB) *Snapshot {
	t.Helper()
	src := acmeSources(t, hostileToolPolicies)
	src.tools = map[string]file{"crm": {name: "t.json", data: []byte(hostileTool)}}
	src.entities = nil
	s, err := newSnapshot(src, acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Objects in lists, choices and maps are bounded like lists of texts.
func TestFloodOfTypedArguments(t *testing.T) {
	s := hostileToolSnapshot(t)
	for name, tc := range map[string]struct {
		fits   bool
		errors []string // why it is denied
	}{
		"objects with one hash": {true, []string{untranslatable}}, "choices with one hash": {true, []string{untranslatable}},
		"as many objects as fit": {true, nil}, "a map of texts with one hash": {true, nil},
		"a map of long lists": {false, []string{"either", "labels", "lists", "rows"}}, // forbids for what does not fit
	} {
		t.Run(name, func(t *testing.T) {
			q := askAbout(mcp.NewObject(hostileArguments()[name]))
			if fits := s.pins["crm"]["t"].input.fits(q.Call.Arguments); fits != tc.fits {
				t.Errorf("fits is %v", fits)
			}
			v := s.Authorize(t.Context(), q)
			if v.Allowed != (tc.errors == nil) || !slices.Equal(v.Errors, tc.errors) {
				t.Errorf("%+v", v)
			}
		})
	}
}

// BenchmarkFloodOfTypedArguments is the price of such calls.
func BenchmarkFloodOfTypedArguments(b *testing.B) {
	s := hostileToolSnapshot(b)
	for name, v := range hostileArguments() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			q := askAbout(mcp.NewObject(v))
			b.ReportAllocs()
			for b.Loop() {
				s.Authorize(context.Background(), q)
			}
		})
	}
}
