package cedar

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

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
	for server, f := range tools {
		if server == "" || strings.ContainsAny(server, "/:*") {
			ps.add(cmp.Or(f.name, "servers"), 0, 0, "server name %q: must not be empty or contain '/', ':' or '*'", server)
			continue
		}
		all[server] = nil
		if f.name == "" {
			continue
		}
		list, err := mcp.ParseToolList(f.data)
		if err != nil {
			ps.add(f.name, 0, 0, "reading the pinned tools of server %q: %v", server, err)
			continue
		}
		all[server] = make(map[string]*pin, len(list))
		for _, tool := range list {
			all[server][tool.Name] = &pin{
				Tool:   tool,
				id:     uid(toolType, toolID(server, tool.Name)),
				input:  inputShape(tool.InputSchema),
				action: actionUID("call_tool:" + toolID(server, tool.Name)),
			}
		}
	}
	return all, ps
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
