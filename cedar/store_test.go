package cedar_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

func TestStoreKeepsTheLastGood(t *testing.T) {
	cfg, dir := written(t, map[string]string{"policies/a.cedar": someone})
	var log bytes.Buffer
	store := cedar.NewStore(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if _, ok := store.Snapshot(); ok {
		t.Fatal("a snapshot before the first load")
	}
	if got := store.Status(); got != (cedar.Status{}) {
		t.Errorf("status before the first load: %+v", got)
	}
	reload := func() error { return store.Reload(t.Context()) }
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	good, ok := store.Snapshot()
	if !ok {
		t.Fatal("no snapshot after a good load")
	}
	loaded := store.Status()
	if loaded.Revision != good.Revision() || loaded.Policies != 1 || loaded.LoadedAt.IsZero() || loaded.LastError != "" {
		t.Errorf("status %+v", loaded)
	}

	t.Run("unchanged files change nothing", func(t *testing.T) {
		if err := reload(); err != nil {
			t.Fatal(err)
		}
		if same, _ := store.Snapshot(); same != good {
			t.Error("the snapshot was replaced")
		}
		if got := store.Status(); got.LoadedAt != loaded.LoadedAt || !got.LastAttempt.After(loaded.LastAttempt) {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("one broken file changes nothing, not even the good ones", func(t *testing.T) {
		put(t, filepath.Join(dir, "policies", "b.cedar"), `@id("b") forbid (principal, action, resource);`)
		put(t, filepath.Join(dir, "policies", "c.cedar"), `@id("c") permit (principal`)
		first := reload()
		if first == nil {
			t.Fatal("loaded")
		}
		if same, _ := store.Snapshot(); same != good {
			t.Error("the snapshot was replaced")
		}
		got := store.Status()
		if got.Revision != loaded.Revision || !strings.Contains(got.LastError, "c.cedar:1:") {
			t.Errorf("status %+v", got)
		}
		if again := reload(); again == nil || again.Error() != first.Error() {
			t.Errorf("the same mistake is reported as %v", again)
		}
	})
	t.Run("taking the change back clears the error", func(t *testing.T) {
		for _, name := range []string{"b.cedar", "c.cedar"} {
			if err := os.Remove(filepath.Join(dir, "policies", name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := reload(); err != nil {
			t.Fatal(err)
		}
		if same, _ := store.Snapshot(); same != good {
			t.Error("the snapshot was replaced")
		}
		if got := store.Status(); got.LastError != "" {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("a directory that vanishes changes nothing", func(t *testing.T) {
		moved := filepath.Join(dir, "moved")
		if err := os.Rename(cfg.Policies, moved); err != nil {
			t.Fatal(err)
		}
		if reload() == nil {
			t.Fatal("loaded")
		}
		if same, ok := store.Snapshot(); !ok || same != good {
			t.Error("the snapshot was replaced")
		}
		if err := os.Rename(moved, cfg.Policies); err != nil {
			t.Fatal(err)
		}
		if err := reload(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a good change takes effect", func(t *testing.T) {
		put(t, filepath.Join(dir, "policies", "a.cedar"), someone+"\n"+`@id("b") forbid (principal, action, resource);`)
		if err := reload(); err != nil {
			t.Fatal(err)
		}
		next, _ := store.Snapshot()
		if next == good || next.Revision() == good.Revision() {
			t.Error("the snapshot was not replaced")
		}
		if got := store.Status(); got.Revision != next.Revision() || got.Policies != 2 {
			t.Errorf("status %+v", got)
		}
		if got := good.Authorize(t.Context(), from("/planner", "crm", method("ping"))); !got.Allowed {
			t.Errorf("a request that began with the old snapshot must end with it: %+v", got)
		}
	})
	if got := strings.Count(log.String(), "policy loaded"); got != 2 {
		t.Errorf("%d loads in the log, want 2:\n%s", got, log.String())
	}
}

func TestStoreFiles(t *testing.T) {
	store := cedar.NewStore(acme(), slog.New(slog.DiscardHandler))
	want := []string{
		"testdata/acme/policies", "testdata/acme/entities.json",
		"testdata/acme/tools/crm.json", "testdata/acme/tools/ledger.json",
	}
	if diff := cmp.Diff(want, store.Files()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
