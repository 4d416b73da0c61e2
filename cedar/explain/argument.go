package explain

import (
	"fmt"
	"strconv"
	"strings"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// argumentPath returns the argument that an expression reads: its name, and below an object the names to it.
func argumentPath(expression string) ([]string, bool) {
	if names, ok := strings.CutPrefix(expression, "context.input."); ok && !strings.ContainsAny(names, "([ ") {
		return strings.Split(names, "."), true
	}
	rest, ok := strings.CutPrefix(expression, "context.arguments.")
	if !ok {
		return nil, false
	}
	_, quoted, ok := strings.Cut(rest, ".getTag(")
	if !ok || !strings.HasSuffix(quoted, ")") {
		return nil, false
	}
	name, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
	return []string{name}, err == nil
}

// send gives an argument a value.
func send(path []string, value mcp.Value, text string) change {
	name := strings.Join(path, ".")
	return change{
		text: fmt.Sprintf("send %s for the argument %s", text, name), target: targetOf(name),
		apply: func(q *authz.Query) { q.Call.Arguments = with(q.Call.Arguments, path, value) },
	}
}

func targetOf(name string) string { return "argument " + name }

// argument sends or leaves out an argument of a kind.
func (c *changer) argument(kind, name string, want bool) (change, bool) {
	if c.query.Call == nil || !strings.HasPrefix(kind, "context.arguments.") {
		return change{}, false
	}
	if !want {
		return change{text: fmt.Sprintf("leave out the argument %s", name), target: targetOf(name), apply: func(q *authz.Query) {
			q.Call.Arguments = without(q.Call.Arguments, name)
		}}, true
	}
	if value, text, ok := c.converted(kind, name); ok {
		return send([]string{name}, value, text), true
	}
	value, ok := map[string]mcp.Value{
		"context.arguments.str": mcp.String(""), "context.arguments.num": mcp.Int(0),
		"context.arguments.bool": mcp.Bool(false), "context.arguments.list": mcp.Array{},
	}[kind]
	if !ok {
		return change{}, false
	}
	what := send([]string{name}, value, "")
	what.text = fmt.Sprintf("send %s as %s", name, kindOf(value))
	return what, true
}

// convertedFor is what was sent for an argument, as a value of the kind of a literal.
func (c *changer) convertedFor(path []string, l literal) (change, bool) {
	kind := ""
	switch {
	case len(path) != 1:
	case l.number != nil:
		kind = "context.arguments.num"
	case l.isText:
		kind = "context.arguments.str"
	}
	if value, text, ok := c.converted(kind, path[0]); ok {
		return send(path, value, text), true
	}
	return change{}, false
}

// converted is what was sent for an argument, as a value of another kind: 100 for "100".
func (c *changer) converted(kind, name string) (value mcp.Value, text string, ok bool) {
	sent, _ := c.query.Call.Arguments.Get(name)
	switch sent := sent.(type) {
	case mcp.String:
		if n, err := strconv.ParseInt(string(sent), 10, 64); err == nil && kind == "context.arguments.num" {
			return mcp.Int(n), fmt.Sprintf("%d (an integer)", n), true
		}
	case mcp.Int:
		if kind == "context.arguments.str" {
			text := strconv.FormatInt(int64(sent), 10)
			return mcp.String(text), fmt.Sprintf("%q (a string)", text), true
		}
	}
	return nil, "", false
}

func kindOf(v mcp.Value) string {
	switch v.(type) {
	case mcp.String:
		return "a string"
	case mcp.Bool:
		return "a Boolean"
	case mcp.Array:
		return "a list of strings"
	}
	return "an integer"
}

// with sets a member, or a member of a member.
func with(object mcp.Object, path []string, value mcp.Value) mcp.Object {
	if len(path) > 1 {
		inner, _ := object.Get(path[0])
		nested, _ := inner.(mcp.Object) // what is no object becomes one
		value = with(nested, path[1:], value)
	}
	var members []mcp.Member
	for n, v := range object.All() {
		members = append(members, mcp.Member{Name: n, Value: v})
	}
	return mcp.NewObject(append(members, mcp.Member{Name: path[0], Value: value})...)
}

func without(arguments mcp.Object, name string) mcp.Object {
	var members []mcp.Member
	for n, v := range arguments.All() {
		if n != name {
			members = append(members, mcp.Member{Name: n, Value: v})
		}
	}
	return mcp.NewObject(members...)
}
