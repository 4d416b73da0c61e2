package cedar

import (
	"fmt"
	"iter"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// partial evaluates policies for all requests that a [PartialQuery] leaves open. It is for one goroutine.
type partial struct {
	snapshot                     *Snapshot
	principal, resource, subject term
	at                           [axes]place // of what is known; that of an unknown principal or resource is not used
	pin                          *pin        // nil for a tool without one
	unfit                        bool        // the arguments do not fit it
	delegated, alone             bool        // there is a delegation; there is none. Neither when both are possible.
	own                          types.EntityMap
	uncertain                    bool // an entity was looked up that only some requests have
}

func (s *Snapshot) newPartial(q PartialQuery) (*partial, error) {
	p := &partial{snapshot: s, own: types.EntityMap{}, delegated: q.User != "", alone: q.NoUser}
	if q.User != "" && q.NoUser {
		return nil, fmt.Errorf("either a user or no user")
	}
	if q.Server == "" || q.Tool == "" {
		return nil, fmt.Errorf("name a server and a tool")
	}
	if err := p.call(q.Principal); err != nil {
		return nil, fmt.Errorf("principal %s: %w", q.Principal, err)
	}
	if err := p.onBehalf(q.User); err != nil {
		return nil, fmt.Errorf("user %s: %w", q.User, err)
	}
	p.use(q.Server, q.Tool)
	return p, nil
}

// readEntity reads an entity as Cedar writes it.
func readEntity(text string) (types.EntityUID, error) {
	body, err := parseExpression(text)
	if err != nil {
		return types.EntityUID{}, err
	}
	if v, ok := body.(ast.NodeValue); ok {
		if id, ok := v.Value.(types.EntityUID); ok {
			return id, nil
		}
	}
	return types.EntityUID{}, fmt.Errorf(`not an entity such as User::"alice"`)
}

func (p *partial) call(text string) error {
	if text == OtherWorkload {
		p.principal = somebody(func(types.EntityUID) tri { return never })
		return nil
	}
	id, err := readEntity(text)
	if err != nil {
		return err
	}
	if want := wrongID(id); want != "" {
		return fmt.Errorf("can never be: %s", want)
	}
	who, err := p.workloads(id)
	if err != nil {
		return err
	}
	p.principal = who
	if known, ok := who.value.(types.EntityUID); ok {
		p.at[principalAxis] = p.snapshot.numbers.place(principalAxis, p, known)
	}
	return nil
}

// workloads returns the workload of that name, or all of them.
func (p *partial) workloads(id types.EntityUID) (term, error) {
	r := p.snapshot.registry
	switch id.Type {
	case workloadType:
		workload, err := spiffeid.FromString(string(id.ID))
		if err != nil {
			return term{}, err
		}
		e := r.workload(workload)
		e.Attributes = workloadAttributes(workload, everything)
		p.own[id] = e
		return known(id), nil
	case spiffePathType, trustDomainType:
		return somebody(func(x types.EntityUID) tri { return r.below(id, x) }), nil
	case workloadGroupType:
		var members []types.EntityUID
		for member := range r.declared {
			if (member.Type == workloadType || member.Type == spiffePathType) && r.declaredIn(member, id.String()) {
				members = append(members, member)
			}
		}
		return somebody(func(x types.EntityUID) tri { return r.group(id, members, x) }), nil
	default:
		return term{}, fmt.Errorf("want a Workload, SpiffePath, TrustDomain or WorkloadGroup")
	}
}

// somebody is a principal of which it is only known what it is in.
func somebody(in func(types.EntityUID) tri) term {
	return term{node: ast.NodeTypeVariable{Name: "principal"}, who: &unknown{kind: workloadType, in: in}, may: yes | no}
}

func (p *partial) onBehalf(text string) error {
	r := p.snapshot.registry
	node := contextNode("delegation", "subject")
	who := &unknown{kind: userType, in: r.someUser}
	p.subject = term{node: node, who: who, may: yes | no}
	if text == "" {
		return nil
	}
	id, err := readEntity(text)
	if err != nil {
		return err
	}
	switch id.Type {
	case userType:
		// Of its attributes, subject and issuer depend on who vouches for it.
		p.own[id] = r.user(string(id.ID))
		p.subject = known(id)
	case userGroupType:
		var members []types.EntityUID
		for member := range r.declared {
			if member.Type == userType && r.declaredIn(member, id.String()) {
				members = append(members, member)
			}
		}
		who.in = func(x types.EntityUID) tri { return r.group(id, members, x) }
	default:
		return fmt.Errorf("want a User or UserGroup")
	}
	return nil
}

// use makes a tool the resource.
func (p *partial) use(server, tool string) {
	s := p.snapshot
	on := uid(serverType, server)
	if _, configured := s.registry.static[on]; !configured {
		p.own[on] = s.registry.newServer(on)
	}
	id := uid(toolType, toolID(server, tool))
	if p.pin = s.pins[server][tool]; p.pin == nil {
		e := s.registry.newTool(id, server, tool, nil)
		if tool == "*" {
			p.resource = term{
				node: ast.NodeTypeVariable{Name: "resource"}, may: yes | no,
				who: &unknown{kind: toolType, attributes: e.Attributes, in: func(x types.EntityUID) tri {
					return s.unpinned(p, on, x)
				}},
			}
			return
		}
		p.own[id] = e
	}
	p.resource = known(id)
	p.at[resourceAxis] = s.numbers.place(resourceAxis, p, id)
}

// action is the one that such a request is asked about as.
func (p *partial) action() types.EntityUID {
	if p.pin != nil && !p.unfit {
		return p.pin.action
	}
	return actionUID(callTool)
}

// Get implements types.EntityGetter: the entities that all these requests have. It notes when only some have one.
func (p *partial) Get(id types.EntityUID) (types.Entity, bool) {
	if e, ok := p.own[id]; ok {
		return e, true
	}
	switch id.Type {
	case workloadType: // an actor, or the principal
		p.uncertain = p.uncertain || !p.alone || p.principal.value == nil
		return types.Entity{}, false
	case userType:
		p.uncertain = p.uncertain || !p.alone && p.subject.value == nil
		return types.Entity{}, false
	case strArgsType, numArgsType, boolArgsType, listArgsType:
		p.uncertain = true
		return types.Entity{}, false
	case toolType:
		if p.resource.value == nil {
			p.uncertain = true
		}
	}
	e, ok := p.snapshot.registry.static[id]
	return e, ok
}

// outcome is what one policy comes to for all requests.
type outcome struct {
	position int
	applies  term
	doubt    term // whether it cannot be judged, because the arguments do not fit
}

// outcomes yields what each policy that may cover a request comes to, in load order.
func (p *partial) outcomes() iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		p.at[actionAxis] = p.snapshot.numbers.place(actionAxis, p, p.action())
		doubtful := p.doubtful()
		for i := range p.snapshot.policies {
			o := outcome{i, p.policy(i), known(types.False)}
			if doubt, ok := doubtful[int32(i)]; ok { //nolint:gosec // fewer than bytes of policy files
				o.doubt = doubt
			}
			if (o.applies.may|o.doubt.may != no) && !yield(o) {
				return
			}
		}
	}
}

// policy evaluates one policy: its scope as far as it is open, then its conditions.
func (p *partial) policy(i int) term {
	body := (*ast.Policy)(p.snapshot.policies[i].body.AST())
	result, covers := p.scope(&p.snapshot.index.entries[i].scope, body)
	if !covers {
		return known(types.False)
	}
	for _, c := range body.Conditions {
		part := c.Body
		if c.Condition == ast.ConditionUnless {
			part = ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: part}}
		}
		result = p.and(result, func() term { return p.eval(part) })
	}
	return result
}

// scope returns what is open of a scope; false when it covers none of the requests.
func (p *partial) scope(own *scope, body *ast.Policy) (term, bool) {
	result := known(types.True)
	if !own[actionAxis].holds(p.at[actionAxis]) ||
		p.resource.value != nil && !own[resourceAxis].holds(p.at[resourceAxis]) ||
		p.principal.value != nil && !own[principalAxis].holds(p.at[principalAxis]) {
		return term{}, false
	}
	for _, t := range []term{p.principal, p.resource} {
		if t.value != nil {
			continue
		}
		var node ast.IsScopeNode = body.Principal
		if t.who.kind == toolType {
			node = body.Resource
		}
		result = p.and(result, func() term { return t.scope(node) })
	}
	return result, result.value != types.False
}

// doubtful returns the policies that cannot be judged because the arguments do not fit, with whom that is so for.
func (p *partial) doubtful() map[int32]term {
	if !p.unfit {
		return nil
	}
	found := make(map[int32]term)
	d := &p.snapshot.doubts
	number := d.numbers.entities[actionAxis][p.pin.action]
	at := p.at
	at[actionAxis] = place{self: number}
	for i := range d.byAction.entries {
		e := &d.byAction.entries[i]
		if number == 0 || !e.scope[actionAxis].holds(at[actionAxis]) {
			continue
		}
		open := e.scope
		body := *(*ast.Policy)(p.snapshot.policies[e.policy].body.AST())
		open[actionAxis] = constraint{}
		if result, covers := p.scope(&open, &body); covers {
			found[e.policy] = result
		}
	}
	return found
}
