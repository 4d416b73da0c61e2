package cedar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// groupOf says what an operator may declare in the entities file: groups, which may be in groups of their own type, and
// the membership and tags of what requests are about. Everything else is a fact of the request, not of a file.
var groupOf = map[types.EntityType]types.EntityType{
	workloadGroupType: workloadGroupType,
	userGroupType:     userGroupType,
	serverGroupType:   serverGroupType,
	toolGroupType:     toolGroupType,
	workloadType:      workloadGroupType,
	spiffePathType:    workloadGroupType,
	userType:          userGroupType,
	serverType:        serverGroupType,
	toolType:          toolGroupType,
}

// newRegistry makes the entities that do not change between requests.
func newRegistry(v *vocabulary, tools pins, entities *file) (*registry, problems) {
	r := &registry{static: types.EntityMap{}, declared: types.EntityMap{}}
	if entities != nil {
		l := entityLoader{file: *entities, vocabulary: v, pins: tools, registry: r}
		l.load()
		if len(l.problems) > 0 {
			return nil, l.problems
		}
	}
	for server, pinned := range tools {
		id := uid(serverType, server)
		r.static[id] = r.newServer(id)
		for name, p := range pinned {
			r.static[p.id] = r.newTool(p.id, server, name, p)
		}
	}
	r.makeMembers()
	for id, action := range v.schema.Actions {
		r.static[id] = action.Entity // cedar-go does not take the action hierarchy from the schema
	}
	return r, nil
}

// makeMembers makes the declared workloads and users once, because somebody may be in many groups.
func (r *registry) makeMembers() {
	members := types.EntityMap{}
	for id := range r.declared {
		switch id.Type {
		case workloadType:
			if workload, err := spiffeid.FromString(string(id.ID)); err == nil { // as the loader saw to
				members[id] = r.workload(workload)
			}
		case userType:
			members[id] = r.user(string(id.ID))
		}
	}
	r.members = members
}

// entityLoader reads the entities file: a JSON array of entities in the form that Cedar defines.
type entityLoader struct {
	file       file
	vocabulary *vocabulary
	pins       pins
	registry   *registry
	problems   problems
	groups     []types.EntityUID // in order of appearance
	offsets    map[types.EntityUID]int64
}

func (l *entityLoader) load() {
	l.offsets = make(map[types.EntityUID]int64)
	dec := jsontext.NewDecoder(bytes.NewReader(l.file.data))
	if dec.PeekKind() != '[' {
		_, err := dec.ReadToken()
		l.problems.addAt(l.file, 0, "want a JSON array of entities%s", because(err))
		return
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != ']' {
		var value jsontext.Value
		if value, err = dec.ReadValue(); err == nil {
			l.entity(value, dec.InputOffset()-int64(len(value)))
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	if err == nil {
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("something follows the array")
		}
	}
	if err != nil {
		offset := dec.InputOffset()
		if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			offset = e.ByteOffset
		}
		l.problems.addAt(l.file, offset, "%v", err)
	}
	l.findCycles()
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// entity reads one entity.
func (l *entityLoader) entity(value jsontext.Value, offset int64) {
	var members struct {
		UID     jsontext.Value `json:"uid"`
		Parents jsontext.Value `json:"parents"`
		Attrs   jsontext.Value `json:"attrs"`
		Tags    jsontext.Value `json:"tags"`
	}
	// Cedar ignores unknown members. A misspelt one would be a lost group.
	if err := json.Unmarshal(value, &members, json.RejectUnknownMembers(true)); err != nil {
		l.problems.addAt(l.file, offset, "an entity has the members uid, parents, attrs and tags: %v", err)
		return
	}
	var e types.Entity
	if err := json.Unmarshal(value, &e); err != nil {
		l.problems.addAt(l.file, offset, "reading the entity %s: %v", members.UID, err)
		return
	}
	if _, twice := l.offsets[e.UID]; twice {
		l.problems.addAt(l.file, offset, "entity %s is declared twice: join the two", e.UID)
		return
	}
	l.offsets[e.UID] = offset
	if err := l.check(e); err != nil {
		l.problems.addAt(l.file, offset, "entity %s: %v", e.UID, err)
		return
	}
	if groupOf[e.UID.Type] == e.UID.Type {
		l.groups = append(l.groups, e.UID)
		l.registry.static[e.UID] = e
		return
	}
	l.registry.declared[e.UID] = e
}

func (l *entityLoader) check(e types.Entity) error {
	group, ok := groupOf[e.UID.Type]
	if !ok {
		return fmt.Errorf("the entities file may declare groups (WorkloadGroup, UserGroup, ServerGroup, ToolGroup) and "+
			"the groups and tags of Workload, SpiffePath, User, Server and Tool; %s is neither", e.UID.Type)
	}
	if e.UID.ID == "" {
		return errors.New("the id is empty")
	}
	if e.Attributes.Len() > 0 {
		return fmt.Errorf(`the attributes of %s come from the request: write "attrs": {}`, e.UID.Type)
	}
	for parent := range e.Parents.All() {
		if parent.Type != group {
			return fmt.Errorf("%s may be in a %s, not in %s", e.UID.Type, group, parent)
		}
	}
	complete, err := l.complete(e)
	if err != nil {
		return err
	}
	return l.vocabulary.validator.Entity(complete)
}

// complete returns the entity as requests will have it, so that it can be checked against the schema. Ids that no
// request can have are mistakes.
func (l *entityLoader) complete(e types.Entity) (types.Entity, error) {
	as := &registry{declared: types.EntityMap{e.UID: e}}
	id := string(e.UID.ID)
	switch e.UID.Type {
	case workloadType, spiffePathType:
		workload, err := spiffeid.FromString(id)
		if err != nil {
			return types.Entity{}, fmt.Errorf("not a SPIFFE ID: %w", err)
		}
		if workload.Path() == "" {
			return types.Entity{}, errors.New("a SPIFFE ID without a path is a trust domain, not a workload")
		}
		if e.UID.Type == workloadType {
			e = as.workload(workload)
			e.Attributes = workloadAttributes(workload, everything)
		}
	case userType:
		e = as.user(id)
		e.Attributes = userAttributes(id, "", everything)
	case serverType:
		if _, known := l.pins[id]; !known {
			return types.Entity{}, fmt.Errorf("no server of that name is configured%s", didYouMean(id, keys(l.pins)))
		}
		return as.newServer(e.UID), nil
	case toolType:
		server, name, ok := strings.Cut(id, "/")
		pinned, known := l.pins[server]
		switch {
		case !ok || name == "":
			return types.Entity{}, errors.New(`the id of a tool is "<server>/<tool>"`)
		case !known:
			return types.Entity{}, fmt.Errorf("no server %q is configured%s", server, didYouMean(server, keys(l.pins)))
		case pinned != nil && pinned[name] == nil:
			return types.Entity{}, fmt.Errorf("server %q has no pinned tool %q%s", server, name, didYouMean(name, keys(pinned)))
		}
		return as.newTool(e.UID, server, name, nil), nil
	}
	return e, nil
}

// findCycles reports groups that are in themselves.
func (l *entityLoader) findCycles() {
	const visiting, done = 1, 2
	state := make(map[types.EntityUID]int, len(l.groups))
	var visit func(id types.EntityUID)
	visit = func(id types.EntityUID) {
		state[id] = visiting
		parents := slices.SortedFunc(l.registry.static[id].Parents.All(), compareUID)
		for _, parent := range parents {
			switch state[parent] {
			case visiting:
				l.problems.addAt(l.file, l.offsets[id], "entity %s: its parent %s is in it: take one of them out", id, parent)
			case done:
			default:
				visit(parent)
			}
		}
		state[id] = done
	}
	for _, id := range l.groups {
		if state[id] == 0 {
			visit(id)
		}
	}
}
