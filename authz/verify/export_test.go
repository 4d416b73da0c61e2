package verify

import "time"

// AtTime sets the clock of a transport.
func AtTime(t *Transport, now time.Time) *Transport {
	t.clock = func() time.Time { return now }
	return t
}
