package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// unfinished matches files that a crash left behind. Servers do not read them.
const unfinished = ".countersign-*.tmp"

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return data, nil
}

// putFile makes or replaces a file in one step, so that nobody ever reads half of it. Until finish is done with it, only
// its owner can read it; what finish refuses leaves no trace.
func putFile(path string, data []byte, finish func(*os.File) error) error {
	part, err := os.CreateTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	if err == nil {
		err = finish(part)
	}
	err = errors.Join(err, part.Sync(), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return nil
}

// publish puts a file that everybody may read. One that was there keeps its permissions.
func publish(path string, data []byte) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := putFile(path, data, func(f *os.File) error { return f.Chmod(mode) }); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
