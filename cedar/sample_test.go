package cedar

import "testing"

// Arguments are found for schemas that ask for more than types.
func TestSmallestArgumentsFit(t *testing.T) {
	for name, tc := range map[string]struct{ property, want string }{
		"a length":          {`{"type":"string","minLength":3}`, `{"x":"aaa"}`},
		"a range":           {`{"type":"integer","minimum":7,"maximum":9}`, `{"x":7}`},
		"an open range":     {`{"type":"integer","exclusiveMinimum":7,"multipleOf":2}`, `{"x":8}`},
		"negative":          {`{"type":"number","maximum":-2.5}`, `{"x":-3}`},
		"elements":          {`{"type":"array","items":{"type":"integer","minimum":3},"minItems":2}`, `{"x":[3,3]}`},
		"a tuple":           {`{"type":"array","prefixItems":[{"const":"a"},{"type":"boolean"}],"minItems":2}`, `{"x":["a",false]}`},
		"constants":         {`{"enum":["bb","a",3],"not":{"const":"a"}}`, `{"x":"bb"}`},
		"one that is fine":  {`{"oneOf":[{"type":"integer","minimum":9007199254740993},{"type":"string","maxLength":1}]}`, `{"x":9007199254740993}`},
		"members":           {`{"type":"object","properties":{"a":{"type":"string"}},"required":["a","b"],"additionalProperties":{"type":"boolean"}}`, `{"x":{"a":"","b":false}}`},
		"a reference":       {`{"$ref":"#/$defs/word"}`, `{"x":"a"}`},
		"an object or null": {`{"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"type":"string"}]}`, `{"x":{"a":0}}`},
		"a pattern":         {`{"type":"string","pattern":"^[0-9]{4}$"}`, `{"x":null}`}, // which is not guessed
		"what has no end":   {`{"$ref":"#/$defs/endless"}`, `{"x":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := readShape(t, `{"type":"object","properties":{"x":`+tc.property+`},"required":["x"],"$defs":{
				"word":{"type":"string","minLength":1},"endless":{"type":"object","properties":{"a":{"$ref":"#/$defs/endless"}},"required":["a"]}}}`)
			got := s.smallestRecord()
			if string(got.AppendJSON(nil)) != tc.want && (tc.want != `{"x":null}` || s.fits(got)) {
				t.Errorf("%s, want %s", got.AppendJSON(nil), tc.want)
			}
			if tc.want != `{"x":null}` && !s.fits(got) {
				t.Errorf("%s does not fit", got.AppendJSON(nil))
			}
		})
	}
}
