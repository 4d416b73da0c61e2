package cedar

import (
	"maps"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// ToolChange is what became of one tool of a server since it was pinned.
type ToolChange struct {
	Server, Tool   string
	Added, Removed bool
	// Members are those that are no longer what they were, as [Member.Path].
	Members []string
	// Hints are those with another value: read_only, destructive, idempotent, open_world.
	Hints []string
}

// Touched is a policy that a change concerns.
type Touched struct {
	Policy string `json:"policy"`
	Forbid bool   `json:"forbid"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Tool is the id of the tool, "<server>/<tool>".
	Tool string `json:"tool"`
	// Why says what the policy has to do with the change.
	Why []string `json:"why"`
}

// Touched returns the policies that changes of tools concern, in load order: those whose scope covers the tool, for any
// principal, and that name it or read what changed. A new tool concerns all whose scope covers it.
func (s *Snapshot) Touched(changes []ToolChange) []Touched {
	var all []Touched
	for _, p := range s.policies {
		body := (*ast.Policy)(p.body.AST())
		reads := findToolReads(body)
		for _, c := range changes {
			why := s.concerns(body, reads, c)
			if len(why) == 0 {
				continue
			}
			at := p.body.Position()
			all = append(all, Touched{
				Policy: string(p.id), Forbid: p.body.Effect() == cedargo.Forbid,
				File: at.Filename, Line: at.Line, Column: at.Column, Tool: toolID(c.Server, c.Tool), Why: why,
			})
		}
	}
	return all
}

// concerns says what a policy has to do with a change.
func (s *Snapshot) concerns(body *ast.Policy, reads toolReads, c ToolChange) []string {
	tool, action := uid(toolType, toolID(c.Server, c.Tool)), actionUID(callTool+":"+toolID(c.Server, c.Tool))
	var why []string
	named := slices.Concat(scopeEntities(body.Action), scopeEntities(body.Resource), conditionEntities(body))
	if slices.Contains(named, tool) || slices.Contains(named, action) {
		why = append(why, "names the tool")
	}
	if !s.covers(body, tool, action, c.Server) {
		return why
	}
	if c.Added {
		why = append(why, "its scope covers the new tool")
	}
	if (c.Added || c.Removed) && reads.known {
		why = append(why, "asks whether the tool is known")
	}
	for _, member := range c.Members {
		if reads.member(member) {
			why = append(why, "reads "+member)
		}
	}
	if len(c.Members) > 0 && reads.complete {
		why = append(why, "asks whether the arguments are complete")
	}
	for _, hint := range c.Hints {
		if reads.hints[hint] {
			why = append(why, "reads the hint "+hint)
		}
	}
	return why
}

// covers reports whether the scope of a policy covers a tool for some principal. It asks Cedar, with a policy that has
// this scope only.
func (s *Snapshot) covers(body *ast.Policy, tool, action types.EntityUID, server string) bool {
	scope := cedargo.NewPolicyFromAST((*cedarast.Policy)(&ast.Policy{
		Effect: ast.EffectPermit, Principal: ast.ScopeTypeAll{}, Action: body.Action, Resource: body.Resource,
	}))
	entities := maps.Clone(s.registry.static)
	if _, pinned := entities[tool]; !pinned {
		entities[tool] = s.registry.newTool(tool, server, strings.TrimPrefix(string(tool.ID), server+"/"), nil)
		entities[action] = types.Entity{UID: action, Parents: types.NewEntityUIDSet(actionUID(callTool))}
	}
	for _, a := range []types.EntityUID{action, actionUID(callTool), actionUID("delegate")} {
		request := cedargo.Request{Principal: uid(workloadType, ""), Action: a, Resource: tool}
		if decision, _ := cedargo.Authorize(policies{{id: "scope", body: scope}}, entities, request); decision == cedargo.Allow {
			return true
		}
	}
	return false
}

// toolReads is what the conditions of a policy read about a tool and its arguments.
type toolReads struct {
	all             bool     // every argument
	members         []string // paths of arguments
	hints           map[string]bool
	known, complete bool
}

// member reports whether a member is read, or what it is part of, or a part of it.
func (r toolReads) member(path string) bool {
	within := func(a, b string) bool { return a == b || strings.HasPrefix(a, b+"/") }
	return r.all || slices.ContainsFunc(r.members, func(read string) bool { return within(read, path) || within(path, read) })
}

func findToolReads(body *ast.Policy) toolReads {
	r := toolReads{hints: map[string]bool{}}
	for _, condition := range body.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), r.visit)
	}
	return r
}

// visit looks at one expression, and reports whether to look at its parts.
func (r *toolReads) visit(n ast.IsNode) bool {
	switch n := n.(type) {
	case ast.NodeTypeVariable:
		r.all = r.all || n.Name == "context"
	case ast.NodeTypeAccess:
		return r.attribute(n, n.StrOpNode)
	case ast.NodeTypeHas:
		return r.attribute(n, n.StrOpNode)
	case ast.NodeTypeHasTag:
		return r.keyed(n.Left, n.Right)
	case ast.NodeTypeGetTag:
		return r.keyed(n.Left, n.Right)
	case ast.NodeTypeContains:
		return r.keyed(n.Left, n.Right)
	}
	return true
}

// keyed looks at an argument that is named by a text: context.arguments.str.getTag("x"), context.arguments.keys.contains("x").
func (r *toolReads) keyed(of, key ast.IsNode) bool {
	path := contextPath(of)
	if len(path) != 2 || path[0] != "arguments" {
		return true
	}
	v, _ := key.(ast.NodeValue)
	name, literal := v.Value.(types.String)
	if literal {
		r.members = append(r.members, "/"+pointerEscape.Replace(string(name)))
		return false
	}
	r.all = true
	return true
}

func (r *toolReads) attribute(n ast.IsNode, last ast.StrOpNode) bool {
	path := contextPath(n)
	switch {
	case path == nil:
		r.entity(last)
		return true
	case path[0] == "input":
		member := ""
		for _, name := range path[1:] {
			member += "/" + pointerEscape.Replace(string(name))
		}
		r.members = append(r.members, member)
		r.all = r.all || member == ""
	case len(path) == 2 && path[0] == "arguments" && path[1] == "complete":
		r.complete = true
	case path[0] == "arguments":
		r.all = true
	}
	return false
}

// entity looks at an attribute of a tool: hints, one of them, or known.
func (r *toolReads) entity(last ast.StrOpNode) {
	switch parent, _ := last.Arg.(ast.NodeTypeAccess); {
	case parent.Value == "hints":
		r.hints[string(last.Value)] = true
	case last.Value == "known":
		r.known = true
	}
}
