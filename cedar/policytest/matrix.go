package policytest

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// variant is one of the requests that a case stands for.
type variant struct {
	suffix  string // of the name
	request *mapping
}

// expand returns the requests that for makes: every combination of the values that it lists for members of the request. A
// member of a member is written with a dot, such as delegation.subject.
func expand(matrix ast.Node, request *mapping) ([]variant, error) {
	variants := []variant{{request: request}}
	if matrix == nil {
		return variants, nil
	}
	lists, ok := readMapping(matrix)
	if !ok || len(lists.names) == 0 {
		return nil, problemAt(matrix, "expected lists of values, such as {tool: [a, b]}")
	}
	for _, path := range lists.names {
		entry := lists.values[path]
		values, ok := entry.Value.(*ast.SequenceNode)
		if !ok || len(values.Values) == 0 {
			return nil, problemAt(entry.Value, "expected a list of values for %s", path)
		}
		if strings.Trim(path, ".") != path || strings.Contains(path, "..") {
			return nil, problemAt(entry.Key, "%q is no member of a request", path)
		}
		if len(variants)*len(values.Values) > maxCases {
			return nil, problemAt(entry.Value, "more than %d cases", maxCases)
		}
		var next []variant
		for _, v := range variants {
			for _, value := range values.Values {
				next = append(next, variant{
					suffix:  v.suffix + ", " + path + " " + label(value),
					request: nested(path, value, value).over(v.request, everywhere),
				})
			}
		}
		variants = next
	}
	for i := range variants {
		variants[i].suffix = " (" + strings.TrimPrefix(variants[i].suffix, ", ") + ")"
	}
	return variants, nil
}

func everywhere(string) bool { return true }

// maxLabel bounds what a name shows of a value, in runes.
const maxLabel = 60

// label is a value in the name of a case.
func label(value ast.Node) string {
	text := value.GetToken().Value
	if _, isScalar := value.(ast.ScalarNode); !isScalar {
		text = value.String()
	}
	text = printable(text)
	if runes := []rune(text); len(runes) > maxLabel {
		text = string(runes[:maxLabel]) + "…"
	}
	return text
}
