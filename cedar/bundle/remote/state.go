package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"countersign.dev/cedar/bundle"
)

// restore reads the state file once. It fails where the highest counter cannot be known, and then no bundle is taken.
func (s *Source) restore() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restored || s.cfg.StateFile == "" {
		return nil
	}
	data, err := readFile(s.cfg.StateFile, bundle.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		s.restored = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("the last good bundle: %w", err)
	}
	// Who signed does not matter for this: a counter can only keep bundles out.
	b, err := bundle.Read(data, bundle.TrustAnybody())
	if err != nil {
		return fmt.Errorf("the last good bundle in %s: %w: nobody knows how old a bundle may be; remove the file to begin "+
			"without that memory", s.cfg.StateFile, err)
	}
	if b.Manifest.Name != s.cfg.Name {
		return fmt.Errorf("the last good bundle in %s is for %q, not %q: every name needs a file of its own",
			s.cfg.StateFile, b.Manifest.Name, s.cfg.Name)
	}
	trust, err := bundle.TrustFile(s.cfg.KeysFile)
	if err != nil {
		return err
	}
	s.restored, s.kept = true, b.Digest
	s.floor = s.floor.Raise(b)
	now := time.Now()
	if s.newest, err = s.verify(data, trust, now); err != nil {
		s.log.Warn("the last good bundle does not decide", "file", s.cfg.StateFile, "counter", b.Manifest.Counter, "error", err)
		return nil
	}
	s.status.Verified = revision(s.newest.Bundle, now)
	return nil
}

// keep writes the bundle that came in force to the state file. A failure does not end what is in force: a new forbid must not
// wait for space on a disk. It is called with mu held.
func (s *Source) keep(b *held) {
	if s.cfg.StateFile == "" || s.kept == b.Digest {
		return
	}
	s.keepErr = replace(s.cfg.StateFile, b.data)
	if s.keepErr == nil {
		s.kept = b.Digest
	}
}

// replace writes a file in one step, which survives a power failure or did not happen.
func replace(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping the last good bundle: %w", err)
		}
	}()
	dir := filepath.Dir(path)
	part, err := os.CreateTemp(dir, ".countersign-*.tmp") // readable by its owner only
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	err = errors.Join(err, part.Sync(), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	parent, err := os.Open(dir) //nolint:gosec // from the operator's configuration
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
