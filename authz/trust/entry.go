package trust

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// demandGap is the least time between a fetch and one that a token with an unknown kid causes. Without it, forged
// tokens could make us hammer the issuer.
const demandGap = 10 * time.Second

// state is what is known about the keys of one issuer. It is replaced as a whole.
type state struct {
	keys    keySet
	updated time.Time    // last success; zero if there was none
	err     error        // of the last load; nil if it succeeded
	lapsed  *atomic.Bool // staleness was counted as a loss of the keys
}

// entry is one configured issuer with its keys.
type entry struct {
	Issuer
	source  source
	refresh time.Duration  // zero for a file
	stale   time.Duration  // zero for a file: it does not go stale
	losses  *atomic.Uint64 // the Store's generation
	log     *slog.Logger

	state atomic.Pointer[state]

	mu      sync.Mutex // guards what follows
	flight  *flight    // the load under way, nil if none
	started time.Time  // when the last load was started
}

// flight is one load that any number of requests wait for.
type flight struct {
	done chan struct{} // closed when err is set
	err  error
}

func newEntry(c IssuerConfig, i Issuer, src source, losses *atomic.Uint64, log *slog.Logger) *entry {
	e := &entry{Issuer: i, source: src, losses: losses, log: log.With("issuer", i.ID)}
	if c.KeysFile == "" {
		e.refresh, e.stale = c.Refresh, c.Stale
	}
	e.state.Store(&state{lapsed: new(atomic.Bool)})
	return e
}

// load joins the load under way or starts one, unless the last one was started less than gap ago; then it returns
// nil at once. Its end does not depend on the request that started it, because others may wait for it as well.
func (e *entry) load(ctx context.Context, gap time.Duration) error {
	e.mu.Lock()
	f := e.flight
	if f == nil {
		now := time.Now()
		if !e.started.IsZero() && now.Sub(e.started) < gap {
			e.mu.Unlock()
			return nil
		}
		f = &flight{done: make(chan struct{})}
		e.flight, e.started = f, now
		go e.fly(context.WithoutCancel(ctx), f)
	}
	e.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *entry) fly(ctx context.Context, f *flight) {
	keys, err := e.source.load(ctx)
	e.install(keys, err)
	e.mu.Lock()
	e.flight = nil
	e.mu.Unlock()
	f.err = err
	close(f.done)
}

// install replaces the keys, or keeps the last good ones on an error. Only one flight at a time gets here.
func (e *entry) install(keys keySet, err error) {
	old := e.state.Load()
	if err != nil {
		if old.err == nil || old.err.Error() != err.Error() { // said once, however often it is tried
			e.log.Warn("the keys of an issuer could not be loaded, the last good ones stay in use", "error", err)
		}
		e.state.Store(&state{keys: old.keys, updated: old.updated, err: err, lapsed: old.lapsed})
		return
	}
	e.state.Store(&state{keys: keys, updated: time.Now(), lapsed: new(atomic.Bool)})
	// Counted after the swap: whoever sees the new generation can no longer get a key that was removed.
	if lost(old.keys, keys) {
		e.losses.Add(1)
		e.log.Info("keys of an issuer were removed or changed", "keys", len(keys))
	}
}

// isStale reports whether the keys are too old to be used. Keys that never arrived are not stale but missing.
func (e *entry) isStale(s *state, now time.Time) bool {
	return e.stale > 0 && len(s.keys) > 0 && now.Sub(s.updated) > e.stale
}

// lapse counts keys that went stale as lost, once: caches of verified tokens must not outlive them.
func (e *entry) lapse(now time.Time) {
	if s := e.state.Load(); e.isStale(s, now) && s.lapsed.CompareAndSwap(false, true) {
		e.losses.Add(1)
		e.log.Warn("the keys of an issuer are stale and no longer used", "updated", s.updated)
	}
}
