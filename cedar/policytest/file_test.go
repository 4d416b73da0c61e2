package policytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

const planner = "peer: spiffe://acme.example/planner, server: crm, tool: search"

// What is wrong with a file is told all at once, each at its place.
func TestWrongFiles(t *testing.T) {
	const one = "cases: [{name: a, expect: deny, " + planner + "}]\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"no cases":                  {"defaults: {peer: a}", []string{"x_test.yaml:1:1: no cases"}},
		"an empty list":             {"cases: []", []string{"no cases"}},
		"a list":                    {"- a", []string{"1:1: expected the members"}},
		"cases that are none":       {"cases: [a]", []string{"1:9: expected a case"}},
		"an unknown member":         {one + "polices: x", []string{`2:1: there is no member "polices" here`}},
		"an unknown member below":   {"cases:\n- name: a\n  expect: deny\n  " + strings.ReplaceAll(planner, ", ", "\n  ") + "\n  expects: allow", []string{`7:3: there is no member "expects" here`}},
		"an unknown default":        {"defaults: {pear: a}\n" + one, []string{`1:12: there is no member "pear" here`}},
		"defaults that are none":    {"defaults: a\n" + one, []string{"1:11: expected the members of a request"}},
		"an expectation by default": {"defaults: {expect: allow}\n" + one, []string{`1:12: there is no member "expect" here`}},
		"a name twice":              {"cases: [{name: a, expect: deny, " + planner + "}, {name: a, expect: deny, " + planner + "}]", []string{`"a" comes twice`}},
		"no name":                   {"cases: [{expect: deny, " + planner + "}]", []string{"the case has no name"}},
		"a blank name":              {"cases: [{name: ' ', expect: deny, " + planner + "}]", []string{"the case has no name"}},
		"a name that steers":        {"cases: [{name: \"a\\e[31m\", expect: deny, " + planner + "}]", []string{"printable"}},
		"a long name":               {"cases: [{name: " + strings.Repeat("a", 201) + ", expect: deny, " + planner + "}]", []string{"printable"}},
		"no expectation":            {"cases: [{name: a, " + planner + "}]", []string{"1:9: expect is \"\""}},
		"another expectation":       {"cases: [{name: a, expect: permit, " + planner + "}]", []string{`1:27: expect is "permit": write allow, deny or refused`}},
		"allowed with errors":       {"cases: [{name: a, expect: allow, errors: [x], " + planner + "}]", []string{"nothing is allowed with errors"}},
		"allowed by nobody":         {"cases: [{name: a, expect: allow, policies: [], " + planner + "}]", []string{"without a policy that permits it"}},
		"allowed for a reason":      {"cases: [{name: a, expect: allow, reason: x, " + planner + "}]", []string{"of a denial only"}},
		"denied and used up":        {"cases: [{name: a, expect: deny, single_use: true, " + planner + "}]", []string{"uses nothing up"}},
		"refused by a policy":       {"cases: [{name: a, expect: refused, policies: [x], " + planner + "}]", []string{"no policy is asked about what is refused before"}},
		"policies that are no list": {"cases: [{name: a, expect: deny, policies: x, " + planner + "}]", []string{"1:43: "}},
		"a request that cannot be":  {"cases: [{name: a, expect: deny, server: crm, tool: search}]", []string{"peer: is missing"}},
		"a member of a member": {
			"cases: [{name: a, expect: deny, " + planner + ", delegation: {subject: a, actors: [b]}}]", []string{"delegation.actors[0]"}},
		"a wrong default, where it is": {
			"defaults:\n  http: {source_ip: home}\n" + one, []string{"2:21: http.source_ip"}},
		"a mistake of every case": {
			"cases:\n- {name: a, expect: x, " + planner + "}\n- {name: b, expect: deny, pear: x}\n- {name: c, expect: deny, " + planner + ", now: never}",
			[]string{"x_test.yaml:2:", "x_test.yaml:3:", "x_test.yaml:4:"}},
		"several mistakes of one case": {
			"cases:\n- name: a\n  expect: [deny]\n  polices: [x]\n  tol: x\n  delegation: {subjekt: x}\n  for: {peer: spiffe://acme.example/x}",
			[]string{"x_test.yaml:3:", `4:3: there is no member "polices"`, `5:3: there is no member "tol"`, `6:16: there is no member "subjekt"`, "7:"}},
		"several mistakes of the defaults": {
			"defaults: {pear: x, now: x}\n" + one + "servr: x\ntols: x", []string{`1:12: there is no member "pear"`, "1:26:", "3:1:", "4:1:"}},
		"for is no list":     {"cases: [{name: a, expect: deny, for: x, " + planner + "}]", []string{"expected lists of values"}},
		"for of nothing":     {"cases: [{name: a, expect: deny, for: {}, " + planner + "}]", []string{"expected lists of values"}},
		"for a value":        {"cases: [{name: a, expect: deny, for: {tool: x}, " + planner + "}]", []string{"expected a list of values for tool"}},
		"for nobody":         {"cases: [{name: a, expect: deny, for: {tool: []}, " + planner + "}]", []string{"expected a list of values for tool"}},
		"for the unknown":    {"cases: [{name: a, expect: deny, for: {tol: [x]}, " + planner + "}]", []string{`there is no member "tol" here`}},
		"for a dot":          {"cases: [{name: a, expect: deny, for: {http.: [x]}, " + planner + "}]", []string{"is no member of a request"}},
		"for the same twice": {"cases: [{name: a, expect: deny, for: {tool: [x, x]}, " + planner + "}]", []string{"comes twice"}},
		"for too many": {
			"cases: [{name: a, expect: deny, for: {tool: [" + strings.Repeat("x, ", 200) + "], session: [" + strings.Repeat("x, ", 200) + "]}, " + planner + "}]",
			[]string{"more than 10000 cases"}},
		"an alias": {"a: &a 1\n" + one, []string{"anchors"}},
		"not YAML": {"cases: [", []string{"x_test.yaml:1:"}},
	} {
		_, err := policytest.Parse("x_test.yaml", []byte(tc.text))
		if err == nil {
			t.Errorf("%s: was read", name)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\ngot  %v\nwant %s", name, err, want)
			}
		}
	}
}

func TestTooManyCases(t *testing.T) {
	var text strings.Builder
	text.WriteString("defaults: {peer: spiffe://acme.example/planner, server: crm}\ncases:\n")
	for i := range 11 {
		_, _ = fmt.Fprintf(&text, "- {name: c%d, for: {tool: [", i)
		for j := range 1000 {
			_, _ = fmt.Fprintf(&text, "t%d,", j)
		}
		text.WriteString("]}, expect: deny}\n")
	}
	if _, err := policytest.Parse("x", []byte(text.String())); err == nil || !strings.Contains(err.Error(), "more than 10000 cases") {
		t.Error(err)
	}
}

// A default that is wrong is told once, and not again as what every case lacks.
func TestAWrongDefaultIsToldOnce(t *testing.T) {
	_, err := policytest.Parse("x", []byte("defaults: {peer: /planner, trust_domian: acme.example, server: crm}\ncases:\n- {name: a, tool: x, expect: deny}\n- {name: b, tol: x, expect: deny}"))
	if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "trust_domian") || !strings.Contains(err.Error(), `"tol"`) {
		t.Error(err)
	}
}

// The defaults give way, member by member, and what a request is about is one.
func TestDefaults(t *testing.T) {
	f, err := policytest.Parse("x", []byte(`
defaults:
  peer: spiffe://acme.example/planner
  server: crm
  tool: refund
  arguments: {amount: 1}
  http: {host: a, path: /b}
  delegation: {subject: alice, purpose: refund, scopes: ["mcp:crm:*"]}
cases:
- {name: all, expect: deny}
- {name: another host, http: {host: c}, expect: deny}
- {name: another purpose, delegation: {purpose: x}, expect: deny}
- {name: no delegation, delegation: null, expect: deny}
- {name: other arguments, arguments: {x: 1}, expect: deny}
- {name: another tool, tool: search, expect: deny}
- {name: a list, method: tools/list, expect: deny}
- {name: many, for: {method: [ping], delegation.purpose: [a, b]}, expect: deny}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.Cases {
		r := c.Request
		purpose := "none"
		if r.Delegation != nil {
			purpose = r.Delegation.Subject + "/" + r.Delegation.Purpose
		}
		got = append(got, fmt.Sprintf("%s: %s%s %s %s%s %s", c.Name, r.Tool, r.Method, r.Arguments, r.HTTP.Host, r.HTTP.Path, purpose))
	}
	if diff := cmp.Diff([]string{
		`all: refund {"amount":1} a/b alice/refund`,
		`another host: refund {"amount":1} c/b alice/refund`,
		`another purpose: refund {"amount":1} a/b alice/x`,
		`no delegation: refund {"amount":1} a/b none`,
		`other arguments: refund {"x":1} a/b alice/refund`,
		`another tool: search  a/b alice/refund`,
		`a list: tools/list  a/b alice/refund`,
		`many (method ping, delegation.purpose a): ping  a/b alice/a`,
		`many (method ping, delegation.purpose b): ping  a/b alice/b`,
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWherePoliciesAre(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{
		"flat/a.cedar", "flat/entities.json", "flat/tools/crm.json", "flat/tools/.hidden.json", "flat/tests/x",
		"deep/policies/a.cedar.gz", "deep/entities.json", "deep/tools/ledger.json", "deep/policies/tools/x.txt", "empty/x",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(path string) string {
		if path == "" {
			return ""
		}
		return filepath.Join(dir, path)
	}
	for name, tc := range map[string]struct {
		file     string
		source   policytest.Source
		policies string
		entities string
		tools    map[string]string
	}{
		"beside":             {"flat/x_test.yaml", policytest.Source{}, "flat", "flat/entities.json", map[string]string{"crm": "flat/tools/crm.json"}},
		"in tests":           {"flat/tests/x_test.yaml", policytest.Source{}, "flat", "flat/entities.json", map[string]string{"crm": "flat/tools/crm.json"}},
		"above":              {"deep/x_test.yaml", policytest.Source{}, "deep/policies", "deep/entities.json", map[string]string{}},
		"among the policies": {"deep/policies/x_test.yaml", policytest.Source{}, "deep/policies", "deep/entities.json", map[string]string{}},
		"said otherwise": {
			"empty/x_test.yaml", policytest.Source{
				Policies: "../flat", Entities: "e.json", Tools: map[string]string{"a": "a.json", "b": ""}, Servers: []string{"c"}, OnError: "cedar"},
			"flat", "empty/e.json", map[string]string{"a": "empty/a.json", "b": "", "c": ""}},
		"with a server more": {
			"flat/x_test.yaml", policytest.Source{Servers: []string{"wiki", "crm"}}, "flat", "flat/entities.json",
			map[string]string{"wiki": "", "crm": ""}},
	} {
		f := policytest.File{Name: in(tc.file), Source: tc.source}
		c, err := f.Config()
		want := cedar.Config{Policies: in(tc.policies), Entities: in(tc.entities), Tools: map[string]string{}}
		for server, file := range tc.tools {
			want.Tools[server] = in(file)
		}
		if tc.source.OnError != "" {
			want.OnError = cedar.SkipPermits
		}
		if diff := cmp.Diff(want, c); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for name, f := range map[string]policytest.File{
		"no policies":      {Name: in("empty/x_test.yaml")},
		"a wrong on_error": {Name: in("flat/x_test.yaml"), Source: policytest.Source{OnError: "allow"}},
	} {
		if _, err := f.Config(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReadingFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"big_test.yaml": strings.Repeat("#", 1<<20+1), "big.json": "[" + strings.Repeat(" ", 16<<20), "half.json": "[\n  {\"name\": x}]",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"none_test.yaml": "no such file", "": "not a regular file", "big_test.yaml": "too many", "big.json": "too many",
		"half.json": "half.json:2:12: ",
	} {
		if _, err := policytest.Read(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is written: no panic, errors name the file, and what is read can be run.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/acme_test.yaml", "testdata/wrong_test.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{
		"cases: [{name: a, expect: deny, for: {arguments.a: [1, [2], {b: 3}]}, " + planner + "}]",
		"defaults: {http: {a: b}}\ncases: [{name: a, http: null}]", "cases:\n- name: a\n  for:\n    a.b.c: [~]\n", "cases: {a: b}",
	} {
		f.Add([]byte(seed))
	}
	snapshot := acme(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := policytest.Parse("x_test.yaml", text)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "x_test.yaml:") {
					t.Fatalf("%q does not name the file", line)
				}
			}
			return
		}
		seen := make(map[string]bool)
		decisions := []policytest.Decision{policytest.Allow, policytest.Deny, policytest.Refused}
		for _, c := range file.Cases {
			if c.Name == "" || seen[c.Name] || c.Line == 0 || !slices.Contains(decisions, c.Expect.Decision) {
				t.Fatalf("%+v", c)
			}
			seen[c.Name] = true
		}
		report, err := policytest.Run(t.Context(), snapshot, []*policytest.File{file}, nil)
		if err != nil || len(report.Results) != len(file.Cases) {
			t.Fatalf("%d results of %d: %v", len(report.Results), len(file.Cases), err)
		}
	})
}
