package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"countersign.dev/e2e/stage"
)

// programs are built once for all tests.
var programs stage.Programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the programs:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "removing the programs:", err)
		}
	}()
	if programs, err = stage.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// raise raises a stage for a test. If the test fails, the end of every log is shown.
func raise(t *testing.T, options stage.Options) *stage.Stage {
	t.Helper()
	options.Programs = programs
	if options.SPIRE {
		if err := options.Programs.FindSPIRE(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	st, err := stage.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, st.Dir)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func showLogs(t *testing.T, dir string) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range append(logs, filepath.Join(dir, "audit.jsonl")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		const most = 3000
		if len(data) > most {
			data = data[len(data)-most:]
		}
		if data = bytes.TrimSpace(data); len(data) > 0 {
			t.Logf("--- %s ends with:\n%s", filepath.Base(file), data)
		}
	}
}

// grant signs alice's delegation to the planner for the crm and the ledger.
func grant(t *testing.T, st *stage.Stage) string {
	t.Helper()
	token, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:crm:*", "mcp:ledger:*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}
