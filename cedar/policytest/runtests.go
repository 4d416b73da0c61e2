package policytest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/cedar"
)

// maxRunTests is the largest file with tests of the Cedar command line, in bytes.
const maxRunTests = 16 << 20

// runTest is one test of cedar run-tests (cedar-policy-cli, src/command/run_test.rs). Members that it does not know are
// ignored there, and refused here.
type runTest struct {
	Name    string `json:"name"`
	Request struct {
		Principal string         `json:"principal"`
		Action    string         `json:"action"`
		Resource  string         `json:"resource"`
		Context   jsontext.Value `json:"context"`
	} `json:"request"`
	Entities  jsontext.Value `json:"entities"`
	Decision  Decision       `json:"decision"`
	Reason    []string       `json:"reason"`
	NumErrors int            `json:"num_errors"`
}

// rawCase is such a test as it is asked.
type rawCase struct {
	request cedar.RawRequest
	want    Decision
	reasons []string // that must be among the deciding policies
	errors  int      // how many policies cannot be evaluated
}

// ParseRunTests reads the tests of the Cedar command line. The policies answer them as plain Cedar does, with the entities
// of the test and no others, and its decision, reasons and number of errors count as they do there: all reasons must be
// among the deciding policies. They add nothing to coverage.
func ParseRunTests(name string, text []byte) (*File, error) {
	if len(text) > maxRunTests {
		return nil, fmt.Errorf("%s: %d bytes are too many: at most %d", name, len(text), maxRunTests)
	}
	var tests []runTest
	if err := json.Unmarshal(text, &tests, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%s:%s: %w", name, placeOf(text, err), withoutPlace(err))
	}
	if len(tests) == 0 || len(tests) > maxCases {
		return nil, fmt.Errorf("%s: %d tests: expected 1 to %d", name, len(tests), maxCases)
	}
	f := &File{Name: name}
	var bad []error
	seen := make(map[string]bool)
	for i, t := range tests {
		c := caseMembers{Name: t.Name, Expect: string(t.Decision)}
		switch {
		case t.Name == "":
			c.Name = "test " + strconv.Itoa(i+1)
		case len(t.Name) > maxCaseName:
			c.Name = t.Name[:maxCaseName]
		}
		c.Name = printable(c.Name)
		if seen[c.Name] {
			c.Name += " (" + strconv.Itoa(i+1) + ")"
		}
		seen[c.Name] = true
		switch {
		case t.Decision != Allow && t.Decision != Deny:
			bad = append(bad, fmt.Errorf("%s: %s: decision is %q: write allow or deny", name, c.Name, t.Decision))
		case t.NumErrors < 0:
			bad = append(bad, fmt.Errorf("%s: %s: num_errors is %d", name, c.Name, t.NumErrors))
		case len(t.Entities) == 0 || t.Entities.Kind() != '[':
			bad = append(bad, fmt.Errorf("%s: %s: entities is missing or no list; a file of its own is not read", name, c.Name))
		}
		f.Cases = append(f.Cases, Case{Name: c.Name, Expect: Expectation{Decision: t.Decision}, raw: &rawCase{
			request: cedar.RawRequest{
				Principal: t.Request.Principal, Action: t.Request.Action, Resource: t.Request.Resource,
				Context: t.Request.Context, Entities: t.Entities,
			},
			want: t.Decision, reasons: t.Reason, errors: t.NumErrors,
		}})
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	return f, nil
}

// failures returns how an answer differs from what was expected.
func (c *rawCase) failures(a cedar.RawAnswer) []Difference {
	var all []Difference
	if got := decisionOf(a.Allowed); got != c.want {
		all = append(all, Difference{"decision", string(c.want), string(got)})
	}
	if slices.ContainsFunc(c.reasons, func(id string) bool { return !slices.Contains(a.Reasons, id) }) {
		all = append(all, Difference{"reasons", "at least " + list(c.reasons), list(a.Reasons)})
	}
	if len(a.Errors) != c.errors {
		all = append(all, Difference{"number of errors", strconv.Itoa(c.errors), strconv.Itoa(len(a.Errors)) + ": " + list(a.Errors)})
	}
	return all
}
