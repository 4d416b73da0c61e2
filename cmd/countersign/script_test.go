package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"countersign": main})
}

// TestScript runs the command line as a user would; each file tells one story.
func TestScript(t *testing.T) {
	runScripts(t, "testdata/script", nil)
}

// runScripts runs the stories of a directory with these variables in their environment.
func runScripts(t *testing.T, dir string, variables map[string]string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir: dir, UpdateScripts: *update, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"compress": compress},
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=10") // a program with the race detector takes a second to exit otherwise
			for name, value := range variables {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}

// compress puts FILE.gz in place of each file.
func compress(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		var text bytes.Buffer
		w := gzip.NewWriter(&text)
		_, err := w.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
		ts.Check(w.Close())
		ts.Check(os.WriteFile(ts.MkAbs(name+".gz"), text.Bytes(), 0o600))
		ts.Check(os.Remove(ts.MkAbs(name)))
	}
}
