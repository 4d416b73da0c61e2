package policytest

import (
	"fmt"
	"os"
	"path/filepath"

	"countersign.dev/cedar"
	"countersign.dev/cedar/syntax"
)

// HasPolicies reports whether a directory has *.cedar files, those in directories below it not counted.
func HasPolicies(dir string) bool { return hasPolicies(dir) }

// Untested returns the policies of a directory that no test has asked, as there is nothing to see of them yet. They need
// not be valid: of a file that has no policy which can be read, the file stands for one.
func Untested(dir string) ([]PolicyCoverage, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for policies: %w", err)
	}
	var all []PolicyCoverage
	for _, entry := range found {
		if isPolicyFile(entry) {
			all = append(all, unseen(filepath.Join(dir, entry.Name()))...)
		}
	}
	return all, nil
}

// unseen returns the policies of a file.
func unseen(name string) []PolicyCoverage {
	text, err := cedar.ReadFile(name)
	if err != nil {
		text = nil
	}
	file, _ := syntax.Parse(name, text)
	var all []PolicyCoverage
	for i, p := range file.Policies {
		id, named := p.Annotation("id")
		if !named {
			id = fmt.Sprintf("number %d", i+1)
		}
		c := PolicyCoverage{ID: id, File: name, Line: p.Span.Start.Line, Column: p.Span.Start.Column}
		for _, condition := range p.Conditions {
			c.Conditions = append(c.Conditions, ConditionCoverage{Unless: condition.Kind.Text == "unless"})
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return []PolicyCoverage{{ID: "that cannot be read", File: name, Line: 1, Column: 1}}
	}
	return all
}
