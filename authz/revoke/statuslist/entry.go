package statuslist

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// demandGap is the least time between two fetches of one list that tokens cause.
	demandGap = time.Second
	// idle is for how long a list that nobody asks for is kept up to date.
	idle = time.Hour
	// tick is how often lists are looked at. One is fetched again when three quarters of its time are over.
	tick = time.Second
)

// entry is one list that the configuration names.
type entry struct {
	issuer, uri, caFile string
	keys                Keys
	clock               func() time.Time
	log                 *slog.Logger

	mu       sync.Mutex // guards what follows
	held     verified
	fetched  time.Time     // when held was asked for; zero if there is none
	started  time.Time     // when the last fetch was
	wanted   time.Time     // when a token last referred to the list
	done     chan struct{} // closed at the end of the fetch under way; nil if there is none
	err      error         // of the last fetch
	failures uint64
}

// status returns a status, after a fetch if there is no list to believe.
func (e *entry) status(ctx context.Context, index int) (byte, error) {
	e.mu.Lock()
	now := e.clock()
	e.wanted = now
	if e.fresh(now) {
		defer e.mu.Unlock()
		return e.held.at(index)
	}
	done := e.done
	if done == nil && now.Sub(e.started).Abs() >= demandGap {
		done = e.start(ctx, now)
	}
	e.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.fresh(e.clock()):
		return e.held.at(index)
	case e.err != nil:
		return 0, e.err
	}
	return 0, errors.New("its time is over")
}

// fresh reports whether the list can be believed. Neither a clock that was set back nor a machine that slept makes it
// last longer: the monotonic and the wall clock both count.
func (e *entry) fresh(now time.Time) bool {
	if e.fetched.IsZero() || !e.held.expiry.IsZero() && !now.Before(e.held.expiry) {
		return false
	}
	return e.age(now) < e.held.ttl
}

func (e *entry) age(now time.Time) time.Duration {
	return max(now.Sub(e.fetched), now.Round(0).Sub(e.fetched.Round(0)))
}

// start begins a fetch that any number of requests wait for, and so does not end with the one that caused it. The caller
// holds mu.
func (e *entry) start(ctx context.Context, now time.Time) chan struct{} {
	done := make(chan struct{})
	e.done, e.started = done, now
	go func() {
		ctx := context.WithoutCancel(ctx)
		compact, err := fetch(ctx, e.uri, e.caFile)
		var v verified
		if err == nil {
			v, err = verify(ctx, e.keys, e.issuer, e.uri, compact, e.clock())
		}
		e.finish(v, now, err)
		close(done)
	}()
	return done
}

// finish keeps the list, or the one before on an error: it may still have time.
func (e *entry) finish(v verified, asked time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.err
	e.done, e.err = nil, err
	if err == nil {
		e.held, e.fetched = v, asked
		return
	}
	e.failures++
	if before == nil || before.Error() != err.Error() { // said once, however often it is tried
		e.log.Warn("a status list cannot be read, the last one is used until its time is over", "list", e.uri, "error", err)
	}
}

// refresh fetches a list in time, if it is used.
func (e *entry) refresh(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.clock()
	used := !e.wanted.IsZero() && now.Sub(e.wanted) < idle
	if !used || e.done != nil || e.fetched.IsZero() {
		return
	}
	left := e.held.ttl - e.age(now)
	if !e.held.expiry.IsZero() {
		left = min(left, e.held.expiry.Sub(now))
	}
	pause := max(demandGap, min(e.held.ttl/20, time.Minute)) // between attempts that fail
	if left < e.held.ttl/4 && now.Sub(e.started).Abs() >= pause {
		e.start(ctx, now)
	}
}
