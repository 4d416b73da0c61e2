package denial_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"countersign.dev/authz/denial"
)

func TestErrorKeepsReasonDetailAndCause(t *testing.T) {
	err := denial.New(denial.TokenExpired, "expired at %d: %w", 7, io.EOF)
	if err.Reason != denial.TokenExpired || err.Detail != "expired at 7: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("got %+v", err)
	}
	if got, want := err.Error(), "expired: expired at 7: EOF"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got := denial.New(denial.Cancelled, "").Error(); got != "cancelled" {
		t.Errorf("without detail: Error() = %q", got)
	}
	if err := denial.New(denial.Internal, "alone"); err.Unwrap() != nil {
		t.Errorf("without a cause: Unwrap() = %v", err.Unwrap())
	}
	both := denial.New(denial.Internal, "%w and %w", io.EOF, fs.ErrNotExist)
	if !errors.Is(both, io.EOF) || !errors.Is(both, fs.ErrNotExist) {
		t.Errorf("of two causes, at least one got lost: %v", both.Cause)
	}
}

func TestReasonOf(t *testing.T) {
	foreign := denial.New(denial.SessionForeign, "x")
	for _, test := range []struct {
		name string
		err  error
		want denial.Reason
	}{
		{"a refusal", foreign, denial.SessionForeign},
		{"a wrapped refusal", fmt.Errorf("while checking: %w", foreign), denial.SessionForeign},
		{"a refusal that wraps another: the outer one counts", denial.New(denial.PolicyError, "%w", foreign), denial.PolicyError},
		{"joined refusals: the first counts", errors.Join(io.EOF, foreign, denial.New(denial.Revoked, "")), denial.SessionForeign},
		{"an error nobody foresaw", io.EOF, denial.Internal},
		{"no error at all, asked by mistake", nil, denial.Internal},
		{"a refusal without a reason", &denial.Error{Detail: "x"}, denial.Internal},
		{"a nil refusal in an error", (*denial.Error)(nil), denial.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := denial.ReasonOf(test.err); got != test.want {
				t.Errorf("ReasonOf = %q, want %q", got, test.want)
			}
		})
	}
}

func TestClassesOfReasons(t *testing.T) {
	for reason, want := range map[denial.Reason]denial.Class{
		denial.PeerMissing: denial.ClassPeer, denial.JSONDuplicateKey: denial.ClassMalformed,
		denial.TokenExpired: denial.ClassCredential, denial.Revoked: denial.ClassCredential,
		denial.ScopeNotGranted: denial.ClassScope, denial.PolicyForbidden: denial.ClassPolicy,
		denial.CeilingExceeded: denial.ClassPolicy, denial.SessionForeign: denial.ClassSession,
		denial.AuditFailed: denial.ClassInternal, "": denial.ClassInternal,
	} {
		if got := reason.Class(); got != want {
			t.Errorf("%q is of class %v, want %v", reason, got, want)
		}
	}
}
