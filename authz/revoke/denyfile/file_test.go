package denyfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
)

var now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func isRevoked(t *testing.T, f *denyfile.File, task string) bool {
	t.Helper()
	_, revoked, err := f.Revoked(t.Context(), revoke.Marks{Task: task}, now)
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}

func TestAFileIsReloadedAndTheLastGoodListStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations.yaml")
	write(t, path, "revocations:\n  - task: first\n")
	f, err := denyfile.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !isRevoked(t, f, "first") || f.Len() != 1 || !slices.Equal(f.Files(), []string{path}) {
		t.Errorf("first: %d entries in %q", f.Len(), f.Files())
	}

	write(t, path, "revocations:\n  - task: first\n  - task: second\n")
	if isRevoked(t, f, "second") {
		t.Error("a change took effect before it was reloaded")
	}
	if err := f.Reload(t.Context()); err != nil || !isRevoked(t, f, "second") {
		t.Errorf("a change did not take effect: %v", err)
	}

	for name, spoil := range map[string]func(){
		"broken":    func() { write(t, path, "revocations:\n  - task: 1\n") },
		"cut off":   func() { write(t, path, "") },
		"too large": func() { write(t, path, "revocations: []\n#"+strings.Repeat("x", denyfile.MaxFile)) },
		"gone":      func() { _ = os.Remove(path) },
	} {
		spoil()
		err := f.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file: %v", name, err)
		}
		if !isRevoked(t, f, "first") || !isRevoked(t, f, "second") {
			t.Errorf("%s: what was revoked came back to life", name)
		}
	}

	write(t, path, "revocations: []\n")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Reload(ended); !errors.Is(err, context.Canceled) || f.Len() != 2 {
		t.Errorf("reload after shutdown: %v, %d entries", err, f.Len())
	}
	if err := f.Reload(t.Context()); err != nil || f.Len() != 0 {
		t.Errorf("emptied: %v, %d entries", err, f.Len())
	}
}

func TestAMissingFileIsAnErrorAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations.yaml")
	f, err := denyfile.OpenFile(path)
	if f != nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("OpenFile = %v, %v", f, err)
	}
	if _, err := denyfile.OpenFile(t.TempDir()); err == nil {
		t.Error("a directory was accepted")
	}
}

func TestNone(t *testing.T) {
	none := denyfile.None()
	if err := none.Reload(t.Context()); err != nil || isRevoked(t, none, "a") || none.Len() != 0 || none.Files() != nil {
		t.Errorf("none has %d entries in %q: %v", none.Len(), none.Files(), err)
	}
}
