package cedar

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/mcp"
)

// What JSON Schema says, what Cedar makes of it, and which arguments fit.
func TestInputShape(t *testing.T) {
	for name, tc := range map[string]struct {
		property string // the schema of member "x", required
		want     string // the type of context.input in one line, or why "x" is left out of it
		fits     []string
		not      []string
	}{
		"string":  {`{"type":"string"}`, `{ x: String }`, []string{`""`}, []string{`1`, `null`, `["a"]`}},
		"integer": {`{"type":"integer"}`, `{ x: Long }`, []string{`1`, `-9223372036854775808`, `1.0`, `1e3`}, []string{`1.5`, `1e300`, `"1"`, `9007199254740992.0`}},
		"boolean": {`{"type":"boolean"}`, `{ x: Bool }`, []string{`true`}, []string{`"true"`, `0`}},
		"number":  {`{"type":"number"}`, `{ x: decimal }`, []string{`1`, `0.1`, `-1.2345`, `99999999999.1234`}, []string{`0.12345`, `100000000000.5`, `9223372036854775807`, `"1"`}},

		"strings":          {`{"type":"array","items":{"type":"string"}}`, `{ x: Set<String> }`, []string{`[]`, `["a","a"]`}, []string{`[1]`, `"a"`}},
		"integers":         {`{"type":"array","items":{"type":"integer"}}`, `{ x: Set<Long> }`, []string{`[1,2]`}, []string{`[[1]]`}},
		"numbers":          {`{"type":"array","items":{"type":"number"}}`, `{ x: Set<decimal> }`, []string{`[1,2.5]`}, []string{`["1"]`}},
		"truths":           {`{"type":"array","items":{"type":"boolean"}}`, `{ x: Set<Bool> }`, []string{`[true,false]`}, []string{`[1]`}},
		"choices of words": {`{"type":"array","items":{"enum":["a","b"]}}`, `{ x: Set<String> }`, []string{`["a"]`}, []string{`["a","c"]`}},
		"objects in a list": {
			`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"integer"}},"required":["a"]}}`,
			`{ x: Set<{ a: String, n?: Long }> }`,
			[]string{`[]`, `[{"a":"b"},{"a":"c","n":1}]`}, []string{`[{}]`, `[{"a":1}]`, `{}`},
		},
		"lists in objects in a list": {
			`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"},"l":{"type":"array","items":{"type":"string"}}}}}`,
			`{ x: Set<{ a?: String }> } /x/*/l: a list of lists, within a list`, []string{`[{"a":"b","l":["c"]}]`}, []string{`[{"a":"b","l":[[]]}]`},
		},
		"nothing but lists in a list": {
			`{"type":"array","items":{"type":"object","properties":{"l":{"type":"array","items":{"type":"string"}}}}}`,
			`{} /x: a list of objects: l: a list of lists, within a list`, nil, nil,
		},
		"mixed list": {
			`{"type":"array","items":{"type":["string","integer"]}}`, `{ x: Set<{ long?: Long, string?: String }> }`,
			[]string{`["a",1]`}, []string{`[true]`},
		},
		"lists of lists":       {`{"type":"array","items":{"type":"array","items":{"type":"string"}}}`, `{} /x: a list of lists`, []string{`[[]]`}, nil},
		"list of lists or not": {`{"type":"array","items":{"type":["string","array"],"items":{"type":"string"}}}`, `{} /x: a list of lists`, nil, nil},
		"lists of maps":        {`{"type":"array","items":{"type":"object","additionalProperties":{"type":"string"}}}`, `{} /x: a list of objects with any names`, nil, nil},
		"lists of nullables":   {`{"type":"array","items":{"type":["string","null"]}}`, `{} /x: a list with nulls`, nil, nil},
		"tuple":                {`{"type":"array","prefixItems":[{}],"items":{"type":"string"}}`, `{} /x: a list whose elements differ by their place`, nil, nil},
		"tuple of old":         {`{"type":"array","items":[{"type":"string"}]}`, `{} /x: a list whose elements differ by their place`, nil, nil},
		"list of anything":     {`{"type":"array"}`, `{} /x: a list of anything`, nil, nil},
		"list of any thing":    {`{"type":"array","items":{}}`, `{} /x: a list of anything`, nil, nil},
		"list of nothing":      {`{"type":"array","items":false}`, `{} /x: a list: no value is allowed`, nil, nil},

		"record":          {`{"type":"object","properties":{"a":{"type":"string"}}}`, `{ x: { a?: String } }`, []string{`{}`, `{"a":"b"}`, `{"b":1}`}, []string{`{"a":1}`, `[]`}},
		"record untyped":  {`{"properties":{"a":{"type":"string"}}}`, `{ x: { a?: String } }`, []string{`{}`}, []string{`1`}},
		"required member": {`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, `{ x: { a: String } }`, []string{`{"a":"b"}`}, []string{`{}`}},
		"closed record": {
			`{"type":"object","properties":{"a":{"type":"string"},"b":{}},"additionalProperties":false}`,
			`{ x: { a?: String } } /x/b: it may be anything`, []string{`{"a":"b","b":[]}`}, []string{`{"c":1}`},
		},
		"record with more": {
			`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"integer"}}`,
			`{ x: { a?: String } } /x/*: other names than those that are known`, []string{`{"a":"b","c":1}`}, nil,
		},
		"record with patterns": {
			`{"type":"object","properties":{"a":{"type":"string"}},"patternProperties":{"^b":{}},"additionalProperties":false}`,
			`{ x: { a?: String } } /x/*: names that follow a pattern`, []string{`{"bc":1}`}, nil,
		},
		"only patterns":        {`{"type":"object","patternProperties":{"^b":{}}}`, `{} /x: an object without known members`, nil, nil},
		"nothing to name":      {`{"type":"object","properties":{"a":{}}}`, `{} /x: an object: a: it may be anything`, nil, nil},
		"free-form object":     {`{"type":"object"}`, `{} /x: an object without known members`, []string{`{"a":1}`}, nil},
		"name that needs more": {`{"type":"object","properties":{"a b\"":{"type":"string"}}}`, `{ x: { "a b\""?: String } }`, nil, nil},
		"reserved names": {
			`{"type":"object","properties":{"if":{"type":"string"},"__cedar":{"type":"string"},"":{"type":"string"},"ä\n":{"type":"string"}}}`,
			`{ x: { ""?: String, "__cedar"?: String, "if"?: String, "\u{e4}\u{a}"?: String } }`, nil, nil,
		},

		"map of strings":   {`{"type":"object","additionalProperties":{"type":"string"}}`, `{ x: StrArgs }`, []string{`{}`, `{"a":"b"}`}, []string{`{"a":1}`, `[]`}},
		"map of integers":  {`{"type":"object","additionalProperties":{"type":"integer"}}`, `{ x: NumArgs }`, []string{`{"a":1}`}, []string{`{"a":1.5}`}},
		"map of truths":    {`{"type":"object","additionalProperties":{"type":"boolean"}}`, `{ x: BoolArgs }`, []string{`{"a":true}`}, []string{`{"a":1}`}},
		"map of lists":     {`{"type":"object","additionalProperties":{"type":"array","items":{"type":"string"}}}`, `{ x: ListArgs }`, []string{`{"a":["b"]}`}, []string{`{"a":[1]}`}},
		"map of numbers":   {`{"type":"object","additionalProperties":{"type":"number"}}`, `{} /x: an object with any names, whose values no tag can have`, nil, nil},
		"map of nullables": {`{"type":"object","additionalProperties":{"type":["string","null"]}}`, `{} /x: an object with any names, whose values no tag can have`, nil, nil},
		"map of anything":  {`{"type":"object","additionalProperties":{}}`, `{} /x: an object with any names: values of any type`, nil, nil},
		"map of nothing":   {`{"type":"object","additionalProperties":{"type":"null"}}`, `{} /x: an object with any names: only null`, nil, nil},

		"enumeration":            {`{"enum":["a","b"]}`, `{ x: String } /x in "a" "b"`, []string{`"a"`}, []string{`"c"`, `1`}},
		"typed enumeration":      {`{"type":"string","enum":["a",1]}`, `{ x: String } /x in "a"`, []string{`"a"`}, []string{`"b"`}},
		"constant":               {`{"const":7}`, `{ x: Long } /x in 7`, []string{`7`, `7.0`}, []string{`"7"`, `8`}},
		"truth":                  {`{"enum":[true]}`, `{ x: Bool } /x in true`, []string{`true`}, []string{`false`, `1`}},
		"numbers of few":         {`{"enum":[1.5,2.5]}`, `{ x: decimal }`, []string{`1.5`}, []string{`"1"`}},
		"integers, one as 2.0":   {`{"type":"integer","enum":[1,2.0,3.5]}`, `{ x: Long } /x in 1 2`, []string{`2`}, []string{`3`}},
		"mixed enumeration":      {`{"enum":["a",1]}`, `{ x: { long?: Long, string?: String } }`, []string{`"a"`, `1`}, []string{`"b"`, `2`}},
		"enumeration with null":  {`{"enum":["a",null]}`, `{ x?: String } /x in "a"`, []string{`"a"`, `null`}, []string{`"b"`}},
		"nullable, but not here": {`{"type":["string","null"],"enum":["a"]}`, `{ x: String } /x in "a"`, []string{`"a"`}, []string{`null`}},
		"enumeration of lists":   {`{"enum":[[]]}`, `{} /x: a list of anything`, nil, nil},
		"no constant of the type": {
			`{"type":"string","enum":[1]}`, `{} /x: no value of its type is allowed`, nil, nil,
		},
		"list or null, never": {`{"type":["string","null"],"enum":[1]}`, `{} /x: no value of its type is allowed`, nil, nil},
		"list of one":         {`{"type":"array","items":{"type":"string"},"enum":[["a"],["b"]]}`, `{ x: Set<String> }`, []string{`["a"]`}, nil},

		"nullable":              {`{"type":["string","null"]}`, `{ x?: String }`, []string{`"a"`, `null`}, []string{`1`}},
		"nullable, as pydantic": {`{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null}`, `{ x?: Long }`, []string{`1`, `null`}, []string{`"1"`}},
		"null first":            {`{"anyOf":[{"type":"null"},{"type":"integer"},{"const":null}]}`, `{ x?: Long }`, []string{`null`}, nil},
		"only null":             {`{"anyOf":[{"type":"null"}]}`, `{} /x: only null`, nil, nil},
		"null":                  {`{"type":"null"}`, `{} /x: only null`, []string{`null`}, nil},
		"one alternative":       {`{"oneOf":[{"type":"integer"}]}`, `{ x: Long }`, []string{`1`}, []string{`null`}},
		"union":                 {`{"oneOf":[{"type":"integer"},{"type":"string"}]}`, `{ x: { long?: Long, string?: String } }`, []string{`1`, `"a"`}, []string{`true`, `null`}},
		"union of types":        {`{"type":["integer","string","null"]}`, `{ x?: { long?: Long, string?: String } }`, []string{`null`}, []string{`[]`}},
		"one or many": {
			`{"type":["string","array"],"items":{"type":"string"}}`, `{ x: { set?: Set<String>, string?: String } }`,
			[]string{`"a"`, `["a"]`}, []string{`[1]`, `{}`},
		},
		"integers are numbers": {`{"type":["integer","number"]}`, `{ x: decimal }`, []string{`1`, `1.5`}, nil},
		"strings of two kinds": {`{"anyOf":[{"enum":["a"]},{"enum":["b"]}]}`, `{ x: String } /x in "a" "b"`, []string{`"b"`}, []string{`"c"`}},
		"strings of any kind":  {`{"anyOf":[{"enum":["a"]},{"type":"string"}]}`, `{ x: String }`, []string{`"c"`}, nil},
		"lists of two kinds": {
			`{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"array","items":{"type":"integer"}}]}`,
			`{ x: Set<{ long?: Long, string?: String }> }`, []string{`["a"]`, `[1]`}, nil,
		},
		"objects by kind": {
			`{"oneOf":[{"type":"object","properties":{"kind":{"const":"file"},"path":{"type":"string"}},"required":["kind","path"]},
			           {"type":"object","properties":{"kind":{"const":"url"},"url":{"type":"string"},"path":{"type":"integer"}},"required":["kind"]}]}`,
			`{ x: { kind: String, path?: { long?: Long, string?: String }, url?: String } } /x/kind in "file" "url"`,
			[]string{`{"kind":"file","path":"/a"}`, `{"kind":"url"}`}, []string{`{"kind":"other"}`, `{}`},
		},
		"objects, one of which we cannot say": {
			`{"oneOf":[{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}},{"type":"object","properties":{"a":{},"c":{"type":"string"}}}]}`,
			`{ x: { b?: String, c?: String } } /x/a: it may be anything`, []string{`{"a":[]}`}, nil,
		},
		"objects that cannot be joined": {
			`{"oneOf":[{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}},"k":{"type":"string"}}},
			           {"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}},"k":{"type":"string"}}}]}`,
			`{ x: { k?: String } } /x/a: an object with known names or an object with any`, nil, nil,
		},
		"known names or any":          {`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","additionalProperties":{"type":"string"}}]}`, `{} /x: an object with known names or an object with any`, nil, nil},
		"maps of two types":           {`{"anyOf":[{"type":"object","additionalProperties":{"type":"integer"}},{"type":"object","additionalProperties":{"type":"string"}}]}`, `{} /x: an object with any names, whose values have several types`, nil, nil},
		"maps of one type":            {`{"anyOf":[{"type":"object","additionalProperties":{"enum":["a"]}},{"type":"object","additionalProperties":{"enum":["b"]}}]}`, `{ x: StrArgs }`, []string{`{"k":"b"}`}, []string{`{"k":"c"}`}},
		"lists that cannot be joined": {`{"anyOf":[{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}},{"type":"array","items":{"type":"object","properties":{"b":{"type":"string"}}}}]}`, `{ x: Set<{ a?: String, b?: String }> }`, nil, nil},
		"map or text":                 {`{"anyOf":[{"type":"object","additionalProperties":{"type":"string"}},{"type":"string"}]}`, `{ x: { map?: StrArgs, string?: String } }`, []string{`{"a":"b"}`, `"a"`}, []string{`{"a":1}`}},
		"object or text":              {`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"string"}]}`, `{ x: { record?: { a?: String }, string?: String } }`, []string{`{"a":"b"}`, `"a"`}, []string{`{"a":1}`}},
		"union with what is unknown":  {`{"anyOf":[{"type":"string"},{"type":"array"}]}`, `{} /x: a list of anything`, nil, nil},
		"union with anything":         {`{"anyOf":[true,{"type":"null"}]}`, `{} /x: it may be anything`, nil, nil},
		"type of no name":             {`{"type":[7]}`, `{} /x: no type of JSON: ""`, nil, nil},
		"type of another language":    {`{"type":"float"}`, `{} /x: no type of JSON: "float"`, nil, nil},

		"all of":             {`{"type":"string","allOf":[{}]}`, `{ x: String }`, nil, nil},
		"all of two objects": {`{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"integer"}}}]}`, `{ x: { a: String, b?: Long } }`, []string{`{"a":"x","b":1}`}, []string{`{"b":1}`}},
		"all of, with own members": {
			`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false,"allOf":[{"properties":{"a":{"enum":["x"]},"c":{"type":"string"}},"required":["a"]}]}`,
			`{ x: { a: String, c?: String } } /x/a in "x"`, []string{`{"a":"x"}`}, []string{`{"a":"y"}`, `{}`},
		},
		"all of, one member twice": {
			`{"allOf":[{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}},{"type":"object","properties":{"a":{"type":"integer"}}}]}`,
			`{ x: { b?: String } } /x/a: its types contradict each other`, nil, nil,
		},
		"all of, one we cannot say": {
			`{"allOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}},{"properties":{"c":{}}}]}`,
			`{ x: { a?: Long, b?: Long } }`, nil, nil,
		},
		"all of, some left": {
			`{"allOf":[{"type":"object","properties":{"a":{"type":"string"},"z":{}}},{"type":"object","properties":{"b":{"type":"integer"},"y":{}}}]}`,
			`{ x: { a?: String, b?: Long } } /x/y: it may be anything /x/z: it may be anything`, nil, nil,
		},
		"types that narrow":        {`{"type":["string","number","null"],"allOf":[{"type":["integer","null","boolean"]}]}`, `{ x?: Long }`, []string{`1`, `null`}, []string{`1.5`, `"a"`}},
		"two types that narrow":    {`{"type":["string","integer"],"allOf":[{"type":["integer","string"]}]}`, `{ x: { long?: Long, string?: String } }`, nil, nil},
		"constants that narrow":    {`{"enum":["a","b"],"allOf":[{"enum":["b","c"]}]}`, `{ x: String } /x in "b"`, []string{`"b"`}, []string{`"a"`}},
		"constants of one":         {`{"enum":["a"],"allOf":[{"type":"string"}]}`, `{ x: String } /x in "a"`, nil, nil},
		"constants that exclude":   {`{"enum":["a"],"allOf":[{"enum":["b"]}]}`, `{} /x: its types contradict each other`, nil, nil},
		"contradiction":            {`{"type":"string","allOf":[{"type":"integer"}]}`, `{} /x: its types contradict each other`, nil, nil},
		"numbers twice":            {`{"type":"number","allOf":[{"type":"number"}]}`, `{ x: decimal }`, nil, nil},
		"lists that narrow":        {`{"type":"array","items":{"type":"string"},"allOf":[{"type":"array","items":{"enum":["a"]}}]}`, `{ x: Set<String> }`, []string{`["a"]`}, []string{`["b"]`}},
		"lists of nothing in both": {`{"type":"array","items":{"type":"string"},"allOf":[{"type":"array","items":{"type":"integer"}}]}`, `{ x: Set<String> }`, []string{`[]`}, nil},
		"map and record":           {`{"type":"object","properties":{"a":{"type":"string"}},"allOf":[{"type":"object","additionalProperties":{"type":"string"}}]}`, `{ x: { a?: String } }`, nil, nil},
		"maps that narrow":         {`{"type":"object","additionalProperties":{"type":"string"},"allOf":[{"type":"object","additionalProperties":{"enum":["a"]}}]}`, `{ x: StrArgs }`, []string{`{"k":"a"}`}, []string{`{"k":"b"}`}},
		"only conditions":          {`{"if":{"type":"string"},"then":{"minLength":1}}`, `{} /x: it may be anything`, nil, nil},
		"type with conditions":     {`{"type":"string","not":{"const":"a"},"if":{},"then":{}}`, `{ x: String }`, nil, nil},
		"either is required":       {`{"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{ x: { a?: String } }`, nil, nil},

		"reference":                  {`{"$ref":"#/$defs/word"}`, `{ x: String }`, []string{`"a"`}, []string{`1`}},
		"reference with description": {`{"$ref":"#/$defs/word","description":"…","default":"a"}`, `{ x: String }`, nil, nil},
		"reference, escaped":         {`{"$ref":"#/$defs/a~1b~0c"}`, `{ x: Long }`, nil, nil},
		"nullable reference":         {`{"anyOf":[{"$ref":"#/$defs/word"},{"type":"null"}]}`, `{ x?: String }`, nil, nil},
		"reference to nothing":       {`{"$ref":"#/$defs/other"}`, `{} /x: a reference to nothing`, nil, nil},
		"reference elsewhere":        {`{"$ref":"https://acme.example/schema"}`, `{} /x: a reference to another schema`, nil, nil},
		"reference to an anchor":     {`{"$ref":"#word"}`, `{} /x: a reference to another schema`, nil, nil},
		"reference to itself":        {`{"$ref":"#/properties/x"}`, `{} /x: it contains itself`, nil, nil},
		"reference to all":           {`{"$ref":"#"}`, `{} /x: it contains itself`, nil, nil},
		"tree": {
			`{"$ref":"#/$defs/tree"}`, `{ x: { name?: String } } /x/left: it contains itself /x/right: it contains itself`,
			[]string{`{"name":"a","left":{"name":"b","right":{}}}`}, []string{`{"name":"a","left":{"name":1}}`, `{"left":{"left":{"right":[]}}}`},
		},
		"dynamic reference": {`{"$dynamicRef":"#x"}`, `{} /x: a dynamic reference`, nil, nil},
		"schema of its own": {`{"$id":"https://acme.example/x","type":"string"}`, `{} /x: a schema of its own ($id)`, nil, nil},
		"anything":          {`{}`, `{} /x: it may be anything`, []string{`{"a":[1,{}]}`}, nil},
		"true":              {`true`, `{} /x: it may be anything`, []string{`1`}, nil},
		"false":             {`false`, `{} /x: no value is allowed`, nil, []string{`1`, `null`}},
		"no schema":         {`7`, `{} /x: not a schema`, nil, nil},
		"too deep": {
			strings.Repeat(`{"type":"object","properties":{"a":`, 12) + `{"anyOf":[{"$ref":"#/$defs/deep"}]}` + strings.Repeat(`}}`, 12),
			`{} /x: ` + strings.Repeat(`an object: a: `, 16) + `nested deeper than 16`, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := mcp.ParseObject([]byte(`{"type":"object","properties":{"x":` + tc.property + `},"required":["x"],"$defs":{
				"word":{"type":"string"},"a/b~c":{"type":"integer"},
				"tree":{"type":"object","properties":{"name":{"type":"string"},"left":{"$ref":"#/$defs/tree"},"right":{"$ref":"#/$defs/tree"}}},
				"deep":` + strings.Repeat(`{"type":"object","properties":{"a":`, 8) + `{"type":"string"}` + strings.Repeat(`}}`, 8) + `}}`))
			if err != nil {
				t.Fatal(err)
			}
			s, err := inputShape(schema)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, describe(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, list := range []struct {
				values []string
				fits   bool
			}{{tc.fits, true}, {tc.not, false}} {
				for _, v := range list.values {
					arguments, err := mcp.ParseObject([]byte(`{"x":` + v + `}`))
					if err != nil {
						t.Fatal(err)
					}
					if ok := s.fits(arguments); ok != list.fits {
						t.Errorf("%s: fits is %v", v, ok)
					}
				}
			}
		})
	}
}

// describe writes the type of a shape, what is left out, and what values are allowed.
func describe(s *shape) string {
	text := s.typeText()
	for _, left := range s.omitted("") {
		text += " " + left.Path + ": " + left.Reason
	}
	s.visit("", func(path string, member field) {
		if all := member.shape.allowed(); all != nil {
			text += " " + path + " in " + strings.Join(all, " ")
		}
	})
	return text
}

// What the schema of all arguments can be.
func TestInputShapeOfAllArguments(t *testing.T) {
	for name, tc := range map[string]struct{ schema, want string }{
		"none":                   {`{"type":"object"}`, `{}`},
		"closed":                 {`{"type":"object","additionalProperties":false}`, `{}`},
		"through a reference":    {`{"type":"object","$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}}`, `{ b?: String }`},
		"with a name of its own": {`{"$id":"https://acme.example/x","type":"object","properties":{"b":{"type":"string"}}}`, `{ b?: String }`},
		"any names":              {`{"type":"object","additionalProperties":{"type":"string"}}`, `{}`},
		"one of two objects":     {`{"type":"object","oneOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"string"}}}]}`, `{ a?: String, b?: String }`},
		"nothing":                {`{"type":"object","enum":[1]}`, `{} /*: no value of its type is allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := mcp.ParseObject([]byte(tc.schema))
			if err != nil {
				t.Fatal(err)
			}
			s, err := inputShape(schema)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, describe(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A schema that was made to be large is refused, and so is one that only grows when it is read.
func TestInputShapeIsBounded(t *testing.T) {
	bomb := `{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{`
	for i := range 12 {
		bomb += fmt.Sprintf(`"d%d":{"type":"object","properties":{"l":{"$ref":"#/$defs/d%d"},"r":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	bomb += `"d12":{"type":"string"}}}`
	for name, tc := range map[string]struct{ schema, want string }{
		"too many members":    {`{"type":"object","properties":{` + strings.TrimSuffix(strings.Repeat(`"%d":{"type":"string"},`, maxSchemaParts), ",") + `}}`, "more than 2000 parts"},
		"references to twice": {bomb, "more than 2000 parts when all references are followed"},
		"too long":            {`{"type":"object","description":"` + strings.Repeat("x", maxSchemaBytes) + `"}`, "262144 are the most"},
	} {
		t.Run(name, func(t *testing.T) {
			text := tc.schema
			if strings.Contains(text, "%d") {
				for i := range maxSchemaParts {
					text = strings.Replace(text, "%d", fmt.Sprint(i), 1)
				}
			}
			schema, err := mcp.ParseObject([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := inputShape(schema); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is converted is bounded, whatever a schema allows.
func TestInputIsBounded(t *testing.T) {
	read := func(property string) *shape {
		schema, err := mcp.ParseObject([]byte(`{"type":"object","properties":{"x":` + property + `,"y":{"type":"string"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		s, err := inputShape(schema)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := func(v mcp.Value) mcp.Object { return mcp.NewObject(mcp.Member{Name: "x", Value: v}) }
	object := func(members int) mcp.Object {
		all := make([]mcp.Member, members)
		for i := range all {
			all[i] = mcp.Member{Name: fmt.Sprint(i), Value: mcp.String("")}
		}
		return mcp.NewObject(all...)
	}
	longText := mcp.String(strings.Repeat("x", maxText-10))
	texts := func(n int) mcp.Object {
		return mcp.NewObject(mcp.Member{Name: "y", Value: longText},
			mcp.Member{Name: "x", Value: mcp.Array{mcp.String(strings.Repeat("x", n))}})
	}
	wide := mcp.NewObject(mcp.Member{Name: "a", Value: mcp.Int(1)}, mcp.Member{Name: "b", Value: mcp.Int(1)}, mcp.Member{Name: "c", Value: mcp.Int(1)})
	const records = `{"type":"array","items":{"type":"object","properties":{"a":{"type":"integer"}}}}`
	for name, tc := range map[string]struct {
		shape     *shape
		fits, not mcp.Object
	}{
		"elements of a list":   {read(`{"type":"array","items":{"type":"integer"}}`), one(slices.Repeat(mcp.Array{mcp.Int(1)}, maxElements)), one(slices.Repeat(mcp.Array{mcp.Int(1)}, maxElements+1))},
		"names of a map":       {read(`{"type":"object","additionalProperties":{"type":"string"}}`), one(object(maxElements)), one(object(maxElements + 1))},
		"text, wherever it is": {read(`{"type":"array","items":{"type":"string"}}`), texts(10), texts(11)},
		"text of names": {
			read(`{"type":"object","additionalProperties":{"type":"string"}}`),
			one(mcp.NewObject(mcp.Member{Name: string(longText), Value: mcp.String("0123456789")})),
			one(mcp.NewObject(mcp.Member{Name: string(longText), Value: mcp.String("01234567890")})),
		},
		"members of objects in a list": {read(records), one(slices.Repeat(mcp.Array{wide}, maxText/memberCost/4)), one(slices.Repeat(mcp.Array{mcp.NewObject(append(slices.Collect(func(yield func(mcp.Member) bool) {
			for name, v := range wide.All() {
				if !yield(mcp.Member{Name: name, Value: v}) {
					return
				}
			}
		}), mcp.Member{Name: "d", Value: mcp.Int(1)})...)}, maxText/memberCost/4))},
	} {
		t.Run(name, func(t *testing.T) {
			if !tc.shape.fits(tc.fits) {
				t.Error("does not fit")
			}
			if tc.shape.fits(tc.not) {
				t.Error("fits")
			}
		})
	}
}
