package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// How soon a command with --watch runs again after a change.
const (
	watchPoll     = 2 * time.Second
	watchDebounce = 200 * time.Millisecond
)

// watchFlag declares --watch.
func watchFlag(cmd *cobra.Command, watch *bool) {
	cmd.Flags().BoolVarP(watch, "watch", "w", false, "run again whenever a file changes, until Ctrl-C")
}

// rerun runs job once; with watch, again after every change of what paths returns, until ctx ends. A failure is
// printed and does not end it.
func rerun(
	ctx context.Context, out io.Writer, watch bool, paths func() []string, job func(context.Context) error,
) error {
	if !watch {
		return job(ctx)
	}
	again := func(ctx context.Context) {
		if err := job(ctx); err != nil && !errors.Is(err, errFound) {
			_, _ = fmt.Fprintf(out, "countersign: %s\n", err)
		}
		_, _ = fmt.Fprintf(out, "-- %s: waiting for changes; Ctrl-C ends\n", time.Now().Format(time.TimeOnly))
	}
	before := fingerprint(paths())
	again(ctx)
	w := newWatcher(paths, watchPoll, watchDebounce, slog.New(slog.DiscardHandler))
	w.run(ctx, func(ctx context.Context) {
		if now := fingerprint(paths()); now != before {
			before = now
			again(ctx)
		}
	})
	return nil
}

// watchedExtensions are those of the files in a directory that a command may read. What it prints may lie beside them.
var watchedExtensions = []string{".cedar", ".json", ".yaml", ".gz"}

// fingerprint changes when one of the files does, or what may be read in one of the directories.
func fingerprint(paths []string) string {
	h := sha256.New()
	note := func(path string) {
		info, err := os.Stat(path)
		if err != nil {
			_, _ = fmt.Fprintf(h, "%q gone\n", path)
			return
		}
		_, _ = fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
	for _, path := range paths {
		note(path)
		entries, err := os.ReadDir(path)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if slices.Contains(watchedExtensions, filepath.Ext(entry.Name())) {
				note(filepath.Join(path, entry.Name()))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
