package examples_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/format"
	"countersign.dev/cedar/lint"
	"countersign.dev/cedar/policytest"
	"countersign.dev/cedar/scenario"
)

var sets = []string{"breakglass", "cibots", "finance", "readonly", "tasks", "tenants"}

func TestEverySetHereIsTested(t *testing.T) {
	found, err := filepath.Glob("*/*.cedar")
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, path := range found {
		dirs = append(dirs, filepath.Dir(path))
	}
	if dirs = slices.Compact(dirs); !slices.Equal(dirs, sets) {
		t.Errorf("directories with policies: %q, want %q", dirs, sets)
	}
}

func TestSets(t *testing.T) {
	for _, set := range sets {
		t.Run(set, func(t *testing.T) {
			tests, cfg := read(t, set)
			snapshot, err := cedar.Load(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Run("its tests pass and see everything", func(t *testing.T) { runTests(t, snapshot, tests) })
			t.Run("it is valid for others too", func(t *testing.T) {
				found, err := cedar.Validate(t.Context(), cfg)
				none(t, found, err)
			})
			t.Run("it is formatted", func(t *testing.T) { formatted(t, cfg) })
			t.Run("nothing is found in it", func(t *testing.T) { lintSet(t, cfg) })
			t.Run("it has a schema", func(t *testing.T) { hasSchema(t, snapshot, cfg) })
		})
	}
}

// read returns the tests of a set, and where its policies are by convention.
func read(t *testing.T, set string) ([]*policytest.File, cedar.Config) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(set, "*"+policytest.Suffix))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tests in %s: %v", set, err)
	}
	var files []*policytest.File
	var cfg cedar.Config
	for _, path := range paths {
		f, err := policytest.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if cfg, err = f.Config(); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files, cfg
}

func runTests(t *testing.T, snapshot *cedar.Snapshot, files []*policytest.File) {
	report, err := policytest.Run(t.Context(), snapshot, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() > 0 || !report.Covers(100) {
		var text bytes.Buffer
		if err := report.Text(&text, policytest.TextOptions{Cover: true}); err != nil {
			t.Fatal(err)
		}
		t.Errorf("\n%s", &text)
	}
}

func none(t *testing.T, found []diagnostic.Diagnostic, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return
	}
	var text bytes.Buffer
	source := func(file string) []byte {
		data, _ := os.ReadFile(file)
		return data
	}
	if err := diagnostic.Text(&text, found, source, false); err != nil {
		t.Fatal(err)
	}
	t.Errorf("\n%s", &text)
}

func formatted(t *testing.T, cfg cedar.Config) {
	for _, s := range policies(t, cfg) {
		out, found := format.Source(s.Name, s.Data, format.Options{})
		none(t, found, nil)
		if !bytes.Equal(out, s.Data) {
			t.Errorf("%s is not formatted: countersign policy fmt %[1]s", s.Name)
		}
	}
}

func lintSet(t *testing.T, cfg cedar.Config) {
	var entities []byte
	if cfg.Entities != "" {
		entities = contents(t, cfg.Entities)
	}
	tools := make(map[string][]byte)
	for server, path := range cfg.Tools {
		tools[server] = contents(t, path)
	}
	world, err := lint.NewInventory(entities, tools)
	if err != nil {
		t.Fatal(err)
	}
	// The time is fixed: one day, what has an end is to be removed.
	findings, err := lint.New(&lint.Config{}, world, scenario.Noon).Lint(t.Context(), policies(t, cfg))
	found := slices.DeleteFunc(lint.Diagnostics(findings), func(d diagnostic.Diagnostic) bool { return d.Severity == diagnostic.Note })
	none(t, found, err)
}

func hasSchema(t *testing.T, snapshot *cedar.Snapshot, cfg cedar.Config) {
	var files []cedar.ToolFile
	for _, server := range slices.Sorted(maps.Keys(cfg.Tools)) {
		files = append(files, cedar.ToolFile{Server: server, Name: cfg.Tools[server], Data: contents(t, cfg.Tools[server])})
	}
	text, tools, err := cedar.GenerateSchema(files)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, snapshot.Schema()) {
		t.Error("the generated schema is not the one that policies are checked against")
	}
	for _, tool := range tools {
		if len(tool.LeftOut) > 0 {
			t.Errorf("%s/%s: %v is in no policy's reach: keep the examples simple", tool.Server, tool.Tool, tool.LeftOut)
		}
	}
}

func policies(t *testing.T, cfg cedar.Config) []lint.Source {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(cfg.Policies, "*.cedar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no policies in %s: %v", cfg.Policies, err)
	}
	sources := make([]lint.Source, len(paths))
	for i, path := range paths {
		sources[i] = lint.Source{Name: path, Data: contents(t, path)}
	}
	return sources
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
