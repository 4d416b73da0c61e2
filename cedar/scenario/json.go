package scenario

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// appendJSON writes a YAML value as JSON. Numbers keep their text, so that 1.0 does not become 1, and 2^53+1 stays what
// it is. What JSON has no word for, or YAML several (0x10, 010, 1_000, .inf), is refused.
func appendJSON(to []byte, node ast.Node) ([]byte, error) {
	switch n := node.(type) {
	case *ast.NullNode:
		return append(to, "null"...), nil
	case *ast.BoolNode:
		if n.Value {
			return append(to, "true"...), nil
		}
		return append(to, "false"...), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		text := n.GetToken().Value
		if !isNumber(text) {
			return nil, refuse(node, "%s is not a number of JSON: write it in decimal, or in quotes if it is a text", text)
		}
		return append(to, text...), nil
	case *ast.StringNode:
		// The parser takes 1e3, and integers beyond 64 bits, for texts.
		if plain := n.GetToken().Type == token.StringType; plain && isNumber(n.Value) {
			return append(to, n.Value...), nil
		}
		return appendText(to, node, n.Value)
	case *ast.LiteralNode:
		return appendText(to, node, n.Value.Value)
	case *ast.SequenceNode:
		return appendArray(to, n)
	case *ast.MappingNode:
		return appendObject(to, n.Values)
	case *ast.MappingValueNode:
		return appendObject(to, []*ast.MappingValueNode{n})
	default:
		return nil, refuse(node, "this has no meaning in JSON")
	}
}

func appendText(to []byte, node ast.Node, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, refuse(node, "the text is not UTF-8")
	}
	to, err := jsontext.AppendQuote(to, text)
	if err != nil {
		return nil, refuse(node, "%s", err)
	}
	return to, nil
}

func appendArray(to []byte, n *ast.SequenceNode) (_ []byte, err error) {
	to = append(to, '[')
	for i, element := range n.Values {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendJSON(to, element); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

func appendObject(to []byte, members []*ast.MappingValueNode) (_ []byte, err error) {
	to = append(to, '{')
	for i, m := range members {
		if i > 0 {
			to = append(to, ',')
		}
		name, err := keyText(m.Key)
		if err != nil {
			return nil, err
		}
		if to, err = appendText(to, m.Key, name); err != nil {
			return nil, err
		}
		to = append(to, ':')
		if to, err = appendJSON(to, m.Value); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

// keyText is the name of a member, which YAML lets be a number.
func keyText(key ast.MapKeyNode) (string, error) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return k.GetToken().Value, nil
	default:
		return "", refuse(key, "a name must be a text")
	}
}

// isNumber reports whether text is a number of JSON (RFC 8259, section 6).
func isNumber(text string) bool {
	v := jsontext.Value(text)
	return text != "" && text[len(text)-1] != ' ' && v.Kind() == '0' && v.IsValid()
}
