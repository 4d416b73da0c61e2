package cedar

import (
	"cmp"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// maxNear bounds the policies whose conditions Nearly evaluates.
const maxNear = 1000

// Near is a policy whose scope does not cover a question.
type Near struct {
	// Candidate is what it would come to if its scope did.
	Candidate
	// Missing are the constraints that do not hold, in the order of the scope.
	Missing []Constraint
}

// Constraint is one part of a scope.
type Constraint struct {
	// Variable is principal, action or resource.
	Variable string
	// Text is the constraint as Cedar, such as `principal in WorkloadGroup::"agents"`.
	Text string
	// Entities are those that it names, as Cedar.
	Entities []string
}

// Nearly returns the policies of one effect whose scope fails to cover the question in one to most of its three
// constraints, the nearest first: the fewest constraints, then the fewest conditions that are not met, then load order.
// It returns up to limit of them, and how many there are. Of those that have equally few constraints missing, only the
// first 1,000 are compared.
func (t *Trace) Nearly(forbid bool, most, limit int) (near []Near, all int) {
	if t.asked == nil {
		return nil, 0
	}
	var byMissing [axes + 1][]int32
	for i := range t.snapshot.policies {
		if (t.snapshot.policies[i].body.Effect() == cedargo.Forbid) != forbid {
			continue
		}
		if missing := t.missing(i); 0 < len(missing) && len(missing) <= most {
			all++
			byMissing[len(missing)] = append(byMissing[len(missing)], int32(i)) //nolint:gosec // fewer than bytes of policy files
		}
	}
	for _, positions := range byMissing {
		if len(near) >= limit {
			break
		}
		start := len(near)
		for _, position := range positions[:min(len(positions), maxNear)] {
			near = append(near, Near{t.candidate(position), t.constraints(int(position))})
		}
		slices.SortStableFunc(near[start:], func(a, b Near) int { return cmp.Compare(a.unmet(), b.unmet()) })
	}
	return near[:min(len(near), limit)], all
}

func (c *Candidate) unmet() int {
	n := 0
	for _, condition := range c.Conditions {
		if !condition.met() {
			n++
		}
	}
	return n
}

// missing returns the axes on which a policy's scope does not hold.
func (t *Trace) missing(position int) []axis {
	own := &t.snapshot.index.entries[position].scope
	var missing []axis
	for a := range axes {
		if !own[a].holds(t.at[a]) {
			missing = append(missing, a)
		}
	}
	return missing
}

func (t *Trace) constraints(position int) []Constraint {
	var all []Constraint
	for _, a := range t.missing(position) {
		all = append(all, describeConstraint(a, scopeNode((*ast.Policy)(t.snapshot.policies[position].body.AST()), a)))
	}
	return all
}

func scopeNode(body *ast.Policy, a axis) ast.IsScopeNode {
	switch a {
	case principalAxis:
		return body.Principal
	case actionAxis:
		return body.Action
	default:
		return body.Resource
	}
}

var axisNames = [axes]string{principalAxis: "principal", actionAxis: "action", resourceAxis: "resource"}

func describeConstraint(a axis, node ast.IsScopeNode) Constraint {
	c := Constraint{Variable: axisNames[a], Text: axisNames[a]}
	for _, id := range scopeEntities(node) {
		c.Entities = append(c.Entities, id.String())
	}
	switch s := node.(type) {
	case ast.ScopeTypeEq:
		c.Text += " == " + s.Entity.String()
	case ast.ScopeTypeIn:
		c.Text += " in " + s.Entity.String()
	case ast.ScopeTypeInSet:
		c.Text += " in [" + strings.Join(c.Entities, ", ") + "]"
	case ast.ScopeTypeIs:
		c.Text += " is " + string(s.Type)
	case ast.ScopeTypeIsIn:
		c.Text += " is " + string(s.Type) + " in " + s.Entity.String()
	}
	return c
}

// Policy returns what one policy comes to for the question, with the constraints of its scope that do not hold; false
// when there is none of that id.
func (t *Trace) Policy(id string) (Near, bool) {
	if t.asked == nil {
		return Near{}, false
	}
	position := slices.IndexFunc(t.snapshot.policies, func(p policy) bool { return string(p.id) == id })
	if position < 0 {
		return Near{}, false
	}
	n := Near{t.candidate(int32(position)), t.constraints(position)} //nolint:gosec // fewer than bytes of policy files
	if c := slices.IndexFunc(t.Candidates, func(c Candidate) bool { return c.ID == id }); c >= 0 {
		n.Candidate = t.Candidates[c]
	}
	return n, true
}
