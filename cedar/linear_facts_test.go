package cedar

import (
	"fmt"
	"net/netip"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// context returns the part of the context that all actions have, and adds the entities in it.
func (s linear) context(q authz.Query, entities types.EntityMap) (types.RecordMap, error) {
	context := types.RecordMap{
		"now":     types.NewDatetime(q.Now),
		"method":  types.String(q.Call.Method),
		"request": linearHTTPRequest(q),
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

func linearHTTPRequest(q authz.Query) types.Record {
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
func (s linear) delegation(q authz.Query, entities types.EntityMap) (types.Record, error) {
	claims := q.Delegation
	subject := s.user(q)
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
		actor := s.workload(workload)
		entities[actor.UID] = actor
		actors[i] = actor.UID
	}
	facts := types.RecordMap{
		"issuer":             types.String(q.RootIssuer),
		"subject":            subject.UID,
		"scopes":             linearSet(claims.Scope),
		"audience":           linearSet([]string{claims.Audience}),
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

func linearSet[S ~[]string](list S) types.Set {
	values := make([]types.Value, len(list))
	for i, v := range list {
		values[i] = types.String(v)
	}
	return types.NewSet(values...)
}

func (s linear) workload(id spiffeid.ID) types.Entity {
	e := s.registry.workload(id)
	e.Attributes = workloadAttributes(id, everything)
	return e
}

func (s linear) user(q authz.Query) types.Entity {
	e := s.registry.user(q.SubjectPrefix + q.Delegation.Subject)
	e.Attributes = userAttributes(q.Delegation.Subject, q.RootIssuer, everything)
	return e
}

func (s linear) server(name string) types.Entity {
	id := uid(serverType, name)
	if known, ok := s.registry.static[id]; ok {
		return known
	}
	return s.registry.newServer(id)
}

func (s linear) tool(server, name string) types.Entity {
	id := uid(toolType, toolID(server, name))
	if known, ok := s.registry.static[id]; ok {
		return known
	}
	return s.registry.newTool(id, server, name, nil)
}

// linearArgumentReader converts top-level arguments without knowing their types. Everything that does not get a place makes
// the view incomplete, so that a policy which insists on context.arguments.complete cannot be got around with a value
// that it does not see.
type linearArgumentReader struct {
	str, num, boolean, list types.RecordMap
	keys                    []types.Value
	text                    int // bytes so far
	incomplete              bool
}

// linearArguments adds the argument entities and returns context.arguments.
func linearArguments(arguments mcp.Object, entities types.EntityMap, fits bool) types.Record {
	r := linearArgumentReader{
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
		linearArgs(strArgsType): r.str, linearArgs(numArgsType): r.num, linearArgs(boolArgsType): r.boolean, linearArgs(listArgsType): r.list,
	} {
		entities[id] = types.Entity{UID: id, Tags: types.NewRecord(tags)}
	}
	return types.NewRecord(types.RecordMap{
		"str": linearArgs(strArgsType), "num": linearArgs(numArgsType), "bool": linearArgs(boolArgsType), "list": linearArgs(listArgsType),
		"keys":     types.NewSet(r.keys...),
		"complete": types.Boolean(!r.incomplete),
	})
}

// read reports whether the value got a place.
func (r *linearArgumentReader) read(name types.String, v mcp.Value) bool {
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

func (r *linearArgumentReader) readList(name types.String, list mcp.Array) bool {
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
func (r *linearArgumentReader) afford(text string) bool {
	if r.text+len(text) > maxText {
		return false
	}
	r.text += len(text)
	return true
}

func linearArgs(kind types.EntityType) types.EntityUID { return types.NewEntityUID(kind, argumentsID) }

// linearMeets reports whether arguments with the right types fit, and whether they meet the schema of their tool. Where
// another implementation of JSON Schema is known to be right, it is what that one says.
func linearMeets(p *pin, sent mcp.Object, typed bool) (fits, meets bool) {
	if !typed {
		return false, false
	}
	found := p.input.judged(p.input.asks, sent, nil)
	if valid, known := oracle(p.InputSchema, sent); known && found != outside && found != untold {
		return valid, valid
	}
	return found <= outside, found == met
}

// linearInput converts the arguments, or returns false when they do not fit.
type linearInput struct {
	entities types.EntityMap
	left     int // bytes of text
}

func (l *linearInput) afford(n int) bool {
	l.left -= n
	return l.left >= 0
}

// convert returns the Cedar value, or false when v does not fit.
func (l *linearInput) convert(s *shape, v mcp.Value) (types.Value, bool) {
	var converted types.Value
	switch s.kind {
	case shapeString:
		text, ok := v.(mcp.String)
		if !ok || !l.afford(len(text)) {
			return nil, false
		}
		converted = types.String(text)
	case shapeLong:
		whole, ok := long(v)
		if !ok {
			return nil, false
		}
		converted = whole
	case shapeBool:
		b, ok := v.(mcp.Bool)
		if !ok {
			return nil, false
		}
		converted = types.Boolean(b)
	case shapeDecimal:
		return decimal(v)
	case shapeSet:
		return l.list(s, v)
	case shapeChoice:
		for _, choice := range s.choices {
			attempt := linearInput{l.entities, l.left}
			if value, ok := attempt.convert(choice, v); ok {
				*l = attempt
				return types.NewRecord(types.RecordMap{choiceNames[choice.kind]: value}), true
			}
		}
		return nil, false
	case shapeMap:
		return l.mapping(s, v)
	default:
		object, ok := v.(mcp.Object)
		if !ok {
			return nil, false
		}
		return l.record(s, object)
	}
	if s.constants == nil {
		return converted, true
	}
	for c := range s.constants {
		if allowed, _ := new(linearInput).convertConstant(c); allowed.Equal(converted) {
			return converted, true
		}
	}
	return nil, false
}

func (*linearInput) convertConstant(c mcp.Value) (types.Value, bool) {
	switch c := c.(type) {
	case mcp.String:
		return types.String(c), true
	case mcp.Bool:
		return types.Boolean(c), true
	}
	return long(c)
}

func (l *linearInput) list(s *shape, v mcp.Value) (types.Value, bool) {
	list, ok := v.(mcp.Array)
	if !ok || len(list) > maxElements {
		return nil, false
	}
	elements := make([]types.Value, len(list))
	for i, e := range list {
		if elements[i], ok = l.convert(s.element, e); !ok {
			return nil, false
		}
		if _, record := elements[i].(types.Record); record && !l.afford(memberCost*members(e)) {
			return nil, false
		}
	}
	return types.NewSet(elements...), true
}

func (l *linearInput) mapping(s *shape, v mcp.Value) (types.Value, bool) {
	object, ok := v.(mcp.Object)
	if !ok || object.Len() > maxElements {
		return nil, false
	}
	found := types.RecordMap{}
	for name, member := range object.All() {
		value, ok := l.convert(s.element, member)
		list, _ := member.(mcp.Array)
		if !ok || !l.afford(len(name)+memberCost*len(list)) {
			return nil, false
		}
		found[types.String(name)] = value
	}
	id := types.NewEntityUID(mapTypes[s.element.kind], s.id)
	l.entities[id] = types.Entity{UID: id, Tags: types.NewRecord(found)}
	return id, true
}

// record converts the members that the shape knows. An absent object is an empty one.
func (l *linearInput) record(s *shape, object mcp.Object) (types.Value, bool) {
	record := make(types.RecordMap, len(s.fields))
	for name, v := range object.All() {
		f, known := s.fields[name]
		if !known {
			if _, leftOut := s.left[name]; s.closed && !leftOut {
				return nil, false
			}
			continue
		}
		if _, null := v.(mcp.Null); null && f.shape.nullable {
			continue
		}
		value, ok := l.convert(f.shape, v)
		if !ok {
			return nil, false
		}
		record[types.String(name)] = value
	}
	for name, f := range s.fields {
		if _, present := record[types.String(name)]; f.required && !present {
			return nil, false
		}
	}
	return types.NewRecord(record), true
}
