package redisfeed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"countersign.dev/authz/revoke"
)

// page is how many entries or changes are read at once.
const page = 500

// maxRounds bounds how often a sync starts anew because the server changed under it.
const maxRounds = 10

// Sync reads everything once.
func (f *Feed) Sync(ctx context.Context) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	return f.note(f.resync(ctx))
}

// resync reads all entries, after it has put right what the server lost.
func (f *Feed) resync(ctx context.Context) error {
	for range maxRounds {
		asked := f.Clock()
		at, whole, err := f.ask(ctx)
		if err != nil {
			return err
		}
		right, err := f.putRight(ctx, at, whole)
		if err != nil {
			return err
		}
		if !right {
			continue
		}
		entries, err := f.scan(ctx)
		if err != nil {
			return err
		}
		// What changed during the scan may or may not be in it; to apply it again does no harm.
		now, whole, err := f.replay(ctx, at, entries)
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		f.entries.Replace(slices.Collect(maps.Values(entries)))
		f.mu.Lock()
		f.resyncs++
		f.mu.Unlock()
		f.become(now)
		f.confirm(asked)
		return nil
	}
	return errors.New("the shared revocations change faster than they can be read")
}

// scan reads all entries.
func (f *Feed) scan(ctx context.Context) (map[string]revoke.Entry, error) {
	entries := make(map[string]revoke.Entry)
	var cursor uint64
	for {
		pairs, next, err := f.Store.HScan(ctx, f.keys[1], cursor, "", page).Result()
		if err != nil {
			return nil, fmt.Errorf("reading the entries: %w", err)
		}
		for i := 1; i < len(pairs); i += 2 {
			e, err := revoke.ParseRecord([]byte(pairs[i]))
			if err != nil {
				return nil, fmt.Errorf("entry %.40q of the store: %w", pairs[i-1], err)
			}
			if e.ID() != pairs[i-1] {
				return nil, fmt.Errorf("entry %.40q of the store is %s", pairs[i-1], e.ID())
			}
			entries[e.ID()] = e
		}
		if len(entries) > maxHeld {
			return nil, fmt.Errorf("the store has more than %d entries", maxHeld)
		}
		if cursor = next; cursor == 0 {
			return entries, nil
		}
	}
}

// replay applies the changes behind a place to entries. It is not whole when some are missing.
func (f *Feed) replay(ctx context.Context, at head, entries map[string]revoke.Entry) (now head, whole bool, err error) {
	now = at
	for {
		messages, err := f.Store.XRangeN(ctx, f.keys[3], "("+now.last, "+", page).Result()
		if err != nil {
			return head{}, false, fmt.Errorf("reading the changes: %w", err)
		}
		for _, m := range messages {
			c, err := parseChange(m)
			if err != nil {
				return head{}, false, err
			}
			if !c.follows(now) {
				return head{}, false, nil
			}
			if now.version, now.last = c.version, c.last; c.removed != "" {
				delete(entries, c.removed)
			} else {
				entries[c.put.ID()] = c.put
			}
		}
		if len(messages) < page {
			return now, true, nil
		}
	}
}
