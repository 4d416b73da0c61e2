package revoke

import (
	"context"
	"errors"
	"time"
)

// Source knows revocations. An error means that it cannot tell.
type Source interface {
	// Revoked returns the entry that one of the marks hits, if any.
	Revoked(ctx context.Context, marks Marks, now time.Time) (Entry, bool, error)
}

// Sources asks all of its sources. What one of them revokes is revoked, even if others cannot tell.
type Sources []Source

// Revoked implements [Source]. It fails if no source revokes and one of them cannot tell.
func (s Sources) Revoked(ctx context.Context, marks Marks, now time.Time) (Entry, bool, error) {
	var unknown []error
	for _, source := range s {
		e, revoked, err := source.Revoked(ctx, marks, now)
		switch {
		case err != nil:
			unknown = append(unknown, err)
		case revoked:
			return e, true, nil
		}
	}
	return Entry{}, false, errors.Join(unknown...)
}
