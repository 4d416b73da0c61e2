package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// World tells what policies can name.
type World interface {
	// Servers returns the names of the configured servers. This and all other lists are sorted and not to be changed.
	Servers() []string
	// Tools returns the names of the pinned tools of a server; pinned is false when its tools are not pinned.
	Tools(server string) (names []string, pinned bool)
	// Groups returns the ids of the entities of a type that the entities file declares, or puts something into.
	Groups(kind string) []string
}

// Inventory is a [World] made of the files that the server loads.
type Inventory struct {
	servers []string
	tools   map[string][]string // nil for a server without pins
	groups  map[string][]string
}

var _ World = (*Inventory)(nil)

// NewInventory reads an entities file (Cedar's JSON; nil for none) and the pinned tools/list results by server; nil for
// a server whose tools are not pinned. The error says which of them is not what it should be.
func NewInventory(entities []byte, tools map[string][]byte) (*Inventory, error) {
	i := &Inventory{
		servers: slices.Sorted(maps.Keys(tools)), tools: make(map[string][]string), groups: make(map[string][]string),
	}
	var errs []error
	for _, server := range i.servers {
		i.tools[server] = nil
		if tools[server] == nil {
			continue
		}
		list, err := mcp.ParseToolList(tools[server])
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the pinned tools of server %q: %w", server, err))
			continue
		}
		names := make([]string, len(list))
		for n, tool := range list {
			names[n] = tool.Name
		}
		slices.Sort(names)
		i.tools[server] = names
	}
	if entities != nil {
		var declared types.EntityMap
		if err := declared.UnmarshalJSON(entities); err != nil {
			errs = append(errs, fmt.Errorf("reading the entities: %w", err))
		}
		for id, entity := range declared {
			i.note(id)
			for parent := range entity.Parents.All() {
				i.note(parent)
			}
		}
	}
	for kind, ids := range i.groups {
		slices.Sort(ids)
		i.groups[kind] = slices.Compact(ids)
	}
	return i, errors.Join(errs...)
}

func (i *Inventory) note(id types.EntityUID) {
	i.groups[string(id.Type)] = append(i.groups[string(id.Type)], string(id.ID))
}

// Servers implements [World].
func (i *Inventory) Servers() []string { return i.servers }

// Tools implements [World].
func (i *Inventory) Tools(server string) (names []string, pinned bool) {
	names = i.tools[server]
	return names, names != nil
}

// Groups implements [World].
func (i *Inventory) Groups(kind string) []string { return i.groups[kind] }

// has reports whether a sorted list has a word.
func has(list []string, word string) bool {
	_, found := slices.BinarySearch(list, word)
	return found
}
