package cedar

import (
	"regexp"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// ofAction is how the validator says for which action something is wrong.
var ofAction = regexp.MustCompile(` (?:in context )?for Action::"(?:[^"\\]|\\.)*"`)

// mistakes returns what is wrong with a policy, in the words of the validator.
func (v *validators) mistakes(p *policy) []string {
	body := p.ast()
	return v.sentences(v.of(body), body)
}

// judge returns what says what is wrong with a policy or with parts of it.
func (v *validators) judge(whole *ast.Policy) func(*ast.Policy) []string {
	validator := v.of(whole)
	return func(body *ast.Policy) []string { return v.sentences(validator, body) }
}

// sentences returns what a validator says about a policy, and what the reference implementation says beyond it. It is
// the same for every action that the policy is about; which of them is meant is left out.
func (n *narrower) sentences(v *validate.Validator, body *ast.Policy) []string {
	all := n.unknownTypes(body)
	joined := conjunction(body)
	strict := rewritten(joined, compareAlike)
	said := validated(v, rewritten(strict, n.foldAction))
	if said != nil && strict != joined { // the simple sentences come first
		if plain := validated(v, rewritten(joined, n.foldAction)); plain != nil {
			said = plain
		}
	}
	return append(all, said...)
}

func validated(v *validate.Validator, body *ast.Policy) []string {
	err := v.Policy("", body)
	if err == nil {
		return nil
	}
	var all []string
	for _, e := range flatten(err) {
		all = append(all, ofAction.ReplaceAllString(e.Error(), " in context"))
	}
	return all
}

// unknownTypes reports types behind `is` in conditions, which cedar-go's validator does not look up.
func (n *narrower) unknownTypes(body *ast.Policy) []string {
	var all []string
	check := func(kind types.EntityType) {
		_, entity := n.schema.Entities[kind]
		_, enum := n.schema.Enums[kind]
		if !entity && !enum && kind != actionType {
			all = append(all, "unrecognized entity type `"+string(kind)+"`")
		}
	}
	for _, condition := range body.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), func(node ast.IsNode) bool {
			switch node := node.(type) {
			case ast.NodeTypeIs:
				check(node.EntityType)
			case ast.NodeTypeIsIn:
				check(node.EntityType)
			}
			return true
		})
	}
	return all
}

// conjunction returns the policy with its clauses joined into one, which is what they mean: as the reference
// implementation has it, what one clause has tested need not be tested in the next, and behind one that never holds
// nothing is looked at. cedar-go's validator takes every clause by itself.
func conjunction(body *ast.Policy) *ast.Policy {
	if len(body.Conditions) < 2 {
		return body
	}
	var all ast.IsNode
	for _, c := range body.Conditions {
		clause := c.Body
		if c.Condition == ast.ConditionUnless {
			clause = ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: clause}}
		}
		if all == nil {
			all = clause
			continue
		}
		all = ast.NodeTypeAnd{BinaryNode: ast.BinaryNode{Left: all, Right: clause}}
	}
	joined := *body
	joined.Conditions = []ast.ConditionType{{Condition: ast.ConditionWhen, Body: all}}
	return &joined
}

// flatten returns the errors that errors.Join put together.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // exactly the outermost is meant
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}
