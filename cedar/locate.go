package cedar

import (
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/syntax"
)

// locator finds the expressions that a sentence of the validator is about, which has no places. It validates the policy
// again with parts of its conditions alone: an expression is meant when the sentence comes with it, but not with any of
// its parts. What is tested before an expression is left in place, because it decides what is allowed there.
type locator struct {
	tree   *syntax.File
	policy *syntax.Policy
	judge  func(*ast.Policy) []string // what the validator says about a policy
	scope  string                     // effect and scope as text
	said   map[string]map[string]int  // how often each sentence, by condition
	budget *int                       // bytes of policy text that may still be validated for this
}

func newLocator(tree *syntax.File, policy *syntax.Policy, judge func(*ast.Policy) []string, budget *int) *locator {
	l := &locator{tree: tree, policy: policy, judge: judge, said: make(map[string]map[string]int), budget: budget}
	parts := make([]string, len(policy.Scope))
	for i, c := range policy.Scope {
		parts[i] = tree.Text(c.Span)
	}
	l.scope = policy.Effect.Text + "(" + strings.Join(parts, ",") + ")"
	return l
}

// hole is the surroundings of an expression in a condition. What is put into it has type Bool.
type hole struct{ before, behind string }

func (h hole) with(text string) string { return h.before + text + h.behind }

// nested returns a hole within h.
func (h hole) nested(before, behind string) hole { return hole{h.before + before, behind + h.behind} }

// boolean makes an expression of type Bool of any other, with no mistake of its own.
func boolean(text string) string { return "[" + text + "].isEmpty()" }

// part is an expression where it stands.
type part struct {
	expr syntax.Expr
	hole hole
}

// about returns the expressions in the conditions that a sentence is about.
func (l *locator) about(sentence string) []part {
	var found []part
	clauses := l.clauses()
	for _, c := range clauses {
		if l.adds(c.hole, boolean(l.text(c.expr)), sentence) {
			found = l.descend(found, c, sentence)
		}
	}
	if found != nil {
		return found
	}
	for _, c := range clauses {
		if l.adds(c.hole, "!("+l.text(c.expr)+")", sentence) { // the clause itself is no Bool
			found = append(found, c)
		}
	}
	return found
}

func (l *locator) text(e syntax.Expr) string { return l.tree.Text(e.Span()) }

// clauses returns the bodies of the conditions. They are one conjunction.
func (l *locator) clauses() []part {
	parts := make([]part, len(l.policy.Conditions))
	var h hole
	for i, c := range l.policy.Conditions {
		parts[i] = part{c.Body, h}
		not := ""
		if c.Kind.Text == "unless" {
			not = "!"
		}
		h = h.nested(not+"("+l.text(c.Body)+") && ", "")
	}
	return parts
}

// descend appends the smallest parts of p that come with the sentence.
func (l *locator) descend(found []part, p part, sentence string) []part {
	before := len(found)
	for _, child := range l.parts(p) {
		if l.adds(child.hole, boolean(l.text(child.expr)), sentence) {
			found = l.descend(found, child, sentence)
		}
	}
	if len(found) > before {
		return found
	}
	return append(found, l.operands(p, sentence)...)
}

// parts returns the expressions within an expression, in the holes where they stand.
func (l *locator) parts(p part) []part {
	switch e := p.expr.(type) {
	case *syntax.Binary:
		if op := e.Operator.Text; op == "&&" || op == "||" {
			return []part{{e.Left, p.hole}, {e.Right, p.hole.nested("(("+l.text(e.Left)+") "+op+" ", ")")}}
		}
	case *syntax.If:
		test := "(if (" + l.text(e.Test) + ") then "
		return []part{
			{e.Test, p.hole},
			{e.Then, p.hole.nested(test, " else true)")},
			{e.Else, p.hole.nested(test+"true else ", ")")},
		}
	}
	children := p.expr.Children()
	parts := make([]part, len(children))
	for i, child := range children {
		parts[i] = part{child, p.hole}
	}
	return parts
}

// operands narrows "expected X but saw Y" to the operands that are of type Y.
func (l *locator) operands(p part, sentence string) []part {
	_, saw, ok := strings.Cut(sentence, " but saw ")
	if !ok || !strings.HasPrefix(sentence, "unexpected type: ") {
		return []part{p}
	}
	var found []part
	for _, child := range l.parts(p) {
		if l.adds(child.hole, "!("+l.text(child.expr)+")", "unexpected type: expected Bool but saw "+saw) {
			found = append(found, child)
		}
	}
	if found == nil {
		return []part{p}
	}
	return found
}

// adds reports whether a sentence comes with the text in the hole.
func (l *locator) adds(h hole, text, sentence string) bool {
	return l.says(h.with(text))[sentence] > l.says(h.with("true"))[sentence]
}

// says returns how often the validator says each sentence about the scope of the policy with one condition; nothing
// once the budget is used up.
func (l *locator) says(condition string) map[string]int {
	if known, ok := l.said[condition]; ok {
		return known
	}
	text := l.scope + "when{" + condition + "};"
	if *l.budget -= len(text); *l.budget < 0 {
		return nil
	}
	counts := make(map[string]int)
	var p cedargo.Policy
	if err := p.UnmarshalCedar([]byte(text)); err == nil {
		for _, sentence := range l.judge((*ast.Policy)(p.AST())) {
			counts[sentence]++
		}
	}
	l.said[condition] = counts
	return counts
}
