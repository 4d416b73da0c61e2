package revoke

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// The kinds of [Entry.Kind], as they are spelt in files and requests.
const (
	KindJTI     = "jti"    // one token, by its jti claim
	KindTxn     = "txn"    // all tokens of a transaction
	KindTask    = "task"   // all tokens for a task
	KindSubject = "sub"    // all tokens of a user
	KindActor   = "actor"  // a workload anywhere in a chain, as peer or actor; or all below a path
	KindKeyID   = "kid"    // all tokens signed with a key
	KindBefore  = "before" // all tokens issued before a time, or those of one issuer, one user or both
)

// KindStatus is what a Token Status List revoked. It comes from there alone: no entry of a deny-list has it.
const KindStatus = "status"

var kinds = []string{KindJTI, KindTxn, KindTask, KindSubject, KindActor, KindKeyID, KindBefore}

// Kinds returns the kinds that an entry may have. [KindStatus] is not among them: only an issuer's status list has it.
func Kinds() []string { return slices.Clone(kinds) }

// Limits of an entry, in bytes.
const (
	MaxValue  = 2048 // the longest SPIFFE ID (SPIFFE-ID, section 2.3), and more than any other name
	MaxReason = 256
)

// Entry is one revocation.
type Entry struct {
	// Kind is one of the Kind constants.
	Kind string
	// Value is what is revoked; for [KindActor] a SPIFFE ID, or one with a final "/*" for all workloads below it; for
	// [KindBefore] a time (RFC 3339), before which tokens were issued.
	Value string
	// Issuer and Subject narrow [KindBefore] to the tokens of an issuer, of a user, or of both. Otherwise empty.
	Issuer, Subject string
	// Reason is for operators.
	Reason string
	// Expires is when the entry stops to count; zero means never.
	Expires time.Time
	// By is the SPIFFE ID of the workload that revoked, and Added when it did. Empty in a file.
	By    string
	Added time.Time
}

// ID names the entry: two entries with one ID revoke the same. It consists of 22 letters, digits, "-" and "_".
func (e Entry) ID() string {
	value := e.Value
	if e.Kind == KindBefore {
		value = e.before().Format(time.RFC3339Nano) // one time can be written in many ways
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{e.Kind, value, e.Issuer, e.Subject}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// String describes what is revoked, such as "task case-4711".
func (e Entry) String() string {
	text := e.Kind + " " + e.Value
	if e.Issuer != "" {
		text += " of issuer " + e.Issuer
	}
	if e.Subject != "" {
		text += " of sub " + e.Subject
	}
	return text
}

// Check returns what is wrong with the entry, and how to put it right.
func (e Entry) Check() error {
	if !slices.Contains(kinds, e.Kind) {
		return fmt.Errorf("%.80q cannot be revoked: use one of %s", e.Kind, strings.Join(kinds, ", "))
	}
	if e.Value == "" {
		return fmt.Errorf("%s is empty: give it a value", e.Kind)
	}
	if e.Kind != KindBefore && (e.Issuer != "" || e.Subject != "") {
		return fmt.Errorf("issuer and subject belong to before, not to %s", e.Kind)
	}
	for _, text := range []struct {
		name, value string
		limit       int
	}{
		{e.Kind, e.Value, MaxValue}, {"issuer", e.Issuer, MaxValue}, {"subject", e.Subject, MaxValue},
		{"reason", e.Reason, MaxReason}, {"by", e.By, MaxValue},
	} {
		if err := checkText(text.value, text.limit); err != nil {
			return fmt.Errorf("%s %w", text.name, err)
		}
	}
	switch e.Kind {
	case KindActor:
		return checkActor(e.Value)
	case KindBefore:
		if t, err := time.Parse(time.RFC3339, e.Value); err != nil || t.IsZero() {
			return errors.New("before is not a time: write it like 2026-12-01T00:00:00Z")
		}
	}
	return nil
}

func checkText(text string, limit int) error {
	switch {
	case len(text) > limit:
		return fmt.Errorf("is longer than %d bytes", limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("is not UTF-8, or has control characters")
	case strings.TrimSpace(text) != text:
		return errors.New("has blanks around it: remove them")
	}
	return nil
}

func checkActor(value string) error {
	prefix, isPrefix := strings.CutSuffix(value, "/*")
	id, err := spiffeid.FromString(prefix)
	switch {
	case err != nil:
		return fmt.Errorf("actor %q is not a SPIFFE ID (%w): write spiffe://trust-domain/path, or end it with /*", value, err)
	case !isPrefix && id.Path() == "":
		return fmt.Errorf("actor %q is a trust domain: write %s/* for all its workloads", value, value)
	}
	return nil
}

// before is the time of [KindBefore]; zero for an entry that was not checked.
func (e Entry) before() time.Time {
	t, err := time.Parse(time.RFC3339, e.Value)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (e Entry) inForce(now time.Time) bool { return e.Expires.IsZero() || now.Before(e.Expires) }

func (e Entry) outlivedBy(other Entry) bool {
	return !e.Expires.IsZero() && (other.Expires.IsZero() || other.Expires.After(e.Expires))
}
