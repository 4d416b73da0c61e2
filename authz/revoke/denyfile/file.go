// Package denyfile reads revocations from a deny-list file. It is apart from package revoke so that those who only match
// tokens against revocations need no YAML.
package denyfile

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"countersign.dev/authz/revoke"
)

// MaxFile is the largest deny-list file in bytes: about 300,000 entries. While it is read, the YAML tree takes some 70
// times the size of the file in memory; afterwards an entry takes about 150 bytes.
const MaxFile = 16 << 20

// File is a deny-list file. It is safe for concurrent use.
type File struct {
	path   string // empty for none
	list   atomic.Pointer[revoke.List]
	reload sync.Mutex // one at a time, so that an older content cannot replace a newer one
}

// OpenFile reads a deny-list file. A file that is missing or does not parse is an error: starting without it would
// revive what was revoked.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if err := f.Reload(context.Background()); err != nil {
		return nil, err
	}
	return f, nil
}

// None returns a source that has no file and no entries.
func None() *File {
	f := &File{}
	f.list.Store(&revoke.List{})
	return f
}

// Reload reads the file again. On an error the last good list stays in force.
func (f *File) Reload(ctx context.Context) error {
	f.reload.Lock()
	defer f.reload.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("reading the revocations %s: %w", f.path, err)
	}
	if f.path == "" {
		return nil
	}
	data, err := f.read()
	if err != nil {
		return fmt.Errorf("reading the revocations: %w", err)
	}
	list, err := Parse(f.path, data)
	if err != nil {
		return err
	}
	f.list.Store(list)
	return nil
}

func (f *File) read() ([]byte, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	// One byte more than allowed, so that Parse sees that it is too long.
	return io.ReadAll(io.LimitReader(file, MaxFile+1))
}

// Revoked returns the entry that one of the marks hits, if any. It never fails: the last good list always answers.
func (f *File) Revoked(_ context.Context, marks revoke.Marks, now time.Time) (revoke.Entry, bool, error) {
	e, revoked := f.list.Load().Match(marks, now)
	return e, revoked, nil
}

// Files returns the path to watch for changes.
func (f *File) Files() []string {
	if f.path == "" {
		return nil
	}
	return []string{f.path}
}

// Len returns the number of entries, expired ones included.
func (f *File) Len() int { return f.list.Load().Len() }
