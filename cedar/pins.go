package cedar

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// maxTools is the most pinned tools of all servers: each makes an action that policies are checked against.
const maxTools = 10_000

// pin is a tool whose definition the operator recorded. Hints and argument types come from pins only: what a server
// says at run time could change behind the policy's back.
type pin struct {
	mcp.Tool
	id     types.EntityUID // of the tool
	input  *shape
	action types.EntityUID // call_tool:<server>/<tool>
}

// pins holds the pinned tools of every configured server, by server and tool name.
type pins map[string]map[string]*pin

func readPins(tools map[string]file) (pins, problems) {
	var ps problems
	all := make(pins, len(tools))
	total := 0
	for _, server := range slices.Sorted(maps.Keys(tools)) {
		f := tools[server]
		if server == "" || strings.ContainsAny(server, "/:*") {
			ps.add(cmp.Or(f.name, "servers"), 0, 0, "server name %q: must not be empty or contain '/', ':' or '*'", server)
			continue
		}
		all[server] = nil
		if f.name == "" {
			continue
		}
		pinned, err := mcp.ParsePin(f.data)
		switch {
		case err != nil:
			for _, one := range separate(err) {
				ps.add(f.name, 0, 0, "reading the pinned tools of server %q: %v", server, one)
			}
			continue
		case pinned.Server != "" && pinned.Server != server:
			ps.add(f.name, 0, 0, "these are the pinned tools of server %q, not of %q", pinned.Server, server)
			continue
		}
		if total += len(pinned.Tools); total > maxTools {
			ps.add(f.name, 0, 0, "with the pinned tools of server %q there are more than %d: leave out tools that nobody calls",
				server, maxTools)
			continue
		}
		all[server] = make(map[string]*pin, len(pinned.Tools))
		for _, tool := range pinned.Tools {
			p, err := newPin(server, tool)
			if err != nil {
				ps.add(f.name, 0, 0, "tool %q: %v", tool.Name, err)
				continue
			}
			all[server][tool.Name] = p
		}
	}
	return all, ps
}

// separate returns the errors that one was joined of.
func separate(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only when nothing is wrapped around it
		return joined.Unwrap()
	}
	return []error{err}
}

func newPin(server string, tool mcp.Tool) (*pin, error) {
	input, err := inputShape(tool.InputSchema)
	if err != nil {
		return nil, err
	}
	return &pin{
		Tool:   tool,
		id:     uid(toolType, toolID(server, tool.Name)),
		input:  input,
		action: actionUID("call_tool:" + toolID(server, tool.Name)),
	}, nil
}

// names returns the pinned tools of a server, sorted.
func (ps pins) names(server string) []string { return slices.Sorted(maps.Keys(ps[server])) }

// toolID is unambiguous: a server name has no "/".
func toolID(server, tool string) string { return server + "/" + tool }

// pinnedHeaders implements [mcp.ParamHeaders] for one server.
type pinnedHeaders map[string]*pin

// ParamHeaders implements [mcp.ParamHeaders].
func (h pinnedHeaders) ParamHeaders(tool string) (paths map[string][]string, pinned bool) {
	p, pinned := h[tool]
	if !pinned {
		return nil, false
	}
	return p.ParamHeaders, true
}
