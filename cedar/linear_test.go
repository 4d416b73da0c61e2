package cedar

import (
	"fmt"
	"maps"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// linear decides the plain way, as the measure for the indexed and lazy one: it translates everything about a request,
// and has Cedar evaluate every policy, scopes and all.
type linear struct {
	*Snapshot
	doubts linearDoubts
}

func newLinear(s *Snapshot) linear { return linear{s, findLinearDoubts(s.policies)} }

// linearQuestion is an [authz.Query] in Cedar's terms.
type linearQuestion struct {
	request   cedargo.Request
	entities  types.EntityMap // all there are, the static ones included
	own       types.EntityMap // those of the request
	unfit     types.EntityUID
	ambiguous bool
}

func (s linear) Authorize(q authz.Query) authz.Verdict {
	asked, ok, err := s.ask(q)
	switch {
	case err != nil:
		return authz.Verdict{Errors: []string{untranslatable}}
	case !ok:
		return authz.Verdict{}
	}
	return s.decide(asked)
}

func (s linear) decide(q linearQuestion) authz.Verdict {
	decision, diagnostic := cedargo.Authorize(s.policies, q.entities, q.request)
	var v authz.Verdict
	for _, reason := range diagnostic.Reasons {
		v.PolicyIDs = append(v.PolicyIDs, string(reason.PolicyID))
	}
	for _, e := range diagnostic.Errors {
		v.Errors = append(v.Errors, string(e.PolicyID))
	}
	for _, id := range s.doubts.about(q) {
		v.Errors = append(v.Errors, string(id))
	}
	slices.Sort(v.PolicyIDs)
	slices.Sort(v.Errors)
	v.Errors = slices.Compact(v.Errors)
	v.Allowed = decision == cedargo.Allow && len(v.Errors) == 0
	v.SingleUse = v.Allowed && slices.ContainsFunc(v.PolicyIDs, func(id string) bool { return s.once[id] })
	v.Forbidden = decision == cedargo.Deny && len(v.PolicyIDs) > 0
	if v.Forbidden {
		for _, id := range v.PolicyIDs {
			if v.Public = s.public[id]; v.Public != "" {
				break
			}
		}
	}
	return v
}

// ask translates a query. It returns false when the schema has no action for it.
func (s linear) ask(q authz.Query) (linearQuestion, bool, error) {
	name, ok := action(q.Call, q.Target.Kind)
	if !ok {
		return linearQuestion{}, false, nil
	}
	entities := types.EntityMap{}
	context, err := s.context(q, entities)
	if err != nil {
		return linearQuestion{}, false, err
	}
	asked := linearQuestion{own: entities}
	principal := s.workload(q.Peer.ID)
	server := s.server(q.Server)
	entities[principal.UID], entities[server.UID] = principal, server
	about := server
	switch q.Target.Kind {
	case mcp.TargetTool:
		about = s.tool(q.Server, q.Target.Name)
	case mcp.TargetPrompt:
		about = offered(uid(promptType, toolID(q.Server, q.Target.Name)), q.Server, q.Target.Name)
	case mcp.TargetTask:
		about = offered(uid(taskType, toolID(q.Server, q.Target.Name)), q.Server, q.Target.Name)
	case mcp.TargetResource:
		var exact bool
		about, exact = resource(q.Server, q.Target.Name)
		asked.ambiguous = !exact
	}
	entities[about.UID] = about
	act := actionUID(name)
	meets := true
	if p := s.pins[q.Server][q.Target.Name]; name == callTool && p != nil {
		typed := linearInput{types.EntityMap{}, maxText}
		var input types.Value
		var fits bool
		input, fits = typed.record(p.input, q.Call.Arguments)
		if fits, meets = linearMeets(p, q.Call.Arguments, fits); fits {
			act, context["input"] = p.action, input
			maps.Copy(entities, typed.entities)
		} else {
			asked.unfit = p.action
		}
	}
	if q.Target.Kind == mcp.TargetTool || name == "get_prompt" {
		context["arguments"] = linearArguments(q.Call.Arguments, entities, meets)
	}
	asked.request = cedargo.Request{
		Principal: principal.UID, Action: act, Resource: about.UID, Context: types.NewRecord(context),
	}
	asked.entities = maps.Clone(s.registry.static)
	maps.Copy(asked.entities, entities)
	return asked, true, nil
}

type linearDoubts struct {
	byAction map[types.EntityUID]policies
	byURI    policies
}

func findLinearDoubts(all policies) linearDoubts {
	d := linearDoubts{byAction: make(map[types.EntityUID]policies)}
	for _, p := range all {
		body := (*ast.Policy)(p.body.AST())
		named := conditionEntities(body)
		if p.body.Effect() == cedargo.Forbid {
			named = slices.Concat(named, scopeEntities(body.Action), scopeEntities(body.Resource))
		}
		slices.SortFunc(named, compareUID)
		uriDone := false
		for _, id := range slices.Compact(named) {
			switch {
			case id.Type == actionType:
				d.byAction[id] = append(d.byAction[id], p.scopeOnly(ast.ScopeTypeAll{}, body.Resource))
			case id.Type == uriPathType && !uriDone:
				uriDone = true
				resource := body.Resource
				if slices.ContainsFunc(scopeEntities(resource), func(id types.EntityUID) bool { return id.Type == uriPathType }) {
					resource = ast.ScopeTypeAll{}
				}
				d.byURI = append(d.byURI, p.scopeOnly(body.Action, resource))
			}
		}
	}
	return d
}

// scopeOnly returns a policy that applies whenever p might.
func (p policy) scopeOnly(action ast.IsActionScopeNode, resource ast.IsResourceScopeNode) policy {
	body := (*ast.Policy)(p.body.AST())
	return policy{id: p.id, body: cedargo.NewPolicyFromAST((*cedarast.Policy)(&ast.Policy{
		Effect: ast.EffectPermit, Principal: body.Principal, Action: action, Resource: resource, Position: body.Position,
	}))}
}

// about returns the policies that cannot be judged for q.
func (d linearDoubts) about(q linearQuestion) []cedargo.PolicyID {
	var ids []cedargo.PolicyID
	for _, candidates := range []struct {
		doubtful bool
		policies policies
	}{
		{q.unfit != (types.EntityUID{}), d.byAction[q.unfit]},
		{q.ambiguous, d.byURI},
	} {
		if !candidates.doubtful || len(candidates.policies) == 0 {
			continue
		}
		_, diagnostic := cedargo.Authorize(candidates.policies, q.entities, q.request)
		for _, r := range diagnostic.Reasons {
			ids = append(ids, r.PolicyID)
		}
	}
	return ids
}

// sameFacts compares what is told about a request when everything is wanted.
func sameFacts(s *Snapshot, q authz.Query, plain linearQuestion) string {
	asked, ok, err := s.ask(&q)
	if err != nil || !ok {
		return fmt.Sprintf("no question: %v", err)
	}
	asked.entities.reveal(wanted{facts: everything})
	request := asked.request()
	if request.Principal != plain.request.Principal || request.Action != plain.request.Action ||
		request.Resource != plain.request.Resource || !request.Context.Equal(plain.request.Context) {
		return fmt.Sprintf("request %+v\nwant    %+v", request, plain.request)
	}
	for id, want := range plain.entities {
		if got, ok := asked.entities.Get(id); !ok || !got.Equal(want) {
			return fmt.Sprintf("entity %v, want %v", got, want)
		}
	}
	for _, id := range []types.EntityUID{
		uid(workloadType, "spiffe://acme.example/other"), uid(userType, "nobody"), uid(toolType, "crm/other"),
		uid(strArgsType, "other"), uid(strArgsType, string(argumentsID)), uid(serverType, "other"), uid(resourceType, "other:x"),
	} {
		_, want := plain.entities[id]
		if _, got := asked.entities.Get(id); got != want {
			return fmt.Sprintf("entity %s is there: %v", id, got)
		}
	}
	return ""
}

// skipPermits is what the verdict becomes when permits that fail do not count.
func skipPermits(s *Snapshot, v authz.Verdict) authz.Verdict {
	isPermit := func(id string) bool {
		return slices.ContainsFunc(s.policies, func(p policy) bool {
			return string(p.id) == id && p.body.Effect() == cedargo.Permit
		})
	}
	var failed []string
	for _, id := range v.Errors {
		if isPermit(id) {
			v.Skipped = append(v.Skipped, id)
		} else {
			failed = append(failed, id)
		}
	}
	v.Errors = failed
	v.PolicyIDs = slices.DeleteFunc(slices.Clone(v.PolicyIDs), func(id string) bool { return slices.Contains(v.Skipped, id) })
	v.Allowed = !v.Forbidden && len(v.PolicyIDs) > 0 && len(v.Errors) == 0
	v.SingleUse = v.Allowed && slices.ContainsFunc(v.PolicyIDs, func(id string) bool { return s.once[id] })
	return v
}

// mayDelegate asks about one tool.
func (s linear) mayDelegate(q authz.Query, backend spiffeid.ID, server, tool string) (authz.Verdict, error) {
	own := types.EntityMap{}
	facts, err := s.context(q, own)
	if err != nil {
		return authz.Verdict{}, err
	}
	principal, on, about := s.workload(backend), s.server(server), s.tool(server, tool)
	own[principal.UID], own[on.UID], own[about.UID] = principal, on, about
	asked := linearQuestion{request: cedargo.Request{
		Principal: principal.UID, Action: actionUID("delegate"), Resource: about.UID, Context: types.NewRecord(facts),
	}, entities: maps.Clone(s.registry.static)}
	maps.Copy(asked.entities, own)
	return s.decide(asked), nil
}
