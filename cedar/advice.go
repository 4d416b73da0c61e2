package cedar

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// advise says what to do about a sentence; at is the expression that is meant, nil when it is in the scope or unknown.
func (x *explainer) advise(body *ast.Policy, sentence string, at *part) string {
	if optionalAccess.MatchString(sentence) {
		return x.adviseOptional(sentence, at)
	}
	if tagAccess.MatchString(sentence) {
		return x.adviseTag(at)
	}
	if m := unknownAction.FindStringSubmatch(sentence); m != nil {
		return x.adviseAction(m[2])
	}
	if m := unknownType.FindStringSubmatch(sentence); m != nil {
		return diagnostic.DidYouMean(m[1], keys(x.schema.Entities))
	}
	if m := unknownMember.FindStringSubmatch(sentence); m != nil {
		return x.adviseMember(m[1][strings.LastIndexByte(m[1], '.')+1:], at)
	}
	if noAction.MatchString(sentence) {
		return x.adviseScope(body)
	}
	if emptySet.MatchString(sentence) {
		return "nothing is in an empty set: leave the comparison out"
	}
	return ""
}

func (x *explainer) adviseOptional(sentence string, at *part) string {
	if at != nil {
		if access, ok := at.expr.(*syntax.Access); ok {
			return fmt.Sprintf("test it first, `%s has %s && …`", x.oneLine(access.Arg), attributeName(access.Name))
		}
	}
	m := optionalAccess.FindStringSubmatch(sentence)
	return fmt.Sprintf("test it first, `… has %s && …`", m[1][strings.LastIndexByte(m[1], '.')+1:])
}

func (x *explainer) adviseTag(at *part) string {
	if at != nil {
		if call, ok := at.expr.(*syntax.Call); ok && call.Receiver != nil && len(call.Args) == 1 {
			of, key := x.oneLine(call.Receiver), x.oneLine(call.Args[0])
			return fmt.Sprintf("test it first with hasTag, `%s.hasTag(%s) && %[1]s.getTag(%[2]s) …`", of, key)
		}
	}
	return "test it first with hasTag, `x.hasTag(\"k\") && x.getTag(\"k\") …`"
}

func attributeName(a syntax.Attribute) string {
	if a.Quoted {
		return strconv.Quote(a.Name)
	}
	return a.Name
}

// oneLine is the text of an expression for a message.
func (x *explainer) oneLine(e syntax.Expr) string {
	const most = 60
	text := strings.Join(strings.Fields(x.text(e)), " ")
	if len(text) > most || strings.Contains(text, "//") {
		return "…"
	}
	return text
}

func (x *explainer) adviseAction(id string) string {
	if server, _, ok := strings.Cut(strings.TrimPrefix(id, callTool+":"), "/"); ok && strings.HasPrefix(id, callTool+":") && len(x.pins[server]) == 0 {
		if near := diagnostic.DidYouMean(server, x.pinned()); near != "" {
			return near
		}
		return fmt.Sprintf("the tools of server %q are not pinned", server)
	}
	return diagnostic.DidYouMean(id, x.actionNames())
}

func (n *narrower) actionNames() []string {
	names := make([]string, 0, len(n.schema.Actions))
	for known := range n.schema.Actions {
		names = append(names, string(known.ID))
	}
	return names
}

// pinned returns the servers that have pinned tools.
func (x *explainer) pinned() []string {
	var servers []string
	for server, tools := range x.pins {
		if len(tools) > 0 {
			servers = append(servers, server)
		}
	}
	return servers
}

func (x *explainer) adviseMember(member string, at *part) string {
	known := slices.Clone(x.attributes())
	if slices.Contains(known, member) {
		return "not everything that the policy is about has it, narrow its action or resource"
	}
	if at != nil {
		if access, ok := at.expr.(*syntax.Access); ok { // only what is really there
			known = slices.DeleteFunc(diagnostic.Near(member, known), func(name string) bool {
				return !x.has(access.Arg, at.hole, name)
			})
		}
	}
	return diagnostic.DidYouMean(member, known)
}

// has reports whether an expression has an attribute.
func (x *explainer) has(e syntax.Expr, h hole, name string) bool {
	access := boolean("(" + x.text(e) + ")[" + strconv.Quote(name) + "]")
	without := x.says(h.with(boolean("(" + x.text(e) + ")")))
	for sentence, count := range x.says(h.with(access)) {
		if unknownMember.MatchString(sentence) && count > without[sentence] {
			return false
		}
	}
	return true
}

// adviseScope explains why no request has the scope of a policy.
func (x *explainer) adviseScope(body *ast.Policy) string {
	resources, principals := make(map[types.EntityType]bool), make(map[types.EntityType]bool)
	for id, action := range x.schema.Actions {
		if x.admits(body.Action, id) && action.AppliesTo != nil {
			for _, kind := range action.AppliesTo.Resources {
				resources[kind] = true
			}
			for _, kind := range action.AppliesTo.Principals {
				principals[kind] = true
			}
		}
	}
	if len(resources) == 0 {
		return "no request has this action, it stands for others: write `action in …`"
	}
	return fmt.Sprintf("the principal of such a request is a %s, and its resource a %s",
		strings.Join(slices.Sorted(slices.Values(keys(principals))), " or "),
		strings.Join(slices.Sorted(slices.Values(keys(resources))), " or "))
}

// members returns the names of all attributes.
func (n *narrower) members() []string {
	names := make(map[string]bool)
	var collect func(t resolved.IsType)
	collect = func(t resolved.IsType) {
		if record, ok := t.(resolved.RecordType); ok {
			for name, attribute := range record {
				names[string(name)] = true
				collect(attribute.Type)
			}
		}
	}
	for _, entity := range n.schema.Entities {
		collect(entity.Shape)
	}
	for _, action := range n.schema.Actions {
		if action.AppliesTo != nil {
			collect(action.AppliesTo.Context)
		}
	}
	return slices.Collect(maps.Keys(names))
}
