package cedar

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"countersign.dev/authz/mcp"
)

// plain are the keywords that the other implementation judges exactly, and those that say nothing.
var plain = []string{
	"type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems",
	"uniqueItems", "minLength", "maxLength", "minProperties", "maxProperties", "anyOf", "oneOf", "allOf", "not", "if", "then",
	"else", "propertyNames", "patternProperties", "dependentRequired", "dependentSchemas", "contains", "minContains",
	"maxContains", "unevaluatedProperties", "unevaluatedItems", "pattern", "minimum", "maximum", "exclusiveMinimum",
	"exclusiveMaximum", "multipleOf", "title", "description", "default", "x-mcp-header", "$defs", "$ref",
}

var (
	oracleMutex sync.Mutex
	oracles     = map[string]*jsonschema.Resolved{}
)

// oracle asks another implementation of JSON Schema. It is not known what is right where that one computes with binary
// fractions, or does not read the schema.
func oracle(schema, sent mcp.Object) (valid, known bool) {
	text := string(schema.AppendJSON(nil))
	if len(text) > 64<<10 || !isPlain(schema) {
		return false, false
	}
	oracleMutex.Lock()
	defer oracleMutex.Unlock()
	r, read := oracles[text]
	if !read {
		var s jsonschema.Schema
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			r, _ = s.Resolve(nil)
		}
		oracles[text] = r
	}
	if r == nil {
		return false, false
	}
	return r.Validate(native(sent)) == nil, true
}

// native is a value as the other implementation takes it.
func native(v mcp.Value) any {
	switch v := v.(type) {
	case mcp.Bool:
		return bool(v)
	case mcp.Int:
		return int64(v)
	case mcp.Float:
		return float64(v)
	case mcp.String:
		return string(v)
	case mcp.Array:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = native(e)
		}
		return list
	case mcp.Object:
		object := make(map[string]any, v.Len())
		for name, member := range v.All() {
			object[name] = native(member)
		}
		return object
	}
	return nil
}

// isPlain reports whether a schema has only keywords that are judged exactly, integers as bounds, and references to
// definitions that have none.
func isPlain(v mcp.Value) bool {
	schema, ok := v.(mcp.Object)
	if !ok {
		_, truth := v.(mcp.Bool)
		return truth
	}
	for keyword, v := range schema.All() {
		if !slices.Contains(plain, keyword) {
			return false
		}
		object, _ := v.(mcp.Object)
		list, _ := v.(mcp.Array)
		switch keyword {
		case "properties", "patternProperties", "$defs", "dependentSchemas":
			for name, part := range object.All() {
				if !isPlain(part) || keyword == "$defs" && strings.Contains(string(mcp.NewObject(mcp.Member{Value: part}).AppendJSON(nil)), "$ref") {
					return false
				}
				if keyword == "patternProperties" && !plainPattern(mcp.String(name)) {
					return false
				}
			}
		case "additionalProperties", "items", "not", "if", "then", "else", "propertyNames", "contains", "unevaluatedProperties", "unevaluatedItems":
			if !isPlain(v) {
				return false
			}
		case "prefixItems", "anyOf", "oneOf", "allOf":
			if len(list) == 0 || slices.ContainsFunc(list, func(part mcp.Value) bool { return !isPlain(part) }) {
				return false
			}
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
			if n, ok := v.(mcp.Int); !ok || n < -1<<50 || n > 1<<50 || keyword == "multipleOf" && n != 1 {
				return false
			}
		case "pattern":
			if !plainPattern(v) {
				return false
			}
		case "$ref":
			if ref, _ := v.(mcp.String); !strings.HasPrefix(string(ref), "#/$defs/") || strings.Contains(string(ref[8:]), "/") {
				return false
			}
		case "enum", "const":
			if !plainConstant(v) {
				return false
			}
		}
	}
	return true
}

// plainPattern reports whether we judge a pattern, too.
func plainPattern(v mcp.Value) bool {
	p, _ := newPattern(v)
	return p != nil
}

// plainConstant reports whether a constant has no number that binary fractions cannot hold, since that is how the other
// implementation reads a schema.
func plainConstant(v mcp.Value) bool {
	switch v := v.(type) {
	case mcp.Int:
		return v > -1<<50 && v < 1<<50
	case mcp.Float:
		return float64(v) == float64(int64(v*8))/8
	case mcp.Array:
		return !slices.ContainsFunc(v, func(e mcp.Value) bool { return !plainConstant(e) })
	case mcp.Object:
		for _, e := range v.All() {
			if !plainConstant(e) {
				return false
			}
		}
	}
	return true
}
