package cedar

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign.dev/authz/mcp"
)

// What is asked about a call whose arguments are {"x": …}, with what the schema says of x: "met" is the typed action and
// nothing is wrong, "outside" the typed action although not everything could be told, "untyped" plain call_tool.
func TestArgumentsAreHeldToTheSchema(t *testing.T) {
	for name, tc := range map[string]struct {
		property              string
		met, outside, untyped []string
		unchecked             string // what the report says
	}{
		"false":                     {`false`, nil, nil, []string{`1`, `null`, `{}`}, ""},
		"true":                      {`true`, []string{`1`, `null`, `[{}]`}, nil, nil, ""},
		"not":                       {`{"not":{"type":"string"}}`, []string{`1`}, nil, []string{`"x"`}, ""},
		"null":                      {`{"type":"null"}`, []string{`null`}, nil, []string{`5`}, ""},
		"constant null":             {`{"const":null}`, []string{`null`}, nil, []string{`5`, `"null"`}, ""},
		"list":                      {`{"type":"array"}`, []string{`[]`, `[1,"a"]`}, nil, []string{`5`, `{}`}, ""},
		"contradiction":             {`{"allOf":[{"type":"string"},{"type":"integer"}]}`, nil, nil, []string{`"x"`, `1`}, ""},
		"condition":                 {`{"if":{"type":"string"},"then":{"enum":["a"]},"else":{"type":"integer"}}`, []string{`"a"`, `1`}, nil, []string{`"z"`, `true`}, ""},
		"condition without then":    {`{"if":{"type":"string"},"else":{"type":"integer"}}`, []string{`"z"`}, nil, []string{`true`}, ""},
		"a condition we cannot":     {`{"type":"array","if":{"items":{"pattern":"(?!b)"}},"then":{"maxItems":2},"else":{"maxItems":1}}`, []string{`["a"]`, `[1,2]`}, []string{`["a","a"]`}, []string{`["a","a","a"]`}, `/x/*: the pattern "(?!b)", which is none of RE2`},
		"maximum":                   {`{"type":"integer","maximum":10}`, []string{`10`, `-9223372036854775808`, `1e1`}, nil, []string{`11`, `10.5`}, ""},
		"minimum":                   {`{"type":"number","minimum":0.1}`, []string{`0.1`, `1`}, nil, []string{`0.0999`, `-1`}, ""},
		"exclusive":                 {`{"type":"number","exclusiveMinimum":1,"exclusiveMaximum":2}`, []string{`1.5`}, nil, []string{`1`, `2`, `1.0`}, ""},
		"of old":                    {`{"type":"integer","minimum":1,"exclusiveMinimum":true}`, nil, nil, []string{`2`, `0`}, "/x: exclusiveMinimum: true"},
		"multiples of an integer":   {`{"type":"integer","multipleOf":3}`, []string{`9`, `0`, `-3`}, nil, []string{`10`}, ""},
		"multiples of a fraction":   {`{"type":"number","multipleOf":0.01}`, []string{`0.07`, `1.1`, `2`}, nil, []string{`0.075`}, ""},
		"multiples of nothing":      {`{"type":"integer","multipleOf":0}`, nil, nil, []string{`1`}, "/x: multipleOf: 0"},
		"exact integers":            {`{"type":"integer","maximum":9007199254740992}`, []string{`9007199254740992`}, nil, []string{`9007199254740993`}, ""},
		"integers and fractions":    {`{"type":"number","minimum":-0.5,"maximum":9007199254740993}`, []string{`90071992547.5`, `-0.5`, `9`}, nil, []string{`9007199254740994.0`, `-1`, `-0.6`}, ""},
		"an integer and a fraction": {`{"type":"integer","minimum":9007199254740992.0}`, []string{`9007199254740993`}, nil, []string{`-9007199254740993`, `9007199254740991`}, ""},
		"large multiples":           {`{"type":"integer","multipleOf":1.5}`, []string{`9007199254740993`}, nil, []string{`9007199254740991`}, ""},
		"beyond integers":           {`{"type":"number","maximum":1e30}`, []string{`1`}, nil, []string{`1e31`}, ""},
		"bounds of other types":     {`{"type":"string","maximum":1,"minItems":2,"minProperties":3}`, []string{`"x"`}, nil, nil, ""},
		"length":                    {`{"type":"string","minLength":2,"maxLength":3}`, []string{`"ab"`, `"äöü"`, `"😀😀"`}, nil, []string{`"a"`, `"abcd"`, `"ä"`}, ""},
		"length as 2.0":             {`{"type":"string","maxLength":2.0}`, []string{`"ab"`}, nil, []string{`"abc"`}, ""},
		"length that is none":       {`{"type":"string","maxLength":-1}`, nil, nil, []string{`"a"`}, "/x: maxLength: -1"},
		"pattern":                   {`{"type":"string","pattern":"^a+$"}`, []string{`"aa"`}, nil, []string{`"ab"`, `""`, `"aa\n"`}, ""},
		"pattern anywhere":          {`{"type":"string","pattern":"b"}`, []string{`"abc"`}, nil, []string{`"ac"`}, ""},
		"pattern of another kind":   {`{"type":"string","pattern":"^(?!a)"}`, nil, nil, []string{`"b"`, `"a"`}, `/x: the pattern "^(?!a)", which is none of RE2`},
		"pattern with flags":        {`{"type":"string","pattern":"(?i)a"}`, nil, nil, []string{`"a"`}, `/x: the pattern "(?i)a", which is read in more than one way`},
		"pattern and a long text":   {`{"type":"string","pattern":"^a","maxLength":70000}`, []string{`"a"`}, nil, []string{`"` + strings.Repeat("a", 70_001) + `"`}, ""},
		"pattern of control codes":  {`{"type":"string","pattern":"^[^\\x00-\\x1f]*$"}`, []string{`"a"`}, nil, []string{`"\t"`}, ""},
		"pattern that is large":     {`{"type":"string","pattern":"(a{500}){2}b"}`, nil, nil, []string{`"b"`}, `/x: the pattern "(a{500}){2}b", which is too large`},
		"pattern that is long":      {`{"type":"string","pattern":"` + strings.Repeat("a", maxPattern+1) + `"}`, nil, nil, []string{`"b"`}, `/x: a pattern of 1025 bytes`},
		"pattern that is no text":   {`{"pattern":7}`, []string{`1`}, []string{`"a"`}, nil, "/x: pattern: 7"},
		"spaces of two kinds":       {`{"type":"string","pattern":"^\\S+$"}`, []string{`"a"`}, nil, []string{`"a b"`, `"a\u00a0b"`, `"\u000b"`}, ""},
		"ends of lines":             {`{"type":"string","pattern":"^.+$"}`, []string{`"a"`, `"\u00a0"`}, nil, []string{`"a\u2028b"`, `"a\r"`}, ""},
		"unchecked, but elsewhere":  {`{"type":"array","items":{"type":"array","items":{"type":"string","pattern":"(?!a)"}}}`, []string{`[]`, `[[]]`}, []string{`[["b"]]`}, []string{`[1]`, `[[1]]`}, `/x/*/*: the pattern "(?!a)", which is none of RE2`},
		"elements":                  {`{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2}`, []string{`["a"]`}, nil, []string{`[]`, `["a","b","c"]`}, ""},
		"unique":                    {`{"type":"array","uniqueItems":true}`, []string{`[]`, `[1,"1",true,null,[1],{"a":1}]`}, nil, []string{`[1,1.0]`, `[{"a":1,"b":2},{"b":2.0,"a":1}]`, `[null,null]`}, ""},
		"unique texts":              {`{"type":"array","items":{"type":"string"},"uniqueItems":true}`, []string{`["a","b"]`}, nil, []string{`["a","a"]`}, ""},
		"unique or what":            {`{"type":"array","uniqueItems":"yes"}`, nil, []string{`[]`}, []string{`1`}, `/x: uniqueItems: "yes"`},
		"tuple":                     {`{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}`, []string{`[1,"a"]`, `[1]`, `[]`}, nil, []string{`["a",1]`, `[1,"a",2]`}, ""},
		"tuple of old":              {`{"type":"array","items":[{"type":"integer"},{"type":"string"}],"additionalItems":{"type":"null"}}`, []string{`[1,"a"]`, `[1,"a",null]`}, nil, []string{`["a",1]`, `[1,"a",2]`}, ""},
		"two tuples":                {`{"type":"array","items":[true],"prefixItems":[true]}`, nil, []string{`[1]`}, nil, "/x: two prefixes"},
		"tuple that is none":        {`{"type":"array","prefixItems":7}`, nil, []string{`[1]`}, nil, "/x: prefixItems is no list"},
		"contains":                  {`{"type":"array","contains":{"const":1}}`, []string{`[2,1]`}, nil, []string{`[]`, `[2]`}, ""},
		"contains some":             {`{"type":"array","contains":{"const":1},"minContains":2,"maxContains":2}`, []string{`[1,1]`}, nil, []string{`[1]`, `[1,1,1]`}, ""},
		"contains what we cannot":   {`{"type":"array","contains":{"pattern":"(?!a)"},"maxContains":1}`, nil, []string{`["b"]`}, []string{`[]`, `[1,1]`}, `/x/*: the pattern "(?!a)", which is none of RE2`},
		"unevaluated elements":      {`{"type":"array","prefixItems":[true],"unevaluatedItems":{"type":"string"}}`, []string{`[1]`, `[1,"a"]`}, []string{`[1,2]`}, nil, ""},
		"required, but not known":   {`{"type":"object","properties":{"a":{"type":"string"}},"required":["ghost"]}`, []string{`{"ghost":1}`}, nil, []string{`{}`, `{"a":"b"}`}, ""},
		"required though nullable":  {`{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a","a"]}`, []string{`{"a":null}`, `{"a":"b"}`}, nil, []string{`{}`}, ""},
		"required though left out":  {`{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["b"]}`, []string{`{"b":[]}`}, nil, []string{`{}`}, ""},
		"required or what":          {`{"type":"object","properties":{"a":{"type":"string"}},"required":true}`, nil, nil, []string{`{}`}, "/x: required is no list"},
		"required numbers":          {`{"type":"object","properties":{"a":{"type":"string"}},"required":[7]}`, nil, nil, []string{`{}`}, "/x: required has what is no name"},
		"few members":               {`{"type":"object","properties":{"a":{"type":"string"}},"minProperties":1,"maxProperties":2}`, []string{`{"a":"b"}`, `{"b":1,"c":2}`}, nil, []string{`{}`, `{"a":"b","b":1,"c":2}`}, ""},
		"names":                     {`{"type":"object","properties":{"ab":{"type":"string"}},"propertyNames":{"pattern":"^a","maxLength":2}}`, []string{`{"ab":"c"}`}, nil, []string{`{"b":1}`, `{"abc":1}`}, ""},
		"names of few":              {`{"type":"object","additionalProperties":{"type":"string"},"propertyNames":{"enum":["a"]}}`, []string{`{"a":"c"}`}, nil, []string{`{"b":"c"}`}, ""},
		"patterns":                  {`{"type":"object","properties":{"a":{"type":"string"}},"patternProperties":{"^b":{"type":"integer"}},"additionalProperties":false}`, []string{`{"a":"x","b":1}`}, nil, []string{`{"b":"x"}`, `{"c":1}`}, ""},
		"patterns that we cannot":   {`{"type":"object","patternProperties":{"(?!b)":{"type":"integer"}}}`, nil, []string{`{"b":1}`}, []string{`1`}, `/x: the pattern "(?!b)", which is none of RE2`},
		"more of one type":          {`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"integer"}}`, []string{`{"a":"x","b":1}`}, nil, []string{`{"b":"x"}`}, ""},
		"together":                  {`{"type":"object","properties":{"a":{"type":"string"}},"dependentRequired":{"a":["b"]}}`, []string{`{}`, `{"a":"x","b":1}`}, nil, []string{`{"a":"x"}`}, ""},
		"together with":             {`{"type":"object","properties":{"a":{"type":"string"}},"dependentSchemas":{"a":{"required":["b"]}}}`, []string{`{}`, `{"a":"x","b":1}`}, nil, []string{`{"a":"x"}`}, ""},
		"together, of old":          {`{"type":"object","properties":{"a":{"type":"string"}},"dependencies":{"a":["b"]}}`, nil, nil, []string{`{}`}, "/x: dependencies"},
		"unevaluated members":       {`{"type":"object","properties":{"a":{"type":"string"}},"unevaluatedProperties":false}`, []string{`{"a":"x"}`}, []string{`{"b":1}`}, nil, ""},
		"members that are no names": {`{"type":"object","properties":7}`, nil, []string{`{}`}, nil, "/x: properties is no object"},
		"any of":                    {`{"anyOf":[{"required":["a"]},{"required":["b"]}],"type":"object","properties":{"a":{"type":"string"}}}`, []string{`{"a":"x"}`, `{"b":1}`}, nil, []string{`{}`, `{"c":1}`}, ""},
		"any of no list":            {`{"anyOf":{}}`, nil, []string{`1`}, nil, "/x: anyOf is no list of schemas"},
		"any of, one we cannot":     {`{"anyOf":[{"pattern":"(?!b)"},{"type":"string","minLength":3}]}`, []string{`"abc"`, `1`}, []string{`"a"`}, nil, `/x: the pattern "(?!b)", which is none of RE2`},
		"exactly one":               {`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, []string{`1.5`}, nil, []string{`1`, `"a"`}, ""},
		"exactly one, or we cannot": {`{"oneOf":[{"pattern":"(?!b)"},{"type":"string","minLength":3},{"type":"string","maxLength":9}]}`, nil, []string{`"a"`}, []string{`"abcd"`}, `/x: the pattern "(?!b)", which is none of RE2`},
		"mixed constants":           {`{"enum":["a",3,null,1.5,[1,{"b":2}],{"a":1,"b":[]}]}`, []string{`"a"`, `3`, `3.0`, `null`, `1.5`, `[1.0,{"b":2}]`, `{"b":[],"a":1}`}, nil, []string{`"b"`, `4`, `false`, `[1]`, `{"a":1}`}, ""},
		"constants twice":           {`{"enum":["a","b"],"const":"a"}`, []string{`"a"`}, nil, []string{`"b"`}, ""},
		"constants of nothing":      {`{"enum":[]}`, nil, nil, []string{`1`}, ""},
		"constants or what":         {`{"enum":7}`, nil, []string{`1`}, nil, "/x: enum is no list"},
		"large constants":           {`{"enum":[1e18,1e300]}`, nil, nil, []string{`1000000000000000001`, `1e19`}, ""},
		"one of large constants":    {`{"type":["integer","null"],"enum":[1000000000000000000,null]}`, []string{`1000000000000000000`, `null`}, nil, []string{`1000000000000000001`, `1`}, ""},
		"types of nothing":          {`{"type":[]}`, nil, nil, []string{`1`}, ""},
		"type of another language":  {`{"type":"float"}`, nil, []string{`1`}, nil, `/x: no type of JSON: "float"`},
		"no schema":                 {`7`, nil, []string{`1`}, nil, "/x: not a schema"},
		"format":                    {`{"type":"string","format":"email"}`, []string{`"x"`}, nil, nil, `/x: format "email", which is taken for a comment`},
		"reference elsewhere":       {`{"$ref":"https://acme.example/schema"}`, nil, []string{`1`}, nil, "/x: a reference to another schema"},
		"reference to text":         {`{"$ref":"#/$defs/a%20b"}`, []string{`"a"`}, nil, []string{`1`, `""`}, ""},
		"reference into another":    {`{"$ref":"#/$defs/own/$defs/y"}`, nil, []string{`1`}, nil, "/x: a reference into a schema of its own ($id)"},
		"schema of its own":         {`{"$ref":"#/$defs/own"}`, nil, []string{`1`}, nil, "/x: a schema of its own ($id)"},
		"tree":                      {`{"$ref":"#/$defs/tree"}`, []string{`{"v":1}`, `{"v":1,"next":{"v":2}}`}, nil, []string{`{"v":1,"next":{}}`, `{"v":1,"next":{"v":1,"next":{"v":"x"}}}`}, ""},
		"circle":                    {`{"$ref":"#/$defs/circle"}`, nil, []string{`1`}, nil, ""},
		"dynamic reference":         {`{"type":"string","$dynamicRef":"#a"}`, nil, nil, []string{`"x"`}, "/x: $dynamicRef"},
	} {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, `{"type":"object","properties":{"x":`+tc.property+`},"$defs":{
				"a b":{"type":"string","minLength":1},"own":{"$id":"https://acme.example/own","$defs":{"y":{"type":"string"}}},
				"tree":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/tree"}},"required":["v"]},
				"circle":{"$ref":"#/$defs/circle"}}}`)
			for want, values := range map[string][]string{"met": tc.met, "outside": tc.outside, "untyped": tc.untyped} {
				for _, v := range values {
					if got := s.looksLike(t, `{"x":`+v+`}`); got != want {
						t.Errorf("%s: %s, want %s", v, got, want)
					}
				}
			}
			if got := s.looksLike(t, `{}`); got != "met" {
				t.Errorf("without x: %s", got)
			}
			var lines []string
			for _, u := range s.asks.untoldIn("") {
				lines = append(lines, u.Path+": "+u.Reason)
			}
			if diff := cmp.Diff(tc.unchecked, strings.Join(lines, "\n")); diff != "" {
				t.Errorf("unchecked (-want +got):\n%s", diff)
			}
		})
	}
}

// The same for the schema of all arguments.
func TestAllArgumentsAreHeldToTheSchema(t *testing.T) {
	for name, tc := range map[string]struct{ schema, arguments, want string }{
		"required, but not known":    {`"required":["ghost"]`, `{}`, "untyped"},
		"and sent":                   {`"required":["ghost"]`, `{"ghost":1}`, "met"},
		"no branch":                  {`"anyOf":[{"required":["a"]},{"required":["b"]}]`, `{"c":1}`, "untyped"},
		"a branch":                   {`"anyOf":[{"required":["a"]},{"required":["b"]}]`, `{"b":1}`, "met"},
		"few":                        {`"minProperties":1`, `{}`, "untyped"},
		"names":                      {`"propertyNames":{"pattern":"^[a-z]+$"}`, `{"A":1}`, "untyped"},
		"patterns":                   {`"patternProperties":{"^x-":{"type":"string"}}`, `{"x-a":1}`, "untyped"},
		"more":                       {`"properties":{"a":{"type":"string"}},"additionalProperties":{"type":"integer"}`, `{"b":"x"}`, "untyped"},
		"more, named by all of":      {`"allOf":[{"properties":{"a":{"type":"string"}}}],"additionalProperties":false`, `{"a":"x"}`, "untyped"},
		"unevaluated, one we have":   {`"properties":{"a":{"type":"string"}},"unevaluatedProperties":false`, `{"a":"x"}`, "met"},
		"unevaluated, one we cannot": {`"properties":{"a":{"type":"string"}},"unevaluatedProperties":false`, `{"b":"x"}`, "outside"},
		"itself":                     {`"properties":{"a":{"$ref":"#"},"b":{"type":"string"}}`, `{"a":{"a":{"b":1}}}`, "untyped"},
		"beside a reference of old": {
			`"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/d","maxLength":1}},"definitions":{"d":{"type":"string"}}`,
			`{"a":"x"}`, "untyped",
		},
		"a comment beside a reference of old": {
			`"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/d","description":"x","default":"y"}},"definitions":{"d":{"type":"string"}}`,
			`{"a":"x"}`, "met",
		},
		"a reference of old": {
			`"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/d"}},"definitions":{"d":{"type":"string"}}`,
			`{"a":"x"}`, "met",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := readShape(t, `{"type":"object",`+tc.schema+`}`).looksLike(t, tc.arguments); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func readShape(t rapid.TB, schema string) *shape {
	t.Helper()
	object, err := mcp.ParseObject([]byte(schema))
	if err != nil {
		t.Fatal(schema, err)
	}
	s, err := inputShape(object)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// looksLike says how arguments are asked about, and that leaving out what the shape sees to makes no difference.
func (s *shape) looksLike(t rapid.TB, arguments string) string {
	t.Helper()
	sent, err := mcp.ParseObject([]byte(arguments))
	if err != nil {
		t.Fatal(arguments, err)
	}
	fit, meets := s.examine(sent)
	if s.conforms(sent) {
		if found := s.judged(s.asks, sent, nil); (found <= outside) != fit || (found == met) != meets {
			t.Errorf("%s: %v of all that is asked, but fit is %v and meets %v", arguments, found, fit, meets)
		}
	}
	switch {
	case meets:
		return "met"
	case fit:
		return "outside"
	}
	return "untyped"
}

// drawWild makes a schema of any keywords, whether or not they go together.
func drawWild(t *rapid.T, depth int) mcp.Value {
	if rapid.IntRange(0, 12).Draw(t, "truth") == 0 {
		return mcp.Bool(rapid.Bool().Draw(t, "schema"))
	}
	inner := func() mcp.Value { return drawWild(t, depth+1) }
	size := func() mcp.Value { return mcp.Int(rapid.IntRange(0, 3).Draw(t, "size")) }
	several := func() mcp.Value {
		list := mcp.Array{}
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			list = append(list, inner())
		}
		return list
	}
	names := func() mcp.Value {
		list := mcp.Array{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(wildNames), 0, 2, rapid.ID[string]).Draw(t, "names") {
			list = append(list, mcp.String(name))
		}
		return list
	}
	members := func(of func() mcp.Value) mcp.Value {
		var all []mcp.Member
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(wildNames), 0, 3, rapid.ID[string]).Draw(t, "members") {
			all = append(all, mcp.Member{Name: name, Value: of()})
		}
		return mcp.NewObject(all...)
	}
	flat := map[string]func() mcp.Value{
		"enum": func() mcp.Value {
			return mcp.Array(rapid.SliceOfN(rapid.SampledFrom(wildValues), 1, 4).Draw(t, "enum"))
		},
		"const":   func() mcp.Value { return rapid.SampledFrom(wildValues).Draw(t, "const") },
		"minimum": size, "maximum": size, "exclusiveMinimum": size, "exclusiveMaximum": size, "minLength": size, "maxLength": size,
		"minItems": size, "maxItems": size, "minProperties": size, "maxProperties": size,
		"uniqueItems": func() mcp.Value { return mcp.Bool(rapid.Bool().Draw(t, "unique")) },
		"pattern":     func() mcp.Value { return mcp.String(rapid.SampledFrom(wildPatterns).Draw(t, "pattern")) },
		"required":    names, "dependentRequired": func() mcp.Value { return members(names) },
		"multipleOf": func() mcp.Value { return mcp.Int(1) },
	}
	deep := map[string]func() mcp.Value{
		"properties": func() mcp.Value { return members(inner) }, "additionalProperties": inner, "items": inner, "prefixItems": several,
		"patternProperties": func() mcp.Value {
			return object(rapid.SampledFrom(wildPatterns).Draw(t, "pattern"), inner())
		},
		"propertyNames": inner, "contains": inner, "anyOf": several, "oneOf": several, "allOf": several, "not": inner, "if": inner,
		"then": inner, "else": inner, "dependentSchemas": func() mcp.Value { return members(inner) },
		"unevaluatedProperties": inner, "unevaluatedItems": inner,
	}
	types := []mcp.Value{mcp.String("string"), mcp.String("integer"), mcp.String("number"), mcp.String("object"), mcp.String("array"),
		mcp.String("null"), mcp.String("boolean"), mcp.Array{mcp.String("string"), mcp.String("null")}, mcp.Array{mcp.String("integer"), mcp.String("object")}}
	var all []mcp.Member
	if rapid.IntRange(0, 3).Draw(t, "typed") > 0 {
		all = append(all, mcp.Member{Name: "type", Value: rapid.SampledFrom(types).Draw(t, "type")})
	}
	add := func(from map[string]func() mcp.Value, most int) {
		var keywords []string
		for keyword := range from {
			keywords = append(keywords, keyword)
		}
		slices.Sort(keywords)
		for _, keyword := range rapid.SliceOfNDistinct(rapid.SampledFrom(keywords), 0, most, rapid.ID[string]).Draw(t, "keywords") {
			all = append(all, mcp.Member{Name: keyword, Value: from[keyword]()})
		}
	}
	add(flat, 2)
	if depth < 3 {
		add(deep, 2)
	}
	return mcp.NewObject(all...)
}

var (
	wildNames    = []string{"a", "b", "ab"}
	wildPatterns = []string{"^a", "b$", "^.{2,}$", "[0-9]", "a|b"}
	wildValues   = []mcp.Value{
		mcp.Null{}, mcp.Bool(true), mcp.Int(0), mcp.Int(1), mcp.Int(3), mcp.Float(1), mcp.Float(1.5), mcp.String(""), mcp.String("a"),
		mcp.String("ab"), mcp.Array{}, mcp.Array{mcp.Int(1)}, mcp.Array{mcp.String("a"), mcp.String("a")}, object(), object("a", mcp.Int(1)),
		object("a", mcp.String("a"), "b", mcp.Int(2)), mcp.Array{object("a", mcp.Null{}), object("a", mcp.Null{})},
	}
)

func drawValue(t *rapid.T, depth int) mcp.Value {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case kind < 3 && depth < 3:
		var all []mcp.Member
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(wildNames), 0, 3, rapid.ID[string]).Draw(t, "members") {
			all = append(all, mcp.Member{Name: name, Value: drawValue(t, depth+1)})
		}
		return mcp.NewObject(all...)
	case kind < 5 && depth < 3:
		list := mcp.Array{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = append(list, drawValue(t, depth+1))
		}
		return list
	}
	return rapid.SampledFrom(wildValues).Draw(t, "value")
}

// Whatever a schema says, arguments that are asked about as the typed action and called complete are valid, and those that
// are not are asked about as untyped, if another implementation says so. And where we say that a schema is violated, it is.
func TestArgumentsAreJudgedAsBySomebodyElse(t *testing.T) {
	judged := map[standing]int{}
	rapid.Check(t, func(t *rapid.T) {
		property := drawWild(t, 0)
		root := []mcp.Member{{Name: "type", Value: mcp.String("object")}}
		if more, ok := drawWild(t, 2).(mcp.Object); ok {
			for name, v := range more.All() {
				if name != "type" {
					root = append(root, mcp.Member{Name: name, Value: v})
				}
			}
		}
		root = append(root, mcp.Member{Name: "properties", Value: object("a", property, "b", drawWild(t, 1))})
		schema := mcp.NewObject(root...)
		s := withTool(t, schema)
		words, err := newVocabulary(s.pins)
		if err != nil {
			t.Fatal(err)
		}
		shape := s.pins["crm"]["t"].input
		for range 5 {
			sent := object("a", drawValue(t, 0))
			if rapid.Bool().Draw(t, "more") {
				sent = object("a", drawValue(t, 0), rapid.SampledFrom([]string{"b", "c"}).Draw(t, "other"), drawValue(t, 1))
			}
			found := shape.judged(shape.asks, sent, nil)
			judged[found]++
			valid, known := oracle(schema, sent)
			if !known {
				t.Fatalf("schema %s: the other implementation does not know", text(schema))
			}
			if found == met && !valid || found == violated && valid {
				t.Fatalf("schema %s: %s is valid: %v, but %v was found", text(schema), text(sent), valid, found)
			}
			if got := shape.looksLike(t, string(sent.AppendJSON(nil))); got == "met" && !valid {
				t.Fatalf("schema %s: %s is invalid, and asked about as met", text(schema), text(sent))
			}
			checkQuestion(t, s, words, sent)
		}
	})
	if judged[met] == 0 || judged[violated] == 0 {
		t.Errorf("%v", judged)
	}
}

// hostileSchema is one that was made to be slow together with a call; both are of x.
type hostileSchema struct{ property, value string }

func hostileSchemas() map[string]hostileSchema {
	many := func(n int, part string) string { return strings.TrimSuffix(strings.Repeat(part+",", n), ",") }
	return map[string]hostileSchema{
		"a pattern and a long text":    {`{"type":"string","pattern":"^(x+x+)+y"}`, `"` + strings.Repeat("x", 100_000) + `"`},
		"a pattern and a text":         {`{"type":"string","pattern":"(x+x+)+y"}`, `"` + strings.Repeat("x", 10_000) + `"`},
		"many alternatives":            {`{"type":"array","items":{"anyOf":[` + many(300, `{"const":0}`) + `]}}`, `[` + many(10_000, `1`) + `]`},
		"unique and large":             {`{"type":"array","uniqueItems":true}`, `[` + many(9, `[`+many(9_999, `1`)+`]`) + `]`},
		"unique and many":              {`{"type":"array","uniqueItems":true}`, `[` + many(9_999, `[1]`) + `]`},
		"constants and large":          {`{"anyOf":[` + many(200, `{"enum":[[1]]}`) + `]}`, `[` + many(9, `[`+many(9_999, `1`)+`]`) + `]`},
		"what doubles":                 {`{"$ref":"#/$defs/d"}`, strings.Repeat(`[`, 30) + strings.Repeat(`]`, 30)},
		"numbers with bounds":          {`{"type":"array","items":{"type":["number","null"],"multipleOf":0.3}}`, `[` + many(9_999, `0.3`) + `]`},
		"numbers of many digits":       {`{"type":"array","items":{"type":["number","null"],"multipleOf":1e-300}}`, `[` + many(9_999, `1e300`) + `]`},
		"members that go together":     {`{"type":"object","dependentRequired":{` + goTogether(500) + `}}`, `{` + wideObject(9_000) + `}`},
		"what contains nothing":        {`{"type":"array","contains":{"anyOf":[` + many(300, `{"const":0}`) + `]}}`, `[` + many(10_000, `1`) + `]`},
		"names and patterns for them":  {`{"type":"object","patternProperties":{` + patterns(300) + `}}`, `{` + wideObject(9_000) + `}`},
		"a circle in what is excluded": {`{"not":{"$ref":"#/$defs/circle"}}`, `1`},
	}
}

func (h hostileSchema) read(t rapid.TB) (*shape, mcp.Object) {
	t.Helper()
	sent, err := mcp.ParseObject([]byte(`{"x":` + h.value + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return readShape(t, `{"type":"object","properties":{"x":`+h.property+`},"$defs":{"circle":{"not":{"$ref":"#/$defs/circle"}},
		"d":{"type":"array","items":{"anyOf":[{"allOf":[{"$ref":"#/$defs/d"},false]},{"allOf":[{"$ref":"#/$defs/d"},{"const":1}]}]}}}}`), sent
}

// Work is bounded, whatever a schema and a call make of each other. What is too much does not count as complete.
func TestJudgingIsBounded(t *testing.T) {
	for name, h := range hostileSchemas() {
		t.Run(name, func(t *testing.T) {
			s, sent := h.read(t)
			if _, meets := s.examine(sent); meets {
				t.Error("complete")
			}
		})
	}
}

// BenchmarkJudging is the price of such calls.
func BenchmarkJudging(b *testing.B) {
	for name, h := range hostileSchemas() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			s, sent := h.read(b)
			b.ReportAllocs()
			for b.Loop() {
				s.examine(sent)
			}
		})
	}
}

func wideObject(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"m%d":1`, i))
	}
	return strings.Join(all, ",")
}

func goTogether(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"m%d":["m8999"]`, i))
	}
	return strings.Join(all, ",")
}

func patterns(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"(x+x+)+%d$":{}`, i))
	}
	return strings.Join(all, ",")
}
