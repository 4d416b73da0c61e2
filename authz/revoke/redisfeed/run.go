package redisfeed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// wait is how long one look waits for a change. The version is compared after each.
	wait = 500 * time.Millisecond
	// patience is what a look may take beyond that.
	patience = time.Second
	// syncTime bounds reading all entries.
	syncTime = 30 * time.Second
	// minPause and maxPause lie between failed looks.
	minPause, maxPause = 50 * time.Millisecond, 500 * time.Millisecond
	// pruneInterval lies between two removals of expired entries, and grace between their end and that.
	pruneInterval = time.Minute
	grace         = time.Hour
)

// errGap means that changes are missing, so that all entries have to be read.
var errGap = errors.New("changes are missing")

// Run follows the server until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	pause := minPause
	var pruned time.Time
	for ctx.Err() == nil {
		err := f.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.note(err) == nil {
			pause = minPause
			if now := f.Clock(); now.Sub(pruned) >= pruneInterval {
				pruned = now
				f.prune(ctx)
			}
			continue
		}
		// Spread out, so that a fleet does not come back to the server all at once.
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // nothing secret about it
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// look reads what changed, or everything if that is not enough.
func (f *Feed) look(ctx context.Context) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.mine().generation != 0 {
		short, cancel := context.WithTimeout(ctx, wait+patience)
		err := f.follow(short)
		cancel()
		if !errors.Is(err, errGap) {
			return err
		}
	}
	long, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	return f.resync(long)
}

// follow waits for changes, applies them, and compares versions.
func (f *Feed) follow(ctx context.Context) error {
	changed, err := f.read(ctx, wait)
	if err != nil {
		return err
	}
	asked := f.Clock()
	at, whole, err := f.ask(ctx)
	if err != nil {
		return err
	}
	mine := f.mine()
	switch {
	case whole && at == mine:
		f.confirm(asked)
		return nil
	case whole && changed && at.generation == mine.generation && at.version > mine.version:
		return nil // more has happened meanwhile, and is read next
	case whole && at.generation == mine.generation && at.version > mine.version:
		// Nothing came although something had happened, unless it did right after the wait.
		if changed, err = f.read(ctx, -1); changed || err != nil {
			return err
		}
	}
	return errGap
}

// read applies the changes behind the position, waiting for the first of them. A negative wait does not.
func (f *Feed) read(ctx context.Context, wait time.Duration) (changed bool, err error) {
	streams, err := f.Store.XRead(ctx, &redis.XReadArgs{Streams: []string{f.keys[3], f.mine().last}, Count: page, Block: wait}).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("waiting for changes: %w", err)
	}
	for _, stream := range streams {
		for _, m := range stream.Messages {
			c, err := parseChange(m)
			if err != nil {
				return changed, err
			}
			if err := f.apply(c); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	return changed, nil
}

func (f *Feed) apply(c change) error {
	at := f.mine()
	if !c.follows(at) {
		return errGap
	}
	if c.removed != "" {
		f.entries.Remove(c.removed)
	} else {
		f.entries.Put(c.put)
	}
	at.version, at.last = c.version, c.last
	f.become(at)
	return nil
}

// prune removes expired entries from the server. Whether it succeeds does not matter to anybody: they do not count.
func (f *Feed) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := pruneScript.Run(ctx, f.Store, f.keys, f.Clock().UnixMilli(), grace.Milliseconds(), maxChanges, f.mine().generation).Int()
	if err != nil {
		f.Log.Warn("expired revocations could not be removed", "error", err)
	} else if n > 0 {
		f.Log.Info("expired revocations removed", "entries", n)
	}
}
