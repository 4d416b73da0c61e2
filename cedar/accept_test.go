package cedar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/cedar"
)

// judge is an acceptance that says what it is told to, and remembers what it was asked about.
type judge struct {
	err   error
	tried cedar.Tried
	asked []string // revision and tests
}

func (j *judge) Accept(_ context.Context, s *cedar.Snapshot, tests []cedar.File) (cedar.Tried, error) {
	asked := s.Revision()
	for _, f := range tests {
		asked += fmt.Sprintf(" %s=%s", filepath.Base(f.Name), f.Data)
	}
	j.asked = append(j.asked, asked)
	return j.tried, j.err
}

func TestTestsAreRunBeforePoliciesTakeEffect(t *testing.T) {
	cfg, dir := written(t, map[string]string{
		"policies/a.cedar": someone, "policies/b_test.yaml": "b", "policies/a_test.yaml": "a",
		"policies/notes.yaml": "no test", "policies/.hidden_test.yaml": "nor this", "other_test.yaml": "nor that",
	})
	j := &judge{tried: cedar.Tried{Passed: 2, Skipped: 1}}
	cfg.Accept = j
	store := cedar.NewStore(cfg, slog.New(slog.DiscardHandler))
	at := func(name string) string { return filepath.Join(dir, "policies", name) }
	step := func(want string, asked int) {
		t.Helper()
		err := store.Reload(t.Context())
		switch {
		case want == "" && (err != nil || store.Status().LastError != ""):
			t.Fatalf("reload: %v, status %q", err, store.Status().LastError)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(store.Status().LastError, want)):
			t.Fatalf("reload: %v, status %q, want %q", err, store.Status().LastError, want)
		case len(j.asked) != asked:
			t.Fatalf("asked %d times, want %d: %q", len(j.asked), asked, j.asked)
		}
	}
	step("", 1)
	first, _ := store.Snapshot()
	if want := first.Revision() + " a_test.yaml=a b_test.yaml=b"; j.asked[0] != want {
		t.Errorf("asked about %q, want %q", j.asked[0], want)
	}
	if got := store.Status().Tests; got != j.tried {
		t.Errorf("status has %+v", got)
	}
	step("", 1) // nothing changed, so nobody is asked

	put(t, at("b.cedar"), `@id("b") forbid (principal, action, resource);`)
	j.err = errors.New("a small transfer is denied")
	step("a small transfer", 2)
	step("a small transfer", 2) // remembered
	if now, ok := store.Snapshot(); !ok || now != first {
		t.Fatal("policies that fail their tests took effect")
	}
	put(t, at("a_test.yaml"), "changed") // the tests were wrong, not the policies
	j.err = nil
	step("", 3)
	second, _ := store.Snapshot()
	if second == first || store.Status().Policies != 2 {
		t.Fatal("the repaired tests changed nothing")
	}

	put(t, at("a_test.yaml"), "stricter") // the policies stay the same
	j.err = errors.New("nobody may do this")
	step("nobody may", 4)
	step("nobody may", 4)
	put(t, at("a_test.yaml"), "changed") // taken back
	step("", 4)
	put(t, at("a_test.yaml"), "other")
	j.err = nil
	step("", 5)
	if now, _ := store.Snapshot(); now != second {
		t.Error("other tests replaced the snapshot")
	}

	put(t, at("c.cedar"), `@id("c") permit (principal, action, resource);`)
	j.err = fmt.Errorf("too slow: %w", context.DeadlineExceeded)
	step("too slow", 6)
	step("too slow", 7) // a busy machine is not remembered
	put(t, at("c.cedar"), "permit")
	step("c.cedar:1:", 7) // broken policies are not tried
	if err := os.Remove(at("c.cedar")); err != nil {
		t.Fatal(err)
	}
	step("", 7)
}

func TestLoadRunsTestsToo(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/a.cedar": someone, "policies/a_test.yaml": "a"})
	j := &judge{err: errors.New("a test fails")}
	cfg.Accept = j
	if _, err := cedar.Load(t.Context(), cfg); !errors.Is(err, j.err) {
		t.Errorf("load: %v", err)
	}
	j.err = nil
	if _, err := cedar.Load(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	t.Run("of a source", func(t *testing.T) {
		tests := []cedar.File{{Name: "tests/x.yaml", Data: []byte("x")}}
		from := sourced(&given{files: &cedar.Files{
			Policies: []cedar.File{{Name: "policies/a.cedar", Data: []byte(someone)}}, Tests: tests,
		}})
		from.Accept = j
		s, err := cedar.Load(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := j.asked[len(j.asked)-1], s.Revision()+" x.yaml=x"; got != want {
			t.Errorf("asked about %q, want %q", got, want)
		}
	})
	t.Run("files that are only read", func(t *testing.T) {
		for accept, want := range map[cedar.Acceptance]int{nil: 0, j: 1} {
			cfg.Accept = accept
			files, err := cedar.ReadFiles(t.Context(), cfg)
			if err != nil || len(files.Tests) != want {
				t.Errorf("%v with %d tests, want %d", err, len(files.Tests), want)
			}
		}
	})
	t.Run("a test that cannot be read", func(t *testing.T) {
		cfg, dir := written(t, map[string]string{"policies/a.cedar": someone})
		if err := os.Mkdir(filepath.Join(dir, "policies", "x_test.yaml"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := cedar.Load(t.Context(), cfg); err != nil {
			t.Errorf("nobody runs tests: %v", err)
		}
		cfg.Accept = j
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "x_test.yaml: not a regular file") {
			t.Errorf("load: %v", err)
		}
	})
}

// Probes of the status must not wait for tests.
func TestStatusDoesNotWaitForAReload(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/a.cedar": someone})
	trying, goOn := make(chan struct{}), make(chan struct{})
	cfg.Accept = acceptFunc(func() { close(trying); <-goOn })
	var log bytes.Buffer
	store := cedar.NewStore(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	done := make(chan error)
	go func() { done <- store.Reload(t.Context()) }()
	<-trying
	if got := store.Status(); got.Revision != "" {
		t.Errorf("status %+v before the tests passed", got)
	}
	if _, ok := store.Snapshot(); ok {
		t.Error("in force before the tests passed")
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if store.Status().Revision == "" || !strings.Contains(log.String(), "tests=7") {
		t.Errorf("status %+v, log %s", store.Status(), log.String())
	}
}

type acceptFunc func()

func (f acceptFunc) Accept(context.Context, *cedar.Snapshot, []cedar.File) (cedar.Tried, error) {
	f()
	return cedar.Tried{Passed: 7}, nil
}
