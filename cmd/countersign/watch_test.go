package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// never is a time that no test lives to see.
const never = time.Hour

// watching is a watcher under test.
type watching struct {
	calls       chan struct{} // one value per call of the callback
	directories chan string   // every directory when it is first watched
	paths       atomic.Pointer[[]string]
	stop        func() // ends the watcher and waits for that
}

func (w *watching) set(paths ...string) { w.paths.Store(&paths) }

// directoryLog is a log handler that tells which directories are watched.
type directoryLog struct {
	slog.Handler
	directories chan string
}

func (l directoryLog) Enabled(context.Context, slog.Level) bool { return true }

func (l directoryLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "watching" {
		r.Attrs(func(a slog.Attr) bool {
			l.directories <- a.Value.String()
			return true
		})
	}
	return nil
}

func startWatching(t *testing.T, poll time.Duration, paths ...string) *watching {
	t.Helper()
	w := &watching{calls: make(chan struct{}, 1000), directories: make(chan string, 1000)}
	w.set(paths...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	log := slog.New(directoryLog{slog.DiscardHandler, w.directories})
	go func() {
		defer close(done)
		newWatcher(func() []string { return *w.paths.Load() }, poll, time.Millisecond, log).
			run(ctx, func(context.Context) { w.calls <- struct{}{} })
	}()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

// waitFor waits until exactly these directories have become watched, in any order.
func (w *watching) waitFor(t *testing.T, directories ...string) {
	t.Helper()
	for range directories {
		select {
		case got := <-w.directories:
			if !slices.ContainsFunc(directories, func(want string) bool { return realPath(t, want) == got }) {
				t.Fatalf("watching %s, want %v", got, directories)
			}
		case <-t.Context().Done():
			t.Fatal("the test ended")
		}
	}
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// called waits for a call.
func (w *watching) called() { <-w.calls }

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestChangesOfAFile(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"written in place": func(t *testing.T, path string) { replaceFile(t, path, "new") },
		"replaced by an editor": func(t *testing.T, path string) {
			replaceFile(t, path+".swp", "new")
			rename(t, path+".swp", path)
		},
		"removed": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "revocations.yaml")
			replaceFile(t, path, "old")
			w := startWatching(t, never, path)
			w.waitFor(t, dir)
			change(t, path)
			w.called()
		})
	}
}

func TestAFileThatAppearsLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "revocations.yaml")
	w := startWatching(t, never, path)
	w.waitFor(t, dir)
	replaceFile(t, path, "here")
	w.called()
}

func TestAnyFileInANamedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policies")
	makeDir(t, dir)
	w := startWatching(t, never, dir)
	w.waitFor(t, dir, filepath.Dir(dir))
	replaceFile(t, filepath.Join(dir, "new.cedar"), "permit(principal, action, resource);")
	w.called()
}

func TestNeighboursOfAFileDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "revocations.yaml")
	replaceFile(t, path, "old")
	w := startWatching(t, never, path)
	w.waitFor(t, dir)
	// An audit log in the same directory must not cause a reload for every record.
	for range 100 {
		replaceFile(t, filepath.Join(dir, "audit.log"), "record")
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	replaceFile(t, filepath.Join(dir, "next"), "new")
	rename(t, filepath.Join(dir, "next"), path) // one event that matters, after all those that do not
	w.called()
	w.stop()
	if n := len(w.calls); n != 0 {
		t.Errorf("%d calls too many", n)
	}
}

func TestAConfigMapSwap(t *testing.T) {
	for name, watched := range map[string]func(dir string) string{
		"of a file in it":      func(dir string) string { return filepath.Join(dir, "entities.json") },
		"of the directory":     func(dir string) string { return dir },
		"through another link": func(dir string) string { return dir + "-link" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mount")
			swap := func(generation string) {
				data := filepath.Join(dir, generation)
				makeDir(t, data)
				replaceFile(t, filepath.Join(data, "entities.json"), generation)
				link(t, generation, filepath.Join(dir, "..data_tmp"))
				rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
			}
			swap("..2026_11_01")
			link(t, filepath.Join("..data", "entities.json"), filepath.Join(dir, "entities.json"))
			link(t, dir, dir+"-link")
			path := watched(dir)
			w := startWatching(t, never, path)
			if directories := []string{dir}; filepath.Base(path) == "entities.json" {
				w.waitFor(t, directories...)
			} else {
				w.waitFor(t, dir, filepath.Dir(dir))
			}
			for _, generation := range []string{"..2026_11_02", "..2026_11_03"} {
				swap(generation)
				w.called()
			}
		})
	}
}

func TestADirectoryThatIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policies")
	makeDir(t, dir)
	makeDir(t, dir+".new")
	w := startWatching(t, never, dir)
	w.waitFor(t, dir, filepath.Dir(dir))
	rename(t, dir, dir+".old")
	rename(t, dir+".new", dir)
	w.waitFor(t, dir) // the new one, after a call
	w.called()
	w.called() // for what happened before the new one was watched
	replaceFile(t, filepath.Join(dir, "new.cedar"), "")
	w.called()
}

func TestALinkToADirectoryThatIsTurned(t *testing.T) {
	base := t.TempDir()
	blue, green, current := filepath.Join(base, "blue"), filepath.Join(base, "green"), filepath.Join(base, "current")
	makeDir(t, blue)
	makeDir(t, green)
	link(t, blue, current)
	w := startWatching(t, never, current)
	w.waitFor(t, base, blue)
	link(t, green, filepath.Join(base, "tmp"))
	rename(t, filepath.Join(base, "tmp"), current)
	w.waitFor(t, green)
	w.called()
	w.called()
	replaceFile(t, filepath.Join(green, "new.cedar"), "")
	w.called()
}

func TestPathsThatChangeWithAReload(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	w := startWatching(t, never, filepath.Join(first, "a"))
	w.waitFor(t, first)
	w.set(filepath.Join(second, "b"))
	replaceFile(t, filepath.Join(first, "a"), "")
	w.called()
	w.waitFor(t, second)
	w.called() // the second directory was not watched until now
	replaceFile(t, filepath.Join(second, "b"), "")
	w.called()
}

func TestThePollFindsAMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	w := startWatching(t, time.Millisecond, filepath.Join(dir, "revocations.yaml"))
	w.called() // polls go on without any directory
	w.called()
	makeDir(t, dir)
	w.waitFor(t, dir)
}

func TestCallsDoNotOverlapAndEventsAreCollected(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	directories := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		newWatcher(func() []string { return []string{path} }, never, time.Millisecond,
			slog.New(directoryLog{slog.DiscardHandler, directories})).run(ctx, func(context.Context) {
			if running.Add(1) != 1 {
				t.Error("two calls at a time")
			}
			select {
			case entered <- struct{}{}:
				<-leave
			case <-ctx.Done():
			}
			running.Add(-1)
		})
	}()
	<-directories
	replaceFile(t, path, "1")
	<-entered
	for range 50 {
		replaceFile(t, path, "2") // while the callback runs
	}
	leave <- struct{}{}
	<-entered // what happened meanwhile is not lost
	cancel()
	leave <- struct{}{}
	<-done
}

func TestAStreamOfEventsDoesNotPutOffTheCallForEver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	directories, called := make(chan string, 10), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go newWatcher(func() []string { return []string{path} }, never, 50*time.Millisecond,
		slog.New(directoryLog{slog.DiscardHandler, directories})).run(ctx, func(context.Context) { called <- struct{}{} })
	<-directories
	for {
		select {
		case <-called:
			return
		default:
			replaceFile(t, path, "more") // never a pause of 50 ms, unless the machine makes one
		}
	}
}
