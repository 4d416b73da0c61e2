package revoke

import (
	"context"
	"errors"
	"time"

	"countersign.dev/authz/denial"
)

// Source knows revocations. An error means that it cannot tell.
type Source interface {
	// Revoked returns the entry that one of the marks hits, if any.
	Revoked(ctx context.Context, marks Marks, now time.Time) (Entry, bool, error)
}

// Refuse asks a source and turns what it says into a refusal: [denial.Revoked] if one of the marks is revoked, and
// [denial.RevocationUnknown] if it cannot tell.
func Refuse(ctx context.Context, source Source, marks Marks, now time.Time) error {
	entry, revoked, err := source.Revoked(ctx, marks, now)
	switch {
	case err != nil:
		return denial.New(denial.RevocationUnknown, "asking for revocations: %w", err)
	case revoked:
		return denial.New(denial.Revoked, "%s is revoked: %s", entry, entry.Reason)
	}
	return nil
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
