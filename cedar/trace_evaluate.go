package cedar

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

const hostileList = "a list in the arguments was made to be slow to compare"

// maxExpression bounds what Evaluate parses: no expression is longer than a policy file.
const maxExpression = maxPolicyFile

// Evaluate evaluates a Cedar expression, as if it stood in a policy that covers the question. An error says what is
// wrong with the text, or why it has no value.
func (t *Trace) Evaluate(expression string) (Value, error) {
	if t.asked == nil {
		return Value{}, fmt.Errorf("there is no question: %s", t.Problem)
	}
	body, err := parseExpression(expression)
	if err != nil {
		return Value{}, err
	}
	return t.evaluate(body)
}

// parseExpression reads one expression. Cedar's grammar has it only within a policy.
func parseExpression(expression string) (ast.IsNode, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("the expression has %d bytes, %d are the most", len(expression), maxExpression)
	}
	list, err := cedargo.NewPolicyListFromBytes("", []byte("permit(principal,action,resource)when{\n"+expression+"\n};"))
	if err != nil {
		line, column, message := parseError(err)
		return nil, fmt.Errorf("syntax error in the expression, line %d, column %d: %s", max(line-1, 1), column, message)
	}
	if len(list) == 1 {
		if body := (*ast.Policy)(list[0].AST()); len(body.Conditions) == 1 {
			return body.Conditions[0].Body, nil
		}
	}
	return nil, errors.New("the text is more than one expression")
}

// evaluate tells the expression what it reads, and evaluates it.
func (t *Trace) evaluate(body ast.IsNode) (Value, error) {
	names := make(argumentNames)
	read := names.findReads(&ast.Policy{Conditions: []ast.ConditionType{{Body: body}}})
	want := wanted{known: names}
	want.add(read)
	q := t.asked
	q.entities.reveal(want)
	q.entities.arguments.hostile = false
	request := q.request()
	value, err := eval.Eval(body, eval.Env{
		Entities: &q.entities, Principal: request.Principal, Action: request.Action, Resource: request.Resource,
		Context: request.Context,
	})
	switch {
	case q.entities.arguments.hostile:
		return Value{}, errors.New(hostileList)
	case err != nil:
		return Value{}, err
	}
	truth, boolean := value.(types.Boolean)
	return Value{Text: valueText(value), Boolean: boolean, True: bool(truth)}, nil
}

// valueText writes a value as Cedar. cedar-go orders sets by their hash.
func valueText(v types.Value) string {
	switch v := v.(type) {
	case types.Set:
		elements := make([]string, 0, v.Len())
		for element := range v.All() {
			elements = append(elements, valueText(element))
		}
		slices.Sort(elements)
		return "[" + strings.Join(elements, ", ") + "]"
	case types.Record:
		members := make([]string, 0, v.Len())
		for name, member := range v.All() {
			members = append(members, string(name.MarshalCedar())+": "+valueText(member))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ", ") + "}"
	}
	return string(v.MarshalCedar())
}
