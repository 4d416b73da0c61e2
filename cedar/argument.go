package cedar

import (
	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// maxText bounds the bytes of names and strings that are converted for policy.
const maxText = 256 << 10

// The entities whose tags are the untyped arguments.
var (
	strArgs  = types.NewEntityUID("StrArgs", "arguments")
	numArgs  = types.NewEntityUID("NumArgs", "arguments")
	boolArgs = types.NewEntityUID("BoolArgs", "arguments")
	listArgs = types.NewEntityUID("ListArgs", "arguments")
)

// argumentReader converts top-level arguments without knowing their types. Everything that does not get a place makes
// the view incomplete, so that a policy which insists on context.arguments.complete cannot be got around with a value
// that it does not see.
type argumentReader struct {
	str, num, boolean, list types.RecordMap
	keys                    []types.Value
	text                    int // bytes so far
	incomplete              bool
}

// convertArguments adds the argument entities and returns context.arguments.
func convertArguments(arguments mcp.Object, entities types.EntityMap, fits bool) types.Record {
	r := argumentReader{
		str: types.RecordMap{}, num: types.RecordMap{}, boolean: types.RecordMap{}, list: types.RecordMap{},
		incomplete: !fits,
	}
	for name, v := range arguments.All() {
		if len(r.keys) == maxElements || !r.afford(name) {
			r.incomplete = true
			break
		}
		r.keys = append(r.keys, types.String(name))
		if !r.read(types.String(name), v) {
			r.incomplete = true
		}
	}
	for id, tags := range map[types.EntityUID]types.RecordMap{
		strArgs: r.str, numArgs: r.num, boolArgs: r.boolean, listArgs: r.list,
	} {
		entities[id] = types.Entity{UID: id, Tags: types.NewRecord(tags)}
	}
	return types.NewRecord(types.RecordMap{
		"str": strArgs, "num": numArgs, "bool": boolArgs, "list": listArgs,
		"keys":     types.NewSet(r.keys...),
		"complete": types.Boolean(!r.incomplete),
	})
}

// read reports whether the value got a place.
func (r *argumentReader) read(name types.String, v mcp.Value) bool {
	if n, ok := long(v); ok {
		r.num[name] = n
		return true
	}
	switch v := v.(type) {
	case mcp.String:
		if !r.afford(string(v)) {
			return false
		}
		r.str[name] = types.String(v)
		return true
	case mcp.Bool:
		r.boolean[name] = types.Boolean(v)
		return true
	case mcp.Array:
		return r.readList(name, v)
	}
	return false // null, a fraction, or an object
}

func (r *argumentReader) readList(name types.String, list mcp.Array) bool {
	if len(list) > maxElements {
		return false
	}
	elements := make([]types.Value, len(list))
	for i, e := range list {
		text, ok := e.(mcp.String)
		if !ok || !r.afford(string(text)) {
			return false
		}
		elements[i] = types.String(text)
	}
	r.list[name] = types.NewSet(elements...)
	return true
}

// afford accounts for the bytes of a text.
func (r *argumentReader) afford(text string) bool {
	if r.text+len(text) > maxText {
		return false
	}
	r.text += len(text)
	return true
}
