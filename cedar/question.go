package cedar

import (
	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// question is an [authz.Query] in Cedar's terms.
type question struct {
	query                       *authz.Query
	principal, action, resource types.EntityUID
	entities                    entities
	input                       *shape          // of the typed action's arguments; nil for other actions
	unfit                       types.EntityUID // the typed action that was not asked for, because the arguments do not fit; else zero
	ambiguous                   bool            // the resource's URI prefixes are unknown
	ready                       *types.Record   // the context of a question that is not about a query
}

func (s *Snapshot) question(q *authz.Query, principal spiffeid.ID, action string) *question {
	return &question{
		query: q, principal: workloadUID(principal), action: actionUID(action),
		entities: entities{registry: s.registry, principal: workloadEntity{id: principal}},
	}
}

// ask translates a query. It returns false when the schema has no action for it.
func (s *Snapshot) ask(q *authz.Query) (*question, bool, error) {
	name, ok := action(q.Call, q.Target.Kind)
	if !ok {
		return nil, false, nil
	}
	asked := s.question(q, q.Peer.ID, name)
	if q.Delegation != nil {
		if err := asked.entities.delegate(q); err != nil {
			return nil, false, err
		}
	}
	s.aim(asked)
	meets := true
	if p := s.pins[q.Server][q.Target.Name]; name == callTool && p != nil {
		var fit bool
		if fit, meets = p.input.examine(q.Call.Arguments); fit {
			asked.action, asked.input = p.action, p.input
		} else {
			asked.unfit = p.action
		}
	}
	if q.Target.Kind == mcp.TargetTool || name == "get_prompt" {
		asked.entities.arguments = arguments{present: true, sent: q.Call.Arguments, meets: meets, typed: asked.input}
	}
	return asked, true, nil
}

// aim finds the resource.
func (s *Snapshot) aim(asked *question) {
	server, name, e := asked.query.Server, asked.query.Target.Name, &asked.entities
	switch asked.query.Target.Kind {
	case mcp.TargetTool:
		s.aimAtTool(asked, server, name)
		return
	case mcp.TargetPrompt:
		e.target = offered(uid(promptType, toolID(server, name)), server, name)
	case mcp.TargetTask:
		e.target = offered(uid(taskType, toolID(server, name)), server, name)
	case mcp.TargetResource:
		var exact bool
		e.target, exact = resource(server, name)
		asked.ambiguous = !exact
	default:
		asked.resource = s.serverOf(asked, server)
		return
	}
	asked.resource = e.target.UID
	s.serverOf(asked, server)
}

// aimAtTool makes a tool the resource.
func (s *Snapshot) aimAtTool(asked *question, server, name string) {
	s.serverOf(asked, server)
	if p := s.pins[server][name]; p != nil {
		asked.resource = p.id
		return
	}
	asked.resource = uid(toolType, toolID(server, name))
	asked.entities.target = s.registry.newTool(asked.resource, server, name, nil)
}

// serverOf returns the id of a server, and makes it unless it is configured.
func (s *Snapshot) serverOf(asked *question, name string) types.EntityUID {
	id := uid(serverType, name)
	if _, configured := s.registry.static[id]; !configured {
		asked.entities.server = s.registry.newServer(id)
	}
	return id
}
