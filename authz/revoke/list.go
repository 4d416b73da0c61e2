// Package revoke knows what was taken back before it expired: tokens, transactions, tasks, users, workloads and
// signing keys.
//
// Revoking a transaction (txn) or a task takes back all tokens derived from it, because both stay the same along a
// delegation chain.
//
// The source in this package is a deny-list file. Another source, such as a status list or an event stream, has to
// provide the method Revoked of [File], with the same meaning; package authz asks through its interface Revocations.
// A source that cannot tell must return an error, which refuses the request.
package revoke

import (
	"strings"
	"time"
)

// The kinds of [Entry.Kind], as they are spelt in the file.
const (
	KindJTI     = "jti"   // one token, by its jti claim
	KindTxn     = "txn"   // all tokens of a transaction
	KindTask    = "task"  // all tokens for a task
	KindSubject = "sub"   // all tokens of a user
	KindActor   = "actor" // a workload anywhere in a chain, as peer or actor; or all below a path
	KindKeyID   = "kid"   // all tokens signed with a key
)

var kinds = []string{KindJTI, KindTxn, KindTask, KindSubject, KindActor, KindKeyID}

// Marks are the properties of a request by which it may be revoked. Empty ones match nothing.
type Marks struct {
	JTIs               []string
	Txn, Task, Subject string
	Actors             []string // SPIFFE IDs
	KeyIDs             []string
}

// Entry is one revocation.
type Entry struct {
	// Kind is one of the Kind constants.
	Kind string
	// Value is what is revoked; for [KindActor] a SPIFFE ID, or one with a final "/*" for all workloads below it.
	Value string
	// Reason is for operators.
	Reason string
	// Expires is when the entry stops to count; zero means never.
	Expires time.Time
}

// List is an immutable set of entries. The zero value has none.
type List struct {
	exact    map[string]map[string]Entry // kind, value
	prefixes map[string]Entry            // actor prefixes without the final "/*"
	size     int
}

// Len returns the number of entries, expired ones included.
func (l *List) Len() int { return l.size }

// Match returns the first entry that one of the marks hits and that is in force. The cost depends on the number of
// marks and path segments, not on the number of entries.
func (l *List) Match(marks Marks, now time.Time) (Entry, bool) {
	for _, m := range [...]struct {
		kind   string
		values []string
	}{
		{KindJTI, marks.JTIs},
		{KindTxn, []string{marks.Txn}},
		{KindTask, []string{marks.Task}},
		{KindSubject, []string{marks.Subject}},
		{KindActor, marks.Actors},
		{KindKeyID, marks.KeyIDs},
	} {
		for _, value := range m.values {
			if e, found := l.exact[m.kind][value]; found && e.inForce(now) {
				return e, true
			}
		}
	}
	for _, actor := range marks.Actors {
		if e, found := l.matchPrefix(actor, now); found {
			return e, true
		}
	}
	return Entry{}, false
}

// matchPrefix cuts off one path segment after the other, so that a prefix ends where a segment ends.
func (l *List) matchPrefix(actor string, now time.Time) (Entry, bool) {
	if len(l.prefixes) == 0 {
		return Entry{}, false
	}
	for i := strings.LastIndexByte(actor, '/'); i >= 0; i = strings.LastIndexByte(actor[:i], '/') {
		if e, found := l.prefixes[actor[:i]]; found && e.inForce(now) {
			return e, true
		}
	}
	return Entry{}, false
}

func (l *List) add(e Entry) {
	if l.exact == nil {
		l.exact, l.prefixes = make(map[string]map[string]Entry), make(map[string]Entry)
	}
	entries, key := l.exact[e.Kind], e.Value
	if entries == nil {
		entries = make(map[string]Entry)
		l.exact[e.Kind] = entries
	}
	if prefix, isPrefix := strings.CutSuffix(e.Value, "/*"); isPrefix && e.Kind == KindActor {
		entries, key = l.prefixes, prefix
	}
	// The same value twice is no error, which would keep the whole list from taking effect: the longer one counts.
	known, found := entries[key]
	if !found {
		l.size++
	}
	if !found || known.outlivedBy(e) {
		entries[key] = e
	}
}

func (e Entry) inForce(now time.Time) bool { return e.Expires.IsZero() || now.Before(e.Expires) }

func (e Entry) outlivedBy(other Entry) bool {
	return !e.Expires.IsZero() && (other.Expires.IsZero() || other.Expires.After(e.Expires))
}
