package cedar

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
)

// untranslatable stands for all policies in Verdict.Errors: the request could not be put into Cedar's terms.
const untranslatable = "*"

// Authorize implements [authz.Policy]. A policy that fails to evaluate denies, whatever the others say: Cedar itself
// would skip it, and a forbid would fail open. A request that the schema has no action for is denied without a reason.
func (s *Snapshot) Authorize(_ context.Context, q authz.Query) authz.Verdict {
	asked, ok, err := s.ask(q)
	switch {
	case err != nil:
		return authz.Verdict{Errors: []string{untranslatable}}
	case !ok:
		return authz.Verdict{}
	}
	return s.decide(asked)
}

func (s *Snapshot) decide(q question) authz.Verdict {
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

// MayDelegate implements [authz.Policy]. It asks Action::"delegate" with the backend as principal for every item of
// scope. An item "mcp:<server>:*" is kept when the answer is yes for every pinned tool and for one that is not pinned;
// else the pinned tools with a yes take its place. A policy that fails to evaluate is an error.
func (s *Snapshot) MayDelegate(
	ctx context.Context, q authz.Query, backend spiffeid.ID, scope delegation.Scope,
) (delegation.Scope, error) {
	entities := types.EntityMap{}
	facts, err := s.context(q, entities)
	if err != nil {
		return nil, err
	}
	principal := s.registry.workload(backend)
	entities[principal.UID] = principal
	d := delegator{
		Snapshot: s, ctx: ctx, backend: principal.UID, context: types.NewRecord(facts), entities: entities,
		answers: make(map[types.EntityUID]bool),
	}
	var kept delegation.Scope
	named := make(map[string]bool)
	for _, item := range scope {
		rest, isMCP := strings.CutPrefix(item, "mcp:")
		server, tool, ok := strings.Cut(rest, ":")
		if !isMCP || !ok || server == "" || tool == "" {
			return nil, fmt.Errorf("scope item %q is not mcp:<server>:<tool>", item)
		}
		tools := []string{tool}
		if tool == "*" {
			tools = d.expand(server)
		} else if !d.may(server, tool) {
			tools = nil
		}
		if d.err != nil {
			return nil, d.err
		}
		for _, tool := range tools {
			if item := "mcp:" + server + ":" + tool; !named[item] {
				named[item] = true
				kept = append(kept, item)
			}
		}
	}
	return kept, nil
}

// delegator asks about one backend.
type delegator struct {
	*Snapshot
	ctx      context.Context // of the one call that the delegator lives for
	backend  types.EntityUID
	context  types.Record
	entities types.EntityMap
	answers  map[types.EntityUID]bool // so far, by tool
	err      error
}

// expand returns what "*" shrinks to.
func (d *delegator) expand(server string) []string {
	all := d.may(server, "*")
	var kept []string
	for _, tool := range d.Tools(server) {
		if d.may(server, tool) {
			kept = append(kept, tool)
		} else {
			all = false
		}
	}
	if all {
		return []string{"*"}
	}
	return kept
}

func (d *delegator) may(server, tool string) bool {
	if d.err == nil {
		d.err = d.ctx.Err()
	}
	if d.err != nil {
		return false
	}
	on, about := d.registry.server(server), d.registry.tool(server, tool)
	if allowed, known := d.answers[about.UID]; known {
		return allowed
	}
	d.entities[on.UID], d.entities[about.UID] = on, about
	v := d.decide(question{
		request: cedargo.Request{
			Principal: d.backend, Action: actionUID("delegate"), Resource: about.UID, Context: d.context,
		},
		entities: layered{d.entities, d.registry.static},
	})
	if len(v.Errors) > 0 {
		d.err = fmt.Errorf("policies %q could not be evaluated for delegating %s", v.Errors, about.UID.ID)
	}
	d.answers[about.UID] = v.Allowed
	return v.Allowed
}
