package cedar

import (
	"maps"
	"slices"

	"countersign.dev/authz/mcp"
)

// ToolFile is a file with the pinned tools of a server.
type ToolFile struct {
	Server string // configured name
	Name   string // of the file, for messages
	Data   []byte
}

// ToolSchema is what a Cedar schema has of one tool.
type ToolSchema struct {
	Server string `json:"server"`
	Tool   string `json:"tool"`
	// Action is the id of the typed action, "call_tool:<server>/<tool>".
	Action string `json:"action"`
	// Members are those of context.input at every level, by path.
	Members []Member `json:"members"`
	// LeftOut is what context.input does not have, although the tool's input schema describes it.
	LeftOut []LeftOut `json:"left_out"`
	// Unchecked is what the schema asks that we cannot check. A call that sends such a member is asked about as its typed
	// action only if context.input does not have the member, and context.arguments.complete is false. A format is listed,
	// too, which is no more than a comment (JSON Schema 2020-12, validation, section 7.2.1).
	Unchecked []LeftOut `json:"unchecked,omitempty"`
}

// Member is a member of context.input, or of a record or list in it.
type Member struct {
	// Path is a JSON Pointer (RFC 6901) from the arguments, with "*" for the elements of a list.
	Path string `json:"path"`
	// Type is written as in a Cedar schema, in one line.
	Type string `json:"type"`
	// Required says that every call which fits the pin has it.
	Required bool `json:"required"`
	// Allowed are the only values, as JSON; empty for any.
	Allowed []string `json:"allowed,omitempty"`
}

// LeftOut is a member of which something is left out, or not checked, and why.
type LeftOut struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// GenerateSchema returns the Cedar schema that policies are checked against when these tools are pinned: the core, and
// an action for every tool, with comments. It tells what it has of each tool, too, by server and tool. The error lists
// everything to repair.
func GenerateSchema(files []ToolFile) (text []byte, tools []ToolSchema, err error) {
	sources := make(map[string]file, len(files))
	for _, f := range files {
		sources[f.Server] = file{name: f.Name, data: f.Data}
	}
	all, bad := readPins(sources)
	if err := bad.err(); err != nil {
		return nil, nil, err
	}
	words, err := newVocabulary(all)
	if err != nil {
		return nil, nil, err
	}
	for _, server := range slices.Sorted(maps.Keys(all)) {
		for _, name := range all.names(server) {
			tools = append(tools, all[server][name].describe(server))
		}
	}
	return words.text, tools, nil
}

// DescribeTool returns what a Cedar schema has of a tool.
func DescribeTool(server string, tool mcp.Tool) (ToolSchema, error) {
	p, err := newPin(server, tool)
	if err != nil {
		return ToolSchema{}, err
	}
	return p.describe(server), nil
}

func (p *pin) describe(server string) ToolSchema {
	s := ToolSchema{
		Server: server, Tool: p.Name, Action: string(p.action.ID), Members: []Member{}, LeftOut: []LeftOut{},
	}
	p.input.visit("", func(path string, member field) {
		s.Members = append(s.Members, Member{path, member.shape.typeText(), member.required, member.shape.allowed()})
	})
	s.LeftOut = append(s.LeftOut, p.input.omitted("")...)
	s.Unchecked = p.input.asks.untoldIn("")
	return s
}
