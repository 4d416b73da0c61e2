package bundle

import "fmt"

// Floor remembers the highest bundle that was accepted, below which there is no way back. The zero value remembers none.
type Floor struct {
	// Counter and Digest are those of the highest bundle; 0 and empty for none.
	Counter uint64
	Digest  string
}

// Check returns an error for a bundle that is older than the highest one, and for another one with the same counter.
func (f Floor) Check(b *Bundle) error {
	switch {
	case b.Manifest.Counter < f.Counter:
		return fmt.Errorf("bundle %d is older than %d, which was accepted before", b.Manifest.Counter, f.Counter)
	case b.Manifest.Counter == f.Counter && b.Digest != f.Digest:
		return fmt.Errorf("bundle %d is not the one of that counter that was accepted before: "+
			"another content needs a higher counter", f.Counter)
	}
	return nil
}

// Raise returns the floor once a bundle was accepted.
func (f Floor) Raise(b *Bundle) Floor {
	if b.Manifest.Counter < f.Counter {
		return f
	}
	return Floor{b.Manifest.Counter, b.Digest}
}
