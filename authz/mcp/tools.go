package mcp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Tool is a tool definition from a tools/list result.
type Tool struct {
	Name, Title, Description string
	// InputSchema is the JSON Schema of the arguments.
	InputSchema Object
	// OutputSchema is that of the structured result; zero without one.
	OutputSchema Object
	// Definition is all that the server said about the tool.
	Definition Object
	// Hints are the tool's annotations. They are the server's own word, and worth as much as the server.
	Hints Hints
	// ParamHeaders maps a lower-case name after "mcp-param-" to the path of the argument that it mirrors. It is nil
	// when there is none.
	ParamHeaders map[string][]string
}

// Hints are tool annotations, with the specification's defaults filled in (2025-03-26 and later, schema,
// ToolAnnotations). Destructive and Idempotent mean something only where ReadOnly is false.
type Hints struct {
	ReadOnly    bool // changes nothing; false by default
	Destructive bool // may destroy and not only add; true by default
	Idempotent  bool // the same call twice changes nothing more; false by default
	OpenWorld   bool // deals with things outside a closed set; true by default
}

const paramAnnotation = "x-mcp-header"

var knownTool = []string{
	"name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "execution", "_meta",
}

var knownHints = []string{"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}

// ParseToolList reads the result of tools/list, a whole JSON-RPC response with it, or a file that [Pin.JSON] wrote, under
// the rules that hold for request bodies. Every tool must be usable as the target of a call, and its x-mcp-header
// annotations must be valid (2026-07-28, server/tools): clients leave a tool out whose annotations are not. A list that
// goes on (nextCursor) is refused; join the pages first. The error names every tool that
// cannot be used, one a line in the order of the list, with the JSON Pointer of what is wrong; it counts those after the
// twentieth.
func ParseToolList(data []byte) ([]Tool, error) {
	p, err := ParsePin(data)
	return p.Tools, err
}

func readTools(result Object, where string) ([]Tool, error) {
	v, _ := result.Get("tools")
	list, ok := v.(Array)
	if !ok {
		return nil, fmt.Errorf("tools/list result: %s/tools is missing or not an array", where)
	}
	tools := make([]Tool, 0, len(list))
	seen := make(map[string]bool, len(list))
	var bad []error
	for i, v := range list {
		tool, err := readListed(v, where+"/tools/"+strconv.Itoa(i), seen)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		tools = append(tools, tool)
	}
	if more := len(bad) - maxBadTools; more > 0 {
		bad = append(bad[:maxBadTools], fmt.Errorf("%d more tools cannot be used", more))
	}
	if bad != nil {
		return nil, errors.Join(bad...)
	}
	return tools, nil
}

// maxBadTools bounds how many are reported.
const maxBadTools = 20

// readListed reads one tool of a list, and notes its name.
func readListed(v Value, pointer string, seen map[string]bool) (Tool, error) {
	o, ok := v.(Object)
	if !ok {
		return Tool{}, fmt.Errorf("tools/list result: %s is not an object", pointer)
	}
	tool, err := readTool(o, pointer)
	if err != nil {
		return Tool{}, fmt.Errorf("tool %.64q: %w", tool.Name, err)
	}
	if seen[tool.Name] {
		return Tool{}, fmt.Errorf("tool %q: %s/name: there are two of that name", tool.Name, pointer)
	}
	seen[tool.Name] = true
	return tool, nil
}

func readTool(o Object, pointer string) (tool Tool, err error) {
	v, _ := o.Get("name")
	name, _ := v.(String)
	tool.Name = string(name)
	if err := refuseVariants(o, knownTool); err != nil {
		return tool, fmt.Errorf("%s: %w", pointer, err)
	}
	if err := checkName(TargetTool, tool.Name); err != nil {
		return tool, fmt.Errorf("%s/name: %w", pointer, err)
	}
	tool.Definition = o
	for name, text := range map[string]*string{"title": &tool.Title, "description": &tool.Description} {
		if v, ok := o.Get(name); ok {
			s, ok := v.(String)
			if !ok {
				return tool, fmt.Errorf("%s/%s is not a string", pointer, name)
			}
			*text = string(s)
		}
	}
	v, _ = o.Get("inputSchema")
	schema, _ := v.(Object)
	if t, _ := schema.Get("type"); t != String("object") {
		return tool, fmt.Errorf("%s/inputSchema is missing or its type is not \"object\"", pointer)
	}
	tool.InputSchema = schema
	if v, ok := o.Get("outputSchema"); ok {
		if tool.OutputSchema, ok = v.(Object); !ok {
			return tool, fmt.Errorf("%s/outputSchema is not an object", pointer)
		}
	}
	if tool.Hints, err = readHints(o, pointer+"/annotations"); err != nil {
		return tool, err
	}
	a := annotations{found: map[string][]string{}}
	if err := a.walk(schema, pointer+"/inputSchema", []string{}); err != nil {
		return tool, err
	}
	if len(a.found) > 0 {
		tool.ParamHeaders = a.found
	}
	return tool, nil
}

func readHints(tool Object, pointer string) (Hints, error) {
	h := Hints{Destructive: true, OpenWorld: true}
	v, present := tool.Get("annotations")
	if !present {
		return h, nil
	}
	o, ok := v.(Object)
	if !ok {
		return h, fmt.Errorf("%s is not an object", pointer)
	}
	if err := refuseVariants(o, knownHints); err != nil {
		return h, fmt.Errorf("%s: %w", pointer, err)
	}
	for _, hint := range []struct {
		name string
		dst  *bool
	}{
		{"readOnlyHint", &h.ReadOnly},
		{"destructiveHint", &h.Destructive},
		{"idempotentHint", &h.Idempotent},
		{"openWorldHint", &h.OpenWorld},
	} {
		v, present := o.Get(hint.name)
		if !present {
			continue
		}
		b, ok := v.(Bool)
		if !ok {
			return h, fmt.Errorf("%s/%s is not true or false", pointer, hint.name)
		}
		*hint.dst = bool(b)
	}
	return h, nil
}

// annotations collects the x-mcp-header annotations of one input schema.
type annotations struct{ found map[string][]string }

// walk visits a schema. Path is that of the argument that the schema describes, empty for all arguments together, and
// nil where no path leads to: below anything but properties it depends on the arguments which schema applies.
func (a annotations) walk(schema Object, pointer string, path []string) error {
	if v, ok := schema.Get(paramAnnotation); ok {
		if err := a.add(schema, v, path); err != nil {
			return fmt.Errorf("%s/%s: %w", pointer, paramAnnotation, err)
		}
	}
	for keyword, v := range schema.All() {
		below := pointer + "/" + escapePointer(keyword)
		var err error
		switch keyword {
		case "default", "const", "enum", "examples", paramAnnotation:
			// data, not schemas
		case "properties":
			err = a.walkNamed(v, below, path)
		case "patternProperties", "$defs", "definitions", "dependentSchemas":
			err = a.walkNamed(v, below, nil)
		default:
			err = a.walkAny(v, below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walkNamed visits an object whose members are schemas under names of the author's choice.
func (a annotations) walkNamed(v Value, pointer string, path []string) error {
	named, _ := v.(Object)
	for name, v := range named.All() {
		schema, ok := v.(Object)
		if !ok {
			continue
		}
		var below []string
		if path != nil {
			below = append(slices.Clone(path), name)
		}
		if err := a.walk(schema, pointer+"/"+escapePointer(name), below); err != nil {
			return err
		}
	}
	return nil
}

// walkAny visits what may be a schema or a list of them.
func (a annotations) walkAny(v Value, pointer string) error {
	switch v := v.(type) {
	case Object:
		return a.walk(v, pointer, nil)
	case Array:
		for i, element := range v {
			if err := a.walkAny(element, pointer+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes one annotation up: a header name (RFC 9110, section 5.1) that no other has in any case, on a property of a
// primitive type.
func (a annotations) add(schema Object, v Value, path []string) error {
	name, ok := v.(String)
	suffix := strings.ToLower(string(name))
	switch t, _ := schema.Get("type"); {
	case len(path) == 0:
		return errors.New("only allowed on a property that is reached through properties alone")
	case !ok || !isToken(suffix):
		return errors.New("not the name of a header field")
	case t != String("string") && t != String("integer") && t != String("boolean"):
		return errors.New("only allowed where type is string, integer or boolean")
	}
	if other, taken := a.found[suffix]; taken {
		return fmt.Errorf("%q is already used for %q", suffix, other)
	}
	a.found[suffix] = path
	return nil
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return visibleASCII(s) && !strings.ContainsAny(s, "\"(),/:;<=>?@[\\]{}")
}

// escapePointer escapes a reference token (RFC 6901, section 3).
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
