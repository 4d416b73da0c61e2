package cedar

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// narrower makes, for every policy, a schema that is small and yet says the same about it as the whole one.
//
// Validating means to type the conditions once for every action that the scope admits, and cedar-go prepares all actions
// anew for every policy: with a thousand pinned tools that takes ten milliseconds a policy. But what an action means to a
// policy is only where it stands among the actions, what it applies to, and the type of its context. Actions that have
// these in common are of one kind, and one of them stands for all, except for those that the policy names. The typed
// actions of tools differ in context.input alone, so that a policy which does not look at it cannot tell them apart; one
// that looks at single members of it can tell apart those where a type of these differs.
type narrower struct {
	schema *resolved.Schema
	kept   []types.EntityUID                     // always there: they hold the hierarchy together
	kinds  [][]types.EntityUID                   // the others by kind, each sorted
	above  map[types.EntityUID][]types.EntityUID // everything that an action is in
	inputs map[types.EntityUID]map[string]string // the types of the members of context.input, written out
	whole  map[types.EntityUID]string            // the type of context.input

	attributes func() []string // the names of all attributes, for advice
}

func newNarrower(schema *resolved.Schema) *narrower {
	n := &narrower{
		schema: schema,
		above:  make(map[types.EntityUID][]types.EntityUID, len(schema.Actions)),
		inputs: make(map[types.EntityUID]map[string]string, len(schema.Actions)),
		whole:  make(map[types.EntityUID]string, len(schema.Actions)),
	}
	n.attributes = sync.OnceValue(n.members)
	keep := make(map[types.EntityUID]bool)
	for id, action := range schema.Actions {
		n.above[id] = n.climb(id)
		for parent := range action.Entity.Parents.All() {
			keep[parent] = true
		}
		if action.AppliesTo == nil {
			keep[id] = true
		}
	}
	kinds := make(map[string][]types.EntityUID)
	for id, action := range schema.Actions {
		if keep[id] {
			continue
		}
		kind := kindOf(action)
		kinds[kind] = append(kinds[kind], id)
		if input, ok := action.AppliesTo.Context["input"]; ok {
			n.whole[id] = typeText(input.Type)
			n.inputs[id] = memberTexts(input)
		}
	}
	n.kept = slices.SortedFunc(maps.Keys(keep), compareUID)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		slices.SortFunc(kinds[kind], compareUID)
		n.kinds = append(n.kinds, kinds[kind])
	}
	return n
}

// climb returns everything that an action is in. A resolved schema has no cycles.
func (n *narrower) climb(id types.EntityUID) []types.EntityUID {
	var above []types.EntityUID
	for parent := range n.schema.Actions[id].Entity.Parents.All() {
		above = append(above, parent)
		above = append(above, n.climb(parent)...)
	}
	slices.SortFunc(above, compareUID)
	return slices.Compact(above)
}

// kindOf writes out what actions of one kind have in common.
func kindOf(action resolved.Action) string {
	var text strings.Builder
	for _, parent := range slices.SortedFunc(action.Entity.Parents.All(), compareUID) {
		text.WriteString(parent.String())
	}
	for _, list := range [][]types.EntityType{action.AppliesTo.Principals, action.AppliesTo.Resources} {
		text.WriteString("\n")
		for _, kind := range slices.Sorted(slices.Values(list)) {
			text.WriteString(string(kind) + ",")
		}
	}
	input, typed := action.AppliesTo.Context["input"]
	text.WriteString("\n" + strconv.FormatBool(typed) + strconv.FormatBool(input.Optional))
	writeRecord(&text, action.AppliesTo.Context, "input")
	return text.String()
}

func memberTexts(input resolved.Attribute) map[string]string {
	record, ok := input.Type.(resolved.RecordType)
	if !ok {
		return nil
	}
	texts := make(map[string]string, len(record))
	for name, member := range record {
		texts[string(name)] = strconv.FormatBool(member.Optional) + typeText(member.Type)
	}
	return texts
}

// typeText writes out a type: equal types have equal texts.
func typeText(t resolved.IsType) string {
	var text strings.Builder
	writeType(&text, t)
	return text.String()
}

func writeType(text *strings.Builder, t resolved.IsType) {
	switch t := t.(type) {
	case resolved.StringType:
		text.WriteString("String")
	case resolved.LongType:
		text.WriteString("Long")
	case resolved.BoolType:
		text.WriteString("Bool")
	case resolved.ExtensionType:
		text.WriteString("extension " + string(t))
	case resolved.EntityType:
		text.WriteString("entity " + string(t))
	case resolved.SetType:
		text.WriteString("Set<")
		writeType(text, t.Element)
		text.WriteString(">")
	case resolved.RecordType:
		writeRecord(text, t, "")
	}
}

func writeRecord(text *strings.Builder, record resolved.RecordType, without types.String) {
	text.WriteString("{")
	for _, name := range slices.Sorted(maps.Keys(record)) {
		if name == without {
			continue
		}
		text.WriteString(strconv.Quote(string(name)))
		if record[name].Optional {
			text.WriteString("?")
		}
		text.WriteString(":")
		writeType(text, record[name].Type)
		text.WriteString(",")
	}
	text.WriteString("}")
}

// view is what of the actions a policy can tell apart.
type view struct {
	named   []types.EntityUID // sorted
	members []string          // of context.input, sorted
	whole   bool              // context.input as a whole
}

func (n *narrower) viewOf(body *ast.Policy) view {
	var v view
	named := slices.Concat(scopeEntities(body.Action), scopeEntities(body.Principal), scopeEntities(body.Resource),
		conditionEntities(body))
	for _, id := range named {
		if _, known := n.schema.Actions[id]; known {
			v.named = append(v.named, id)
		}
	}
	slices.SortFunc(v.named, compareUID)
	v.named = slices.Compact(v.named)
	for _, condition := range body.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), v.visit)
	}
	slices.Sort(v.members)
	v.members = slices.Compact(v.members)
	return v
}

// visit notes what one expression shows of context.input, and reports whether to look at its parts.
func (v *view) visit(n ast.IsNode) bool {
	if variable, ok := n.(ast.NodeTypeVariable); ok {
		v.whole = v.whole || variable.Name == "context" // and nothing of it
		return true
	}
	path := contextPath(n)
	switch {
	case path == nil:
		return true
	case path[0] != "input":
	case len(path) == 1:
		_, has := n.(ast.NodeTypeHas)
		v.whole = v.whole || !has
	default:
		v.members = append(v.members, string(path[1]))
	}
	return false
}

// admits reports whether a scope lets an action through.
func (n *narrower) admits(scope ast.IsActionScopeNode, id types.EntityUID) bool {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == id
	case ast.ScopeTypeIn:
		return n.in(id, s.Entity)
	case ast.ScopeTypeInSet: // of an empty one the validator types the conditions for all actions
		return len(s.Entities) == 0 || slices.ContainsFunc(s.Entities, func(e types.EntityUID) bool { return n.in(id, e) })
	}
	return true
}

func (n *narrower) in(id, target types.EntityUID) bool {
	return id == target || slices.Contains(n.above[id], target)
}

// maxValidators bounds what one worker remembers.
const maxValidators = 1024

// validators validates policies, one at a time. It is for one goroutine.
type validators struct {
	*narrower
	made   map[string]*validate.Validator
	groups map[string][][]types.EntityUID
}

func newValidators(n *narrower) *validators {
	return &validators{n, make(map[string]*validate.Validator), make(map[string][][]types.EntityUID)}
}

// of returns a validator that says about the policy what that of the whole schema would.
func (v *validators) of(body *ast.Policy) *validate.Validator {
	seen := v.viewOf(body)
	ids := slices.Concat(v.kept, seen.named)
	for _, group := range v.split(&seen) {
		i := slices.IndexFunc(group, func(id types.EntityUID) bool {
			_, named := slices.BinarySearchFunc(seen.named, id, compareUID)
			return !named
		})
		if i >= 0 && v.admits(body.Action, group[i]) {
			ids = append(ids, group[i])
		}
	}
	slices.SortFunc(ids, compareUID)
	ids = slices.Compact(ids)
	var name strings.Builder
	for _, id := range ids {
		name.WriteString(string(id.Type) + "\x00" + string(id.ID) + "\x00")
		if v.admits(body.Action, id) {
			name.WriteString("!")
		}
	}
	made, ok := v.made[name.String()]
	if !ok {
		if len(v.made) == maxValidators {
			clear(v.made)
		}
		made = v.make(body.Action, ids)
		v.made[name.String()] = made
	}
	return made
}

// make returns a validator that knows only some actions, and contexts only of those that the scope admits.
func (v *validators) make(scope ast.IsActionScopeNode, ids []types.EntityUID) *validate.Validator {
	narrow := *v.schema
	narrow.Actions = make(map[types.EntityUID]resolved.Action, len(ids))
	for _, id := range ids {
		action := v.schema.Actions[id]
		if !v.admits(scope, id) {
			action.AppliesTo = nil
		}
		narrow.Actions[id] = action
	}
	return validate.New(&narrow, validate.WithStrict())
}

// split returns the actions in groups that the policy cannot tell apart.
func (v *validators) split(seen *view) [][]types.EntityUID {
	if !seen.whole && len(seen.members) == 0 {
		return v.kinds
	}
	name := strconv.FormatBool(seen.whole)
	if !seen.whole {
		name = strings.Join(seen.members, "\x00") + "\x00"
	}
	groups, ok := v.groups[name]
	if !ok {
		if len(v.groups) == maxValidators {
			clear(v.groups)
		}
		for _, kind := range v.kinds {
			groups = append(groups, v.divide(kind, seen)...)
		}
		v.groups[name] = groups
	}
	return groups
}

// divide splits a kind by the types that the policy looks at.
func (v *validators) divide(kind []types.EntityUID, seen *view) [][]types.EntityUID {
	parts := make(map[string][]types.EntityUID)
	for _, id := range kind {
		part := v.whole[id]
		if members := v.inputs[id]; !seen.whole && members != nil {
			part = ""
			for _, member := range seen.members {
				part += members[member] + "\x00" // empty for none
			}
		}
		parts[part] = append(parts[part], id)
	}
	groups := slices.Collect(maps.Values(parts))
	slices.SortFunc(groups, func(a, b []types.EntityUID) int { return compareUID(a[0], b[0]) })
	return groups
}
