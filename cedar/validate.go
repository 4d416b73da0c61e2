package cedar

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// Validate checks files as [Load] does and returns everything that is wrong with them, sorted by place; none when all is
// well. It is stricter than a load: text that not all implementations of Cedar read alike is reported (see
// [syntax.Parse]), and so are servers and tools that cfg.Tools does not have, unless it is empty. With paths, the policies
// are those in these files, and cfg.Policies is not read. The error says why nothing could be checked.
func Validate(ctx context.Context, cfg Config, paths ...string) ([]diagnostic.Diagnostic, error) {
	src, err := readFor(ctx, cfg, paths)
	if found := Diagnostics(err); found != nil {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	g, err := new(loader).check(src, cfg.Policies)
	if err != nil {
		return nil, err
	}
	found := slices.Clone(g.problems())
	for _, t := range g.texts {
		found = append(found, t.portability()...)
		if len(src.tools) > 0 && len(g.words.problems) == 0 {
			found = append(found, t.strangers(g.words.pins)...)
		}
	}
	return found.sorted(), nil
}

// readFor reads what is to be validated.
func readFor(ctx context.Context, cfg Config, paths []string) (*sources, error) {
	if len(paths) == 0 {
		return read(ctx, cfg)
	}
	s := &sources{tools: make(map[string]file, len(cfg.Tools))}
	if cfg.Source != nil {
		var err error
		if s, err = read(ctx, cfg); err != nil {
			return nil, err
		}
		s.policies = nil
	}
	r := reader{left: maxTotal}
	for _, path := range paths {
		if f, ok := r.readFile(path, path, maxPolicyFile); ok {
			s.policies = append(s.policies, f)
		}
	}
	if cfg.Entities != "" {
		if f, ok := r.readFile(cfg.Entities, cfg.Entities, maxTotal); ok {
			s.entities = &f
		}
	}
	for _, server := range slices.Sorted(maps.Keys(cfg.Tools)) {
		if path := cfg.Tools[server]; path != "" {
			s.tools[server], _ = r.readFile(path, path, maxTotal)
		} else if _, given := s.tools[server]; !given {
			s.tools[server] = file{}
		}
	}
	r.problems.of("unreadable")
	return s, r.problems.err()
}

// portability returns what some implementation of Cedar would refuse. Of a text that cedar-go refuses it is known already.
func (t *policyText) portability() problems {
	_, found := syntax.Parse(t.name, t.data)
	return found
}

// strangers returns the servers and tools that policies name and nobody knows. A load lets them pass, because one set of
// policies may serve several installations.
func (t *policyText) strangers(known pins) problems {
	var tree *syntax.File
	var bad problems
	for i := range t.policies {
		p := &t.policies[i]
		body := p.ast()
		ids := slices.Concat(scopeEntities(body.Principal), scopeEntities(body.Resource), conditionEntities(body))
		slices.SortFunc(ids, compareUID)
		for _, id := range slices.Compact(ids) {
			c := complaint{entity: id}
			if c.rule, c.message, c.help = stranger(id, known); c.rule == "" {
				continue
			}
			if tree == nil {
				tree = t.tree()
			}
			for _, span := range c.spans(statement(tree, p.body)) {
				bad = append(bad, t.diagnostic(p, c, span))
			}
		}
	}
	return bad
}

// stranger returns what is wrong with the server or tool that an id names; no rule when nothing is.
func stranger(id types.EntityUID, known pins) (rule, message, help string) {
	server, name := string(id.ID), ""
	switch id.Type {
	case serverType:
	case toolType, promptType, taskType:
		var whole bool
		if server, name, whole = strings.Cut(server, "/"); !whole {
			return "", "", "" // impossible
		}
	default:
		return "", "", ""
	}
	pinned, configured := known[server]
	switch {
	case !configured:
		return "unknown-server", fmt.Sprintf("no server %q is configured", server),
			diagnostic.DidYouMean(server, slices.Collect(maps.Keys(known)))
	case id.Type == toolType && pinned != nil && pinned[name] == nil:
		return "unknown-tool", fmt.Sprintf("server %q has no pinned tool %q", server, name),
			diagnostic.DidYouMean(name, slices.Collect(maps.Keys(pinned)))
	}
	return "", "", ""
}
