// Package denial is the vocabulary of refusals: one typed [Reason] for every way in which a request can be
// turned down, and the [Error] that carries it through the rooms of authz.
//
// Reasons are stable: they appear in audit records, metrics, Envoy's dynamic metadata and, where the caller may
// know them, in the answer. The detail of an [Error] is for operators only and never reaches the caller.
package denial

import (
	"errors"
	"fmt"
)

// Error is a refusal. It is returned by every room that can refuse, and turned into an answer in one place.
type Error struct {
	// Reason says which rule was broken.
	Reason Reason
	// Detail tells an operator what was seen. It may quote short parts of the request, never a token.
	Detail string
	// Cause is the underlying error, if any.
	Cause error
}

// New returns a refusal with a formatted detail. A %w verb sets its cause; several set it to all of them.
func New(reason Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the error made here, not one it wraps
		cause = errors.Join(many.Unwrap()...)
	}
	return &Error{Reason: reason, Detail: err.Error(), Cause: cause}
}

// Error implements error as "reason: detail".
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ReasonOf returns the reason that err carries, or [Internal] for an error that carries none: whatever nobody
// foresaw is refused as our own failure. It never returns the empty reason, which would mean that nothing was refused.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && e.Reason != "" {
		return e.Reason
	}
	return Internal
}
