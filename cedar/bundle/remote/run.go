package remote

import (
	"context"
	"math/rand/v2"
	"time"
)

// How soon a failed poll is repeated: after a second, then twice as long each time, up to the time between polls or, where
// that is short, a time at which nobody's server suffers.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Run polls until ctx ends. After every poll that brought news, and when what is in force is over, it calls changed, which
// puts the newest bundle in force. Calls never overlap.
func (s *Source) Run(ctx context.Context, changed func(context.Context)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for usable := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		news := s.Poll(ctx)
		if now := s.Usable(); now != usable {
			usable, news = now, true
		}
		if news && ctx.Err() == nil {
			changed(ctx)
		}
		timer.Reset(s.wait())
	}
}

// wait returns how long to wait for the next poll: never beyond the end of what is in force.
func (s *Source) wait() time.Duration {
	s.mu.Lock()
	failures := s.status.Failures
	s.mu.Unlock()
	wait := delay(s.cfg.Poll, failures, rand.Float64()) //nolint:gosec // it spreads the load, and nothing depends on it
	if ends := s.ends.Load(); ends != 0 && s.Usable() {
		wait = min(wait, time.Until(time.Unix(ends, 0))+time.Millisecond)
	}
	return wait
}

// delay spreads replicas by up to a tenth of the time in both directions; random is in [0, 1).
func delay(poll time.Duration, failures int, random float64) time.Duration {
	wait := poll
	if failures > 0 {
		wait = min(firstRetry<<min(failures-1, 20), max(poll, lastRetry))
	}
	return time.Duration(float64(wait) * (0.9 + 0.2*random))
}
