package revoke

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Set is a [List] that changes while it is used. The zero value has no entries. It is safe for concurrent use.
type Set struct {
	mu   sync.RWMutex
	list List
	byID map[string]Entry
}

// Put adds an entry, in place of the one that revokes the same.
func (s *Set) Put(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(e)
}

func (s *Set) put(e Entry) {
	if s.byID == nil {
		s.byID = make(map[string]Entry)
	}
	s.list.remove(e)
	s.list.add(e)
	s.byID[e.ID()] = e
}

// Remove takes out the entry with this ID, if there is one.
func (s *Set) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, found := s.byID[id]; found {
		s.list.remove(e)
		delete(s.byID, id)
	}
}

// Replace takes these entries in place of all others, at once for whoever asks meanwhile.
func (s *Set) Replace(entries []Entry) {
	next := Set{byID: make(map[string]Entry, len(entries))}
	for _, e := range entries {
		next.put(e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.byID = next.list, next.byID
}

// Match is [List.Match].
func (s *Set) Match(marks Marks, now time.Time) (Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.list.Match(marks, now)
}

// Get returns the entry with this ID.
func (s *Set) Get(id string) (Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, found := s.byID[id]
	return e, found
}

// Len returns the number of entries, expired ones included.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.list.Len()
}

// Entries returns all entries in the order of their IDs, expired ones included.
func (s *Set) Entries() []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	entries := make([]Entry, 0, len(s.byID))
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		entries = append(entries, s.byID[id])
	}
	return entries
}
