package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
	"countersign.dev/cedar/explain"
)

// explain says why the two answers to the example of a group are what they are.
func (r *Replay) explain(ctx context.Context, g *Group) ([]string, error) {
	rec, err := read(g.line)
	if err != nil {
		return nil, err
	}
	if err := rec.prepare(g.line); err != nil {
		return nil, err
	}
	q := explain.Question{Query: r.decisive(ctx, rec.readings[0])}
	if p := rec.passing; p != nil && (g.Kind.ofScope() || g.Old.PassOnError != g.New.PassOnError) {
		q.Query = about(rec.readings[0][0], mcp.Target{})
		q.Delegate = r.decisiveItem(ctx, q.Query, p)
	}
	before, err := explain.Explain(ctx, r.before, q, explain.Options{})
	if err != nil {
		return nil, err
	}
	after, err := explain.Explain(ctx, r.after, q, explain.Options{})
	if err != nil {
		return nil, err
	}
	var found []string
	if q.Delegate != nil {
		found = []string{"for example passing on " + q.Delegate.Server + "/" + q.Delegate.Tool}
	}
	found = append(found, "old: "+before.Why, "new: "+after.Why)
	found = append(found, missed("new", after, missing(&g.Old, &g.New))...)
	return append(found, missed("old", before, missing(&g.New, &g.Old))...), nil
}

// missing are the policies that decide in one set only, as seen from the other one, and those that fail there alone.
func missing(here, there *Answer) []string {
	return sorted(slices.Concat(without(here.PolicyIDs, there.PolicyIDs), without(there.Errors, here.Errors)))
}

// decisive is the first question that the sets answer differently.
func (r *Replay) decisive(ctx context.Context, questions []authz.Query) authz.Query {
	for i := range questions {
		before, after := ask(ctx, r.before, questions[i:i+1], nil), ask(ctx, r.after, questions[i:i+1], nil)
		if !before.equal(&after) {
			return questions[i]
		}
	}
	return questions[0]
}

// decisiveItem is the first item of a scope of which the sets have a backend pass on another part, a tool if it is about one.
func (r *Replay) decisiveItem(ctx context.Context, q authz.Query, p *passing) *explain.Delegate {
	for _, item := range p.scope {
		server, tool, _ := strings.Cut(strings.TrimPrefix(item, "mcp:"), ":")
		tools := []string{tool}
		if tool == "*" {
			tools = slices.Concat(r.before.Tools(server), r.after.Tools(server), tools)
		}
		for _, tool := range tools {
			one := delegation.Scope{"mcp:" + server + ":" + tool}
			before, failed := p.ask(ctx, r.before, q, one)
			after, fails := p.ask(ctx, r.after, q, one)
			if !slices.Equal(before, after) || (failed == nil) != (fails == nil) {
				return &explain.Delegate{Backend: p.backend, Server: server, Tool: tool}
			}
		}
	}
	return nil
}

// missed says why policies do not apply in a set.
func missed(set string, e *explain.Explanation, ids []string) []string {
	const few = 3
	var found []string
	for _, id := range ids[:min(len(ids), few)] {
		i := slices.IndexFunc(e.Candidates, func(p explain.Policy) bool { return p.ID == id })
		switch {
		case i < 0:
			found = append(found, fmt.Sprintf("%s: %s is not there, or does not cover the request", set, id))
		case e.Candidates[i].Outcome != cedar.Applies:
			found = append(found, fmt.Sprintf("%s: %s does not apply: %s", set, id, obstacle(&e.Candidates[i])))
		}
	}
	return found
}

// obstacle is the clause that keeps a policy from applying, with the parts of it that do, and what these saw.
func obstacle(p *explain.Policy) string {
	for _, c := range p.Conditions {
		if c.Outcome == explain.Met {
			continue
		}
		against := explain.False
		if c.Kind == "unless" {
			against = explain.True
		}
		var parts []string
		for _, leaf := range c.Leaves {
			if leaf.Value != against && leaf.Value != explain.Error {
				continue
			}
			part := leaf.Text + " is " + leaf.Value
			for _, saw := range leaf.Saw {
				part += ", " + saw.Expression + " is " + saw.Value
			}
			parts = append(parts, part)
		}
		if c.Error != "" {
			parts = append(parts, c.Error)
		}
		return c.Kind + " is " + c.Outcome + ": " + strings.Join(parts, "; ")
	}
	return p.Error
}
