package cedar

import (
	"fmt"
	"net/netip"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// question is an [authz.Query] in Cedar's terms.
type question struct {
	request   cedargo.Request
	entities  layered
	unfit     types.EntityUID // the typed action that was not asked for, because the arguments do not fit; else zero
	ambiguous bool            // the resource's URI prefixes are unknown
}

// ask translates a query. It returns false when the schema has no action for it.
func (s *Snapshot) ask(q authz.Query) (question, bool, error) {
	name, ok := action(q.Call, q.Target.Kind)
	if !ok {
		return question{}, false, nil
	}
	entities := types.EntityMap{}
	context, err := s.context(q, entities)
	if err != nil {
		return question{}, false, err
	}
	asked := question{entities: layered{entities, s.registry.static}}
	principal := s.registry.workload(q.Peer.ID)
	server := s.registry.server(q.Server)
	entities[principal.UID], entities[server.UID] = principal, server
	about := server
	switch q.Target.Kind {
	case mcp.TargetTool:
		about = s.registry.tool(q.Server, q.Target.Name)
	case mcp.TargetPrompt:
		about = offered(promptType, q.Server, q.Target.Name)
	case mcp.TargetTask:
		about = offered(taskType, q.Server, q.Target.Name)
	case mcp.TargetResource:
		var exact bool
		about, exact = resource(q.Server, q.Target.Name)
		asked.ambiguous = !exact
	}
	entities[about.UID] = about
	act := actionUID(name)
	fits := true
	if p := s.pins[q.Server][q.Target.Name]; name == callTool && p != nil {
		var input types.Value
		if input, fits = p.input.record(q.Call.Arguments); fits {
			act, context["input"] = p.action, input
		} else {
			asked.unfit = p.action
		}
	}
	if q.Target.Kind == mcp.TargetTool || name == "get_prompt" {
		context["arguments"] = convertArguments(q.Call.Arguments, entities, fits)
	}
	asked.request = cedargo.Request{
		Principal: principal.UID, Action: act, Resource: about.UID, Context: types.NewRecord(context),
	}
	return asked, true, nil
}

// context returns the part of the context that all actions have, and adds the entities in it.
func (s *Snapshot) context(q authz.Query, entities types.EntityMap) (types.RecordMap, error) {
	context := types.RecordMap{
		"now":     types.NewDatetime(q.Now),
		"method":  types.String(q.Call.Method),
		"request": httpRequest(q),
	}
	if q.Call.SessionID != "" {
		context["session"] = types.NewRecord(types.RecordMap{"id": types.String(q.Call.SessionID)})
	}
	if q.Delegation != nil {
		delegated, err := s.delegation(q, entities)
		if err != nil {
			return nil, err
		}
		context["delegation"] = delegated
	}
	return context, nil
}

func httpRequest(q authz.Query) types.Record {
	facts := types.RecordMap{
		"id": types.String(q.HTTP.ID), "host": types.String(q.HTTP.Host), "http_path": types.String(q.HTTP.Path),
	}
	if q.Call.Version != "" {
		facts["protocol_version"] = types.String(q.Call.Version)
	}
	// Cedar has no zones, and takes an IPv4 address in an IPv6 one for another address.
	if address := q.HTTP.SourceIP.Unmap().WithZone(""); address.IsValid() {
		facts["source_ip"] = types.IPAddr(netip.PrefixFrom(address, address.BitLen()))
	}
	return types.NewRecord(facts)
}

// delegation describes the verified token.
func (s *Snapshot) delegation(q authz.Query, entities types.EntityMap) (types.Record, error) {
	claims := q.Delegation
	subject := s.registry.user(claims.Subject, q.RootIssuer)
	entities[subject.UID] = subject
	chain := []string{q.Peer.ID.String()} // a root without actors is presented by its subject itself
	if claims.Actor != nil {
		chain = claims.Actor.Chain()
	}
	actors := make([]types.Value, len(chain))
	for i, id := range chain {
		workload, err := spiffeid.FromString(id)
		if err != nil {
			return types.Record{}, fmt.Errorf("actor %d of the delegation: %w", i, err)
		}
		actor := s.registry.workload(workload)
		entities[actor.UID] = actor
		actors[i] = actor.UID
	}
	facts := types.RecordMap{
		"issuer":             types.String(q.RootIssuer),
		"subject":            subject.UID,
		"scopes":             stringSet(claims.Scope),
		"audience":           stringSet([]string{claims.Audience}),
		"issued_at":          types.NewDatetime(claims.IssuedAt),
		"expires_at":         types.NewDatetime(claims.Expiry),
		"depth":              types.Long(claims.Depth),
		"actors":             types.NewSet(actors...),
		"immediate_actor":    actors[0],
		"sender_constrained": types.Boolean(claims.CertificateHash != ""),
	}
	for name, value := range map[types.String]string{"task": claims.Task.Task, "purpose": claims.Task.Purpose} {
		if value != "" {
			facts[name] = types.String(value)
		}
	}
	return types.NewRecord(facts), nil
}

func stringSet[S ~[]string](list S) types.Set {
	values := make([]types.Value, len(list))
	for i, v := range list {
		values[i] = types.String(v)
	}
	return types.NewSet(values...)
}
