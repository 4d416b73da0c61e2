package cedar

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
)

// Acceptance has the last word on a snapshot that passed every other check: it runs the tests that came with it. Package
// policytest has one.
type Acceptance interface {
	// Accept returns an error if the snapshot must not take effect. Tests are in the order of their names; there may be none.
	// What Accept says depends on nothing but the snapshot and the tests, so that it is not asked again about the same, unless
	// its error is that of a context.
	Accept(ctx context.Context, s *Snapshot, tests []File) (Tried, error)
}

// Tried counts the tests that a snapshot passed.
type Tried struct {
	// Passed is how many it passed: all that were run.
	Passed int `json:"passed"`
	// Skipped is how many are not about this installation.
	Skipped int `json:"skipped"`
}

// accept asks cfg.Accept, if there is any.
func (c Config) accept(ctx context.Context, s *Snapshot, src *sources) (Tried, error) {
	if c.Accept == nil {
		return Tried{}, nil
	}
	tests := make([]File, len(src.tests))
	for i, f := range src.tests {
		tests[i] = File{f.name, f.data}
	}
	return c.Accept.Accept(ctx, s, tests)
}

// attempt is the digest of everything that an attempt to load depends on: that of what decides, and the tests. Their names
// count, because they say how to read them.
func (s *sources) attempt(digest [sha256.Size]byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(digest[:])
	for _, f := range s.tests {
		for _, part := range [][]byte{[]byte(f.name), f.data} {
			var size [8]byte
			binary.BigEndian.PutUint64(size[:], uint64(len(part)))
			h.Write(size[:])
			h.Write(part)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
