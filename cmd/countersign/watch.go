package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// maxDebounce is how many debounce times a stream of events that never pauses can put off the reload.
const maxDebounce = 10

// watcher notices that files changed. Events of the file system are hints only: some file systems have none, and
// some swaps are reported late. Therefore a slow poll comes on top.
type watcher struct {
	paths    func() []string
	poll     time.Duration
	debounce time.Duration
	log      *slog.Logger

	// Owned by run.
	notify   *fsnotify.Watcher // nil if the system has none to give
	interest map[string]*interest
	refused  map[string]bool // directories that can not be watched, logged once
}

// interest is what matters in one directory that is watched.
type interest struct {
	all   bool            // everything in it
	names map[string]bool // these entries
}

// newWatcher watches the files and directories that paths returns at any time. Poll is the time between two calls
// that need no event; debounce is how long events must pause before a call.
func newWatcher(paths func() []string, poll, debounce time.Duration, log *slog.Logger) *watcher {
	return &watcher{paths: paths, poll: poll, debounce: debounce, log: log, refused: make(map[string]bool)}
}

// run calls changed after files may have changed, and at every poll, until ctx ends. Calls never overlap.
func (w *watcher) run(ctx context.Context, changed func(context.Context)) {
	var events chan fsnotify.Event
	var failures chan error
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.Warn("file events are not available, files are polled only", "error", err)
	} else {
		defer func() { _ = notify.Close() }() // only releases it
		w.notify, events, failures = notify, notify.Events, notify.Errors
	}
	w.sync()

	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	quiet := time.NewTimer(w.debounce)
	quiet.Stop()
	defer quiet.Stop()
	var first time.Time // of the events since the last call; zero if there were none
	postpone := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		quiet.Reset(min(w.debounce, first.Add(maxDebounce*w.debounce).Sub(now)))
	}
	call := func() {
		first = time.Time{}
		quiet.Stop()
		changed(ctx)
		// The paths may be others now. What happened in a new directory before it was watched brought no event.
		if w.sync() {
			postpone()
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if w.matters(event) {
				postpone()
			}
		case err := <-failures:
			// Events may have been lost.
			w.log.Warn("watching files", "error", err)
			postpone()
		case <-quiet.C:
			call()
		case <-poll.C:
			call()
		}
	}
}

// sync watches the directories that matter now and no others. It reports whether any is new. A directory that does
// not exist is tried again at the next call.
func (w *watcher) sync() (grown bool) {
	if w.notify == nil {
		return false
	}
	w.interest = make(map[string]*interest)
	for _, path := range w.paths() {
		w.want(path)
	}
	watched := w.notify.WatchList()
	for _, dir := range watched {
		if w.interest[dir] == nil {
			_ = w.notify.Remove(dir) // fails if the directory is gone, and then so is the watch
		}
	}
	for dir := range w.interest {
		if slices.Contains(watched, dir) {
			continue
		}
		if err := w.notify.Add(dir); err != nil {
			if !w.refused[dir] {
				w.log.Warn("a directory can not be watched, it is polled only", "directory", dir, "error", err)
			}
			w.refused[dir] = true
			continue
		}
		w.log.Debug("watching", "directory", dir)
		grown = true
	}
	return grown
}

// want notes which directories must be watched for a path. Files are watched through their directory: an editor or
// a mounted volume replaces a file rather than writing to it.
func (w *watcher) want(path string) {
	path = filepath.Clean(path)
	if parent := w.at(filepath.Dir(path)); parent != nil {
		parent.names[filepath.Base(path)] = true
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if dir := w.at(path); dir != nil {
			dir.all = true
		}
	}
}

// at returns the interest in a directory, under its real path so that one directory has one name; nil if there is no
// such directory.
func (w *watcher) at(dir string) *interest {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil
	}
	if w.interest[dir] == nil {
		w.interest[dir] = &interest{names: make(map[string]bool)}
	}
	return w.interest[dir]
}

// matters reports whether an event can mean a change of what is watched.
func (w *watcher) matters(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod { // access times, indexers, backups
		return false
	}
	if w.interest[event.Name] != nil { // the directory itself moved or is gone
		return true
	}
	in := w.interest[filepath.Dir(event.Name)]
	if in == nil {
		return false
	}
	name := filepath.Base(event.Name)
	// Kubernetes replaces all files of a mounted volume by renaming the link ..data.
	return in.all || in.names[name] || strings.HasPrefix(name, "..")
}
