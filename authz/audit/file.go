package audit

import (
	"fmt"
	"os"
)

// File is a [Log] that appends to a file. It is safe for concurrent use.
type File struct {
	Log
	path string
	file *os.File // guarded by Log.mu
}

// OpenFile opens a file for appending and creates it, readable by its owner only, if it does not exist.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if err := f.Reopen(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reopen opens the path again, for log rotation: move the file away, then call Reopen. If it cannot be opened, records
// go on to the old file.
func (f *File) Reopen() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	f.mu.Lock()
	old := f.file
	f.file, f.w, f.torn = file, file, false
	f.mu.Unlock()
	if old == nil {
		return nil
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("closing the previous audit log: %w", err)
	}
	return nil
}

// Close closes the file. Later records are errors.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("closing the audit log: %w", err)
	}
	return nil
}
