package cedar

import (
	"context"
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
)

// MayDelegate implements [authz.Policy]. It asks Action::"delegate" with the backend as principal for every item of
// scope. An item "mcp:<server>:*" is kept when the answer is yes for every pinned tool and for one that is not pinned;
// else the pinned tools with a yes take its place. A policy that fails to evaluate is an error.
func (s *Snapshot) MayDelegate(
	ctx context.Context, q authz.Query, backend spiffeid.ID, scope delegation.Scope,
) (delegation.Scope, error) {
	d := delegator{Snapshot: s, ctx: ctx, query: &q, backend: backend, answers: make(map[types.EntityUID]bool)}
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
	ctx     context.Context // of the one call that the delegator lives for
	query   *authz.Query
	backend spiffeid.ID
	answers map[types.EntityUID]bool // so far, by tool
	err     error
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
	q := d.question(d.query, d.backend, "delegate")
	d.aimAtTool(q, server, tool)
	if allowed, known := d.answers[q.resource]; known {
		return allowed
	}
	if d.query.Delegation != nil {
		if d.err = q.entities.delegate(d.query); d.err != nil {
			return false
		}
	}
	v := d.decide(q)
	if len(v.Errors) > 0 {
		d.err = fmt.Errorf("policies %q could not be evaluated for delegating %s", v.Errors, q.resource.ID)
	}
	d.answers[q.resource] = v.Allowed
	return v.Allowed
}
