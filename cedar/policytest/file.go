package policytest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"countersign.dev/cedar"
	"countersign.dev/cedar/scenario"
)

// Suffix is how the name of a test file ends.
const Suffix = cedar.TestSuffix

// maxCases bounds the cases of one file, those that for makes included.
const maxCases = 10_000

// File is the tests of one file.
type File struct {
	// Name is its path, as it was given.
	Name string
	// Source says where the policies are, as far as the file does.
	Source Source
	Cases  []Case

	allowed map[string]bool // trust domains of the peers of cases that expect to be allowed
}

// Case is one test.
type Case struct {
	// Name is unique in the file.
	Name string
	// Line and Column are where it begins.
	Line, Column int
	// Request is what is asked, and Expect what should come of it.
	Request scenario.Request
	Expect  Expectation
	// Stranger says that policies need not know the trust domain of the peer or backend, and Unpinned that the tool need not
	// be pinned. In other cases they are misspelt.
	Stranger, Unpinned bool

	raw *rawCase // a test of the Cedar command line, in place of Request
}

// Read reads a test file: YAML, or, if its name ends with .json, the tests of the Cedar command line (cedar run-tests);
// compressed if .gz stands behind that. The error lists all that is wrong, a line each, as file:line:column: message.
func Read(path string) (*File, error) {
	if text, compressed := strings.CutSuffix(path, ".gz"); compressed {
		return readCompressed(path, text)
	}
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("reading tests: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, fmt.Errorf("reading tests from %s: %w", path, err)
	}
	limit := int64(scenario.MaxText)
	isJSON := filepath.Ext(path) == ".json"
	if isJSON {
		limit = maxRunTests
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading tests: %w", err)
	}
	if isJSON {
		return ParseRunTests(path, text)
	}
	return Parse(path, text)
}

// readCompressed reads a test file that is compressed. Plain is its name if it was not, which no other file may have.
func readCompressed(path, plain string) (*File, error) {
	if _, err := os.Stat(plain); err == nil {
		return nil, fmt.Errorf("%s: %s is there as well: remove one of them", path, filepath.Base(plain))
	}
	text, err := cedar.ReadFile(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading tests: %w", err)
	case filepath.Ext(plain) == ".json":
		return ParseRunTests(path, text)
	}
	return Parse(path, text)
}

// Parse reads the text of a YAML test file. The error is as that of [Read].
func Parse(name string, text []byte) (*File, error) {
	r := reader{file: &File{Name: name, allowed: make(map[string]bool)}, seen: make(map[string]bool)}
	if document, err := scenario.ParseYAML(text); err != nil {
		r.fail(err)
	} else {
		r.read(document)
	}
	if len(r.bad) > 0 {
		return nil, errors.Join(r.bad...)
	}
	return r.file, nil
}

// reader reads one file and collects what is wrong with it.
type reader struct {
	file     *File
	defaults *mapping
	seen     map[string]bool // names of cases
	unsure   bool            // the defaults are wrong: what is missing in a case is unknown
	bad      []error
}

func (r *reader) fail(err error) {
	if located, ok := errors.AsType[*scenario.YAMLError](err); ok && located.Line > 0 {
		err = fmt.Errorf("%s:%w", r.file.Name, err)
	} else {
		err = fmt.Errorf("%s: %w", r.file.Name, err)
	}
	r.bad = append(r.bad, err)
}

func (r *reader) read(document ast.Node) {
	m, ok := readMapping(document)
	if !ok {
		r.fail(problemAt(document, "expected the members defaults and cases"))
		return
	}
	defaults, cases := m.take("defaults"), m.take("cases")
	for _, err := range m.decode(&r.file.Source) {
		r.fail(err)
	}
	r.readDefaults(defaults)
	list, ok := cases.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		r.fail(problemAt(document, "no cases: write a list of at least one"))
		return
	}
	for _, node := range list.Values {
		r.readCase(node)
		if len(r.file.Cases) > maxCases {
			r.fail(problemAt(node, "more than %d cases", maxCases))
			return
		}
	}
}

func (r *reader) readDefaults(node ast.Node) {
	r.defaults = &mapping{}
	if node == nil {
		return
	}
	defaults, ok := readMapping(node)
	if !ok {
		r.fail(problemAt(node, "expected the members of a request"))
		return
	}
	wrong := defaults.decode(new(scenario.Request))
	for _, err := range wrong {
		r.fail(err)
	}
	if r.unsure = len(wrong) > 0; !r.unsure {
		r.defaults = defaults
	}
}

// subjects are the members that say what a request is about.
var subjects = []string{"tool", "prompt", "resource", "task", "method"}

// readCase reads a case, or all that its for makes of it.
func (r *reader) readCase(node ast.Node) {
	request, ok := readMapping(node)
	if !ok {
		r.fail(problemAt(node, "expected a case: name, a request, expect"))
		return
	}
	named := &mapping{at: node, values: make(map[string]*ast.MappingValueNode)}
	for _, name := range expectationMembers {
		if value := request.values[name]; value != nil {
			named.put(name, value)
			request.take(name)
		}
	}
	matrix := request.take("for")
	var c caseMembers
	wrong := named.decode(&c)
	expect, err := c.expectation(named)
	if err != nil && wrong == nil {
		wrong = []error{err}
	}
	base := r.defaults
	varied, _ := readMapping(matrix)
	if request.has(subjects...) || varied != nil && varied.has(subjects...) {
		base = base.without(append(subjects, "arguments")...)
	}
	request = request.over(base, func(name string) bool { return name == "http" || name == "delegation" })
	variants, err := expand(matrix, request)
	if err != nil {
		wrong = append(append(wrong, err), request.decode(new(scenario.Request))...)
	}
	at := start(node)
	for _, v := range variants {
		one := Case{
			Name: c.Name + v.suffix, Line: at.Line, Column: at.Column, Expect: expect, Stranger: c.Stranger, Unpinned: c.Unpinned,
		}
		if r.seen[one.Name] && one.Name != "" {
			wrong = append(wrong, problemAt(named.find("name"), "%q comes twice", one.Name))
		}
		r.seen[one.Name] = true
		var bad []error
		one.Request, bad = r.readRequest(v.request)
		if wrong = append(wrong, bad...); len(wrong) > 0 {
			break // the others have the same mistake, most likely
		}
		if expect.Decision == Allow {
			r.file.allowed[trustDomainOf(one.Request)] = true
		}
		r.file.Cases = append(r.file.Cases, one)
	}
	for _, err := range wrong {
		r.fail(err)
	}
}

// without returns the mapping without some members.
func (m *mapping) without(names ...string) *mapping {
	rest := &mapping{at: m.at, values: make(map[string]*ast.MappingValueNode)}
	for _, name := range m.names {
		rest.put(name, m.values[name])
	}
	for _, name := range names {
		rest.take(name)
	}
	return rest
}

// readRequest reads a request and makes sure that it can be asked.
func (r *reader) readRequest(m *mapping) (scenario.Request, []error) {
	var request scenario.Request
	if wrong := m.decode(&request); wrong != nil || r.unsure {
		return request, wrong
	}
	_, err := questionOf(request)
	if err == nil {
		return request, nil
	}
	if wrong, ok := errors.AsType[*scenario.Problem](err); ok {
		err = problemAt(m.find(wrong.Member), "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return request, []error{err}
}

// trustDomainOf returns that of the peer of a request that can be asked.
func trustDomainOf(r scenario.Request) string {
	q, _ := questionOf(r)
	return q.peer().TrustDomain().Name()
}
