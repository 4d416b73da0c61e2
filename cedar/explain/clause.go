package explain

import (
	"strings"

	"countersign.dev/cedar"
	"countersign.dev/cedar/syntax"
)

// The values of a [Leaf].
const (
	True      = "true"
	False     = "false"
	Error     = "error"
	Unlooked  = "not looked at" // what stands before it decides
	maxShown  = 160             // bytes of a value that are shown
	maxLeaves = 1000            // of one policy; a policy file may have a million
)

// Leaf is a part of a condition that && and || and ! do not take apart.
type Leaf struct {
	// Text is the part, as Cedar.
	Text string `json:"text"`
	// Value is what it came to: "true", "false", "error" or "not looked at".
	Value string `json:"value"`
	// Error says why it has no value.
	Error string `json:"error,omitempty"`
	// Saw are the values that it was made from.
	Saw []Seen `json:"saw,omitempty"`
}

// Seen is an expression and its value.
type Seen struct {
	Expression string `json:"expression"`
	Value      string `json:"value"`
}

// connective is how the parts of a node are put together.
type connective int

const (
	single connective = iota // a leaf
	all
	some
	negated
)

// node is a condition taken apart.
type node struct {
	how      connective
	parts    []*node
	expr     syntax.Expr // of a leaf
	leaf     *Leaf
	decision string // what it came to, in the words of Leaf.Value
}

// clause is one condition of one policy.
type clause struct {
	file   *syntax.File
	trace  *cedar.Trace
	unless bool
	root   *node
	leaves []*Leaf
}

// takeApart splits the conditions of a policy and evaluates what Cedar would evaluate of each. It returns nil when the
// text cannot be split.
func takeApart(trace *cedar.Trace, text string) []*clause {
	file, _ := syntax.Parse("", []byte(text))
	if len(file.Policies) != 1 {
		return nil
	}
	var clauses []*clause
	left := maxLeaves
	for _, condition := range file.Policies[0].Conditions {
		c := &clause{file: file, trace: trace, unless: condition.Kind.Text == "unless"}
		c.root = c.split(condition.Body, &left)
		c.evaluate(c.root, true)
		clauses = append(clauses, c)
	}
	return clauses
}

func (c *clause) split(e syntax.Expr, left *int) *node {
	switch e := e.(type) {
	case *syntax.Paren:
		return c.split(e.Inner, left)
	case *syntax.Unary:
		if len(e.Operators) == 1 && e.Operators[0].Text == "!" {
			return &node{how: negated, parts: []*node{c.split(e.Arg, left)}}
		}
	case *syntax.Binary:
		how := map[string]connective{"&&": all, "||": some}[e.Operator.Text]
		if how == single || *left <= 1 {
			break
		}
		n := &node{how: how}
		for _, part := range []*node{c.split(e.Left, left), c.split(e.Right, left)} {
			if part.how == how {
				n.parts = append(n.parts, part.parts...)
			} else {
				n.parts = append(n.parts, part)
			}
		}
		return n
	}
	*left--
	n := &node{expr: e, leaf: &Leaf{Text: c.text(e), Value: Unlooked}}
	c.leaves = append(c.leaves, n.leaf)
	return n
}

// text is an expression in one line.
func (c *clause) text(e syntax.Expr) string {
	return strings.Join(strings.Fields(c.file.Text(e.Span())), " ")
}

// evaluate goes through a condition as Cedar does, from left to right and no further than it must. What is not looked
// at keeps that value.
func (c *clause) evaluate(n *node, look bool) string {
	n.decision = Unlooked
	if !look {
		for _, part := range n.parts {
			c.evaluate(part, false)
		}
		return n.decision
	}
	switch n.how {
	case single:
		n.decision = c.evaluateLeaf(n)
	case negated:
		switch n.decision = c.evaluate(n.parts[0], true); n.decision {
		case True:
			n.decision = False
		case False:
			n.decision = True
		}
	default:
		goesOn := True
		if n.how == some {
			goesOn = False
		}
		n.decision = goesOn
		for _, part := range n.parts {
			if got := c.evaluate(part, n.decision == goesOn); n.decision == goesOn {
				n.decision = got
			}
		}
	}
	return n.decision
}

func (c *clause) evaluateLeaf(n *node) string {
	value, err := c.trace.Evaluate(c.file.Text(n.expr.Span()))
	switch {
	case err != nil:
		n.leaf.Value, n.leaf.Error = Error, err.Error()
	case !value.Boolean:
		n.leaf.Value, n.leaf.Error = Error, "not a Boolean: "+shorten(value.Text)
	case value.True:
		n.leaf.Value = True
	default:
		n.leaf.Value = False
	}
	for _, part := range operands(n.expr) {
		if value, err := c.trace.Evaluate(c.file.Text(part.Span())); err == nil {
			n.leaf.Saw = append(n.leaf.Saw, Seen{c.text(part), shorten(value.Text)})
		}
	}
	return n.leaf.Value
}

// operands are the parts of a leaf that are worth showing: what it compares, as far as it depends on the request.
func operands(e syntax.Expr) []syntax.Expr {
	var parts []syntax.Expr
	switch e := e.(type) {
	case *syntax.Call:
		if name := e.Function.String(); name == "hasTag" || name == "getTag" {
			parts = e.Args
		} else {
			parts = e.Children()
		}
	case *syntax.Binary, *syntax.Like, *syntax.Is:
		parts = e.Children()
	case *syntax.If:
		parts = []syntax.Expr{e.Test}
	}
	var shown []syntax.Expr
	for _, part := range parts {
		if dependsOnRequest(part) {
			shown = append(shown, part)
		}
	}
	return shown
}

func dependsOnRequest(e syntax.Expr) bool {
	depends := false
	syntax.Walk(e, func(e syntax.Expr) bool {
		if _, ok := e.(*syntax.Variable); ok {
			depends = true
		}
		return !depends
	})
	return depends
}

func shorten(text string) string { return cut(text, maxShown) }

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
