package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// intent is what fixes change in the tree that cedar-go reads. Comments are not in it.
type intent uint8

const (
	readSpace    intent = 1 << iota // nothing, but the text before cannot be read
	readUnary                       // pairs of the same unary operator cancel out
	readLike                        // like without a wildcard is ==
	readActionIn                    // == on a group of actions is in
)

// check reports why the fixed text must not replace the one before: cedar-go cannot read it, or reads more than the
// fixes were meant to change.
func check(before, fixed []byte, fixes []Finding) error {
	var all intent
	var spaces []Edit
	for _, f := range fixes {
		all |= f.Fix.intent
		if f.Fix.intent == readSpace {
			spaces = append(spaces, f.Fix.Edits...)
		}
	}
	was, err := cedargo.NewPolicyListFromBytes("", apply(before, spaces))
	if err != nil {
		return fmt.Errorf("cedar-go does not read the file: %w", err)
	}
	is, err := cedargo.NewPolicyListFromBytes("", fixed)
	if err != nil {
		return fmt.Errorf("cedar-go would not read the result: %w", err)
	}
	if len(was) != len(is) {
		return fmt.Errorf("the result would have %d policies and not %d", len(is), len(was))
	}
	all &^= readSpace
	for i := range was {
		if !all.equal((*ast.Policy)(was[i].AST()), (*ast.Policy)(is[i].AST())) {
			return errors.New("the fixes would change what policy " + string(was[i].Annotations()["id"]) + " means")
		}
	}
	return nil
}

// equal reports whether two policies are the same but for their places and what is intended.
func (i intent) equal(a, b *ast.Policy) bool {
	if a.Effect != b.Effect || !slices.Equal(a.Annotations, b.Annotations) || len(a.Conditions) != len(b.Conditions) ||
		!reflect.DeepEqual([]any{a.Principal, i.scope(a.Action), a.Resource}, []any{b.Principal, i.scope(b.Action), b.Resource}) {
		return false
	}
	for n := range a.Conditions {
		if a.Conditions[n].Condition != b.Conditions[n].Condition || !i.same(a.Conditions[n].Body, b.Conditions[n].Body) {
			return false
		}
	}
	return true
}

// scope makes one form of the constraints on an action that mean the same by intention.
func (i intent) scope(action any) any {
	if equal, ok := action.(ast.ScopeTypeEq); ok && i&readActionIn != 0 {
		return ast.ScopeTypeIn(equal)
	}
	return action
}

// same compares two expressions. It keeps what is left to do in a list: a chain of operators is as deep as it is long.
func (i intent) same(a, b ast.IsNode) bool {
	todo := [][2]reflect.Value{{reflect.ValueOf(i.head(a)), reflect.ValueOf(i.head(b))}}
	for len(todo) > 0 {
		a, b := todo[len(todo)-1][0], todo[len(todo)-1][1]
		todo = todo[:len(todo)-1]
		if a.Type() != b.Type() {
			return false
		}
		switch {
		case a.Type() == reflect.TypeFor[ast.IsNode]():
			left, isNode := a.Interface().(ast.IsNode)
			right, areNodes := b.Interface().(ast.IsNode)
			if !isNode || !areNodes {
				return false
			}
			todo = append(todo, [2]reflect.Value{reflect.ValueOf(i.head(left)), reflect.ValueOf(i.head(right))})
		case a.Kind() == reflect.Slice:
			if a.Len() != b.Len() {
				return false
			}
			for n := range a.Len() {
				todo = append(todo, [2]reflect.Value{a.Index(n), b.Index(n)})
			}
		case a.Kind() == reflect.Struct && a.Type().PkgPath() == nodes:
			for n := range a.NumField() {
				todo = append(todo, [2]reflect.Value{a.Field(n), b.Field(n)})
			}
		case !reflect.DeepEqual(a.Interface(), b.Interface()): // a name, a pattern, or a value
			return false
		}
	}
	return true
}

// nodes is the package of the expressions; what else is in them has no parts.
var nodes = reflect.TypeFor[ast.NodeTypeNot]().PkgPath()

// head makes one form of all expressions that mean the same by intention; their parts are left as they are.
func (i intent) head(node ast.IsNode) ast.IsNode {
	switch node := node.(type) {
	case ast.NodeTypeNot:
		if i&readUnary != 0 {
			return shortest(node, func(n ast.NodeTypeNot) ast.IsNode { return n.Arg })
		}
	case ast.NodeTypeNegate:
		if i&readUnary != 0 {
			return shortest(node, func(n ast.NodeTypeNegate) ast.IsNode { return n.Arg })
		}
	case ast.NodeTypeLike:
		if text, plain := literal(node.Value); plain && i&readLike != 0 {
			return ast.NodeTypeEquals{BinaryNode: ast.BinaryNode{Left: node.Arg, Right: ast.NodeValue{Value: types.String(text)}}}
		}
	case ast.NodeTypeEquals:
		if i&readActionIn != 0 && (isAction(node.Left) || isAction(node.Right)) {
			return ast.NodeTypeIn(node)
		}
	}
	return node
}

// shortest drops pairs of an operator as long as one is left: that one still fails for what is of another type.
func shortest[N ast.IsNode](node N, arg func(N) ast.IsNode) ast.IsNode {
	for {
		twice, again := arg(node).(N)
		if !again {
			return node
		}
		thrice, again := arg(twice).(N)
		if !again {
			return node
		}
		node = thrice
	}
}

// literal is the text of a pattern without a wildcard. Only the JSON form of a pattern shows what it consists of.
func literal(pattern types.Pattern) (text string, plain bool) {
	var parts []struct{ Literal *string }
	if encoded, err := pattern.MarshalJSON(); err != nil || json.Unmarshal(encoded, &parts) != nil {
		return "", false // a wildcard is a string in it
	}
	for _, part := range parts {
		if part.Literal == nil {
			return "", false
		}
		text += *part.Literal
	}
	return text, true
}

func isAction(node ast.IsNode) bool {
	variable, ok := node.(ast.NodeTypeVariable)
	return ok && variable.Name == "action"
}
