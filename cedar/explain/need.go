package explain

import (
	"slices"

	"countersign.dev/cedar"
	"countersign.dev/cedar/syntax"
)

// need is one thing that would have to be otherwise.
type need struct {
	constraint *cedar.Constraint // of a scope that must hold; else nil
	clause     *clause           // of the leaf
	leaf       *Leaf
	expr       syntax.Expr
	want       bool // what the leaf must come to
}

// weight says how large a change is: a caller that is somebody else, or a request for something else, is more than
// another delegation or argument.
func (n *need) weight() int {
	switch {
	case n.constraint == nil && n.leaf.Value == Error:
		return 2
	case n.constraint == nil && !n.want && n.leaf.Text == "context has delegation":
		return 4 // who calls for nobody has more to answer for
	case n.constraint == nil:
		return 1
	case n.constraint.Variable == "action":
		return 4
	default:
		return 3
	}
}

func weight(needs []need) int {
	sum := 0
	for i := range needs {
		sum += needs[i].weight()
	}
	return sum
}

// isAction reports whether it is that the action must be a certain one.
func (n *need) isAction(action string) bool {
	return n.constraint != nil && n.constraint.Variable == "action" && slices.Contains(n.constraint.Entities, action)
}

// String says what must be so.
func (n *need) String() string {
	switch {
	case n.constraint != nil:
		return n.constraint.Text
	case n.want:
		return n.leaf.Text
	default:
		return "not " + n.leaf.Text
	}
}

// needs returns the least that must change so that n comes to want. What Cedar did not look at is evaluated for it.
func (c *clause) needs(n *node, want bool) []need {
	switch n.how {
	case single:
		if n.leaf.Value == Unlooked {
			n.decision = c.evaluateLeaf(n)
			saw := *n.leaf
			n.leaf.Value, n.leaf.Error, n.leaf.Saw = Unlooked, "", nil // as the condition is shown
			return c.need(n, &saw, want)
		}
		return c.need(n, n.leaf, want)
	case negated:
		return c.needs(n.parts[0], !want)
	}
	if want == (n.how == all) { // every part must
		var sum []need
		for _, part := range n.parts {
			sum = append(sum, c.needs(part, want)...)
		}
		return sum
	}
	var least []need
	for i, part := range n.parts {
		if found := c.needs(part, want); i == 0 || weight(found) < weight(least) {
			least = found
		}
	}
	return least
}

func (c *clause) need(n *node, leaf *Leaf, want bool) []need {
	if want && leaf.Value == True || !want && leaf.Value == False {
		return nil
	}
	return []need{{clause: c, leaf: leaf, expr: n.expr, want: want}}
}

// toApply returns the least that must change so that the conditions of a policy hold.
func toApply(clauses []*clause) []need {
	var sum []need
	for _, c := range clauses {
		sum = append(sum, c.needs(c.root, !c.unless)...)
	}
	return unique(sum)
}

// toRest returns the least that must change so that one of the conditions does not hold; false when it has none.
func toRest(clauses []*clause) ([]need, bool) {
	var least []need
	for i, c := range clauses {
		if found := c.needs(c.root, c.unless); i == 0 || weight(found) < weight(least) {
			least = found
		}
	}
	return unique(least), len(clauses) > 0
}

func unique(needs []need) []need {
	var kept []need
	for _, n := range needs {
		if !slices.ContainsFunc(kept, func(k need) bool { return k.String() == n.String() }) {
			kept = append(kept, n)
		}
	}
	return kept
}
