package denial_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"

	"countersign.dev/authz/denial"
)

// A reason that somebody adds and forgets to classify would be answered as our own failure.
func TestEveryReasonIsClassified(t *testing.T) {
	reasons := declaredReasons(t)
	classified := classifiedNames(t)
	for name := range reasons {
		if classified[name] != 1 {
			t.Errorf("%s appears %d times in the table of classes, want once", name, classified[name])
		}
	}
	for name := range classified {
		if _, ok := reasons[name]; !ok {
			t.Errorf("the table of classes has %s, which is not declared in reason.go", name)
		}
	}
	if len(reasons) < 60 {
		t.Errorf("found only %d reasons: reason.go is not read right", len(reasons))
	}
}

// Reasons are in records and dashboards: two that look alike, or an odd spelling, would make them useless.
func TestReasonsAreDistinctAndSpeltAlike(t *testing.T) {
	spelling := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	seen := make(map[string]string)
	for name, value := range declaredReasons(t) {
		if other, dup := seen[value]; dup {
			t.Errorf("%s and %s are both %q", name, other, value)
		}
		seen[value] = name
		if !spelling.MatchString(value) || len(value) > 40 {
			t.Errorf("%s is %q: want lower-case words joined by underscores", name, value)
		}
	}
}

func TestAnUnknownReasonIsOurOwnFailure(t *testing.T) {
	if got := denial.Reason("made_up").Class(); got != denial.ClassInternal {
		t.Errorf("class = %v, want ClassInternal", got)
	}
}

// declaredReasons reads the constants of type Reason, name to value.
func declaredReasons(t *testing.T) map[string]string {
	t.Helper()
	reasons := make(map[string]string)
	for _, decl := range parse(t, "reason.go").Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, s := range group.Specs {
			spec := s.(*ast.ValueSpec)
			if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Reason" {
				t.Errorf("constant %s has no explicit type Reason", spec.Names[0].Name)
				continue
			}
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons[spec.Names[0].Name] = value
		}
	}
	return reasons
}

// classifiedNames counts the keys of the table of classes.
func classifiedNames(t *testing.T) map[string]int {
	t.Helper()
	names := make(map[string]int)
	ast.Inspect(parse(t, "class.go"), func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			names[pair.Key.(*ast.Ident).Name]++
		}
		return true
	})
	return names
}

func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
