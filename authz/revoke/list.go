package revoke

import (
	"slices"
	"strings"
	"time"
)

// List is a set of entries. It must not be changed while it is used. The zero value has none.
type List struct {
	exact    map[string]map[string]Entry // kind, value
	prefixes map[string]Entry            // actor prefixes without the final "/*"
	befores  map[owner][]dated           // the latest time first
	size     int
}

// owner is whose tokens are too old: of an issuer, a user, both or anybody.
type owner struct{ issuer, subject string }

// dated is an entry of [KindBefore] with its time.
type dated struct {
	Entry
	at time.Time
}

// NewList returns a list of entries, each of which has passed [Entry.Check]. Of two for the same thing the one that counts
// longer stays.
func NewList(entries []Entry) *List {
	l := &List{}
	for _, e := range entries {
		l.add(e)
	}
	return l
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
	for _, issued := range marks.Issued {
		if e, found := l.matchBefore(issued, marks.Subject, now); found {
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

// matchBefore looks at the latest times first. A token that is as new as these is as new as all others.
func (l *List) matchBefore(issued Issued, subject string, now time.Time) (Entry, bool) {
	if len(l.befores) == 0 || issued.At.IsZero() {
		return Entry{}, false
	}
	for _, of := range [...]owner{{}, {issuer: issued.Issuer}, {subject: subject}, {issued.Issuer, subject}} {
		for _, e := range l.befores[of] {
			if !issued.At.Before(e.at) {
				break
			}
			if e.inForce(now) {
				return e.Entry, true
			}
		}
	}
	return Entry{}, false
}

// add puts an entry in. The same twice is no error, which would keep the whole list from taking effect: the one that
// counts longer stays.
func (l *List) add(e Entry) {
	known, found := l.find(e)
	if found && !known.outlivedBy(e) {
		return
	}
	l.remove(e)
	if l.exact == nil {
		l.exact, l.prefixes, l.befores = make(map[string]map[string]Entry), make(map[string]Entry), make(map[owner][]dated)
	}
	l.size++
	if e.Kind == KindBefore {
		of := owner{e.Issuer, e.Subject}
		at, _ := l.locate(e)
		l.befores[of] = slices.Insert(l.befores[of], at, dated{e, e.before()})
		return
	}
	entries, key := l.place(e)
	if entries == nil {
		entries = make(map[string]Entry)
		l.exact[e.Kind] = entries
	}
	entries[key] = e
}

// remove takes out what revokes the same as e.
func (l *List) remove(e Entry) {
	if _, found := l.find(e); !found {
		return
	}
	l.size--
	if e.Kind != KindBefore {
		entries, key := l.place(e)
		delete(entries, key)
		return
	}
	of := owner{e.Issuer, e.Subject}
	at, _ := l.locate(e)
	if l.befores[of] = slices.Delete(l.befores[of], at, at+1); len(l.befores[of]) == 0 {
		delete(l.befores, of)
	}
}

// find returns the entry that revokes the same as e.
func (l *List) find(e Entry) (Entry, bool) {
	if e.Kind == KindBefore {
		at, found := l.locate(e)
		if !found {
			return Entry{}, false
		}
		return l.befores[owner{e.Issuer, e.Subject}][at].Entry, true
	}
	entries, key := l.place(e)
	known, found := entries[key]
	return known, found
}

// place returns where an entry of any kind but [KindBefore] belongs.
func (l *List) place(e Entry) (entries map[string]Entry, key string) {
	if prefix, isPrefix := strings.CutSuffix(e.Value, "/*"); isPrefix && e.Kind == KindActor {
		return l.prefixes, prefix
	}
	return l.exact[e.Kind], e.Value
}

// locate returns where an entry of [KindBefore] is or belongs.
func (l *List) locate(e Entry) (int, bool) {
	return slices.BinarySearchFunc(l.befores[owner{e.Issuer, e.Subject}], e.before(), func(known dated, t time.Time) int {
		return t.Compare(known.at)
	})
}
