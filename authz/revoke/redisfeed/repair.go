package redisfeed

import (
	"context"
	"errors"
	"fmt"
)

// errIncomplete means that the server has fewer entries than it should.
var errIncomplete = errors.New("the store lost entries, and no replica has put them back; if they do not matter, say so " +
	"with 'countersign revoke init'")

// putRight compares the server with the copy. It returns true when the server can be believed, and false after it has
// changed the server, which must then be looked at again.
func (f *Feed) putRight(ctx context.Context, at head, whole bool) (bool, error) {
	mine := f.mine()
	switch {
	case mine.generation == 0 && at.generation == 0:
		return false, ErrUninitialised
	case mine.generation == 0 && !whole:
		return false, errIncomplete
	case mine.generation == 0:
		return true, nil
	case whole && at.generation == mine.generation:
		same, err := f.continues(ctx, at, mine)
		if same || err != nil {
			return same, err
		}
	case whole && at.generation > mine.generation:
		// Another replica has put right a loss that this one did not see.
		f.Log.Warn("the store lost revocations and was put right: adding what this replica holds",
			"entries", f.entries.Len(), "generation", at.generation)
		if err := f.putBack(ctx); err != nil {
			return false, err
		}
		f.become(at)
		return false, nil
	}
	f.Log.Warn("the store lost revocations: putting back what this replica holds", "entries", f.entries.Len(),
		"generation", at.generation, "version", at.version, "had_generation", mine.generation, "had_version", mine.version)
	if err := f.condemn(ctx, at); err != nil {
		return false, err
	}
	if err := f.putBack(ctx); err != nil {
		return false, err
	}
	generation, err := f.vouch(ctx, max(mine.generation, at.generation)+1)
	if err != nil {
		return false, err
	}
	f.become(head{generation: generation, last: beginning})
	return false, nil
}

// continues reports whether the server's history has the copy's in it. It is believed as well when it is so much longer
// that the place of the copy cannot be found any more.
func (f *Feed) continues(ctx context.Context, at, mine head) (bool, error) {
	if at.version < mine.version {
		return false, nil
	}
	if at.last == mine.last || mine.last == beginning {
		return true, nil
	}
	first, err := f.Store.XRangeN(ctx, f.keys[3], "-", mine.last, 1).Result()
	if err != nil || len(first) == 0 {
		return err == nil, wrap("reading the changes", err)
	}
	there, err := f.Store.XRangeN(ctx, f.keys[3], mine.last, mine.last, 1).Result()
	return len(there) == 1, wrap("reading the changes", err)
}

// condemn marks the server as one that nobody vouches for.
func (f *Feed) condemn(ctx context.Context, at head) error {
	return wrap("marking the store as incomplete", condemnScript.Run(ctx, f.Store, f.keys, at.generation, at.version).Err())
}

func (f *Feed) vouch(ctx context.Context, generation int64) (int64, error) {
	generation, err := vouchScript.Run(ctx, f.Store, f.keys, generation).Int64()
	return generation, wrap("vouching for the store", err)
}

// putBack adds all entries of the copy that the server does not have.
func (f *Feed) putBack(ctx context.Context) error {
	const doing = "putting revocations back"
	if err := putScript.Load(ctx, f.Store).Err(); err != nil {
		return wrap(doing, err)
	}
	for entries := f.entries.Entries(); len(entries) > 0; {
		some := entries[:min(page, len(entries))]
		entries = entries[len(some):]
		pipe := f.Store.Pipeline()
		for _, e := range some {
			text, err := e.MarshalJSON()
			if err != nil {
				return wrap(doing, err)
			}
			putScript.EvalSha(ctx, pipe, f.keys, e.ID(), text, deadline(e), maxHeld, maxChanges, "")
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return wrap(doing, err)
		}
	}
	return nil
}

// Initialise gives a server that has no generation, or fewer entries than it should, the next one: whoever does that
// says that what it holds is all there is. It returns the generation, and whether it is new.
func (f *Feed) Initialise(ctx context.Context) (generation int64, fresh bool, err error) {
	at, whole, err := f.ask(ctx)
	if err != nil || at.generation != 0 && whole {
		return at.generation, false, err
	}
	if err := f.condemn(ctx, at); err != nil {
		return 0, false, err
	}
	generation, err = f.vouch(ctx, at.generation+1)
	return generation, err == nil, err
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
