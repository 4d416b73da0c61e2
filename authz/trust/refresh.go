package trust

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Run fetches the keys of every URL issuer once per its refresh time. It returns nil when ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	for _, e := range s.entries {
		if e.refresh > 0 {
			wait.Go(func() { e.run(ctx) })
		}
	}
	<-ctx.Done()
	wait.Wait()
	return nil
}

func (e *entry) run(ctx context.Context) {
	ticker := time.NewTicker(e.refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = e.load(ctx, 0) // logged, and kept for Status
		}
	}
}

// Reload reads the issuers' files and our own keys again. Whatever does not load keeps its last good keys, and the
// errors of all are returned together. URL issuers are left to [Store.Run].
func (s *Store) Reload(ctx context.Context) error {
	var failed []error
	for _, e := range s.entries {
		if e.refresh > 0 {
			continue
		}
		if err := e.load(ctx, 0); err != nil {
			failed = append(failed, fmt.Errorf("loading the keys of issuer %q: %w", e.ID, err))
		}
	}
	return errors.Join(append(failed, s.reloadOwn()...)...)
}

// Files returns the files and directories that [Store.Reload] reads.
func (s *Store) Files() []string {
	var files []string
	for _, e := range s.entries {
		if src, ok := e.source.(fileSource); ok {
			files = append(files, src.path)
		}
	}
	for _, o := range s.selves {
		if dir := o.keys.Dir(); dir != "" {
			files = append(files, dir)
		}
	}
	return files
}

// IssuerStatus is the state of one issuer, for operators.
type IssuerStatus struct {
	Issuer string `json:"issuer"`
	Role   Role   `json:"role"`
	// Keys are the kids that are loaded, sorted. They are not used when Stale.
	Keys []string `json:"keys"`
	// Updated is the time of the last successful load; zero if there was none.
	Updated time.Time `json:"updated,omitzero"`
	// Error is that of the last load; empty if it succeeded.
	Error string `json:"error,omitempty"`
	// Stale says that Updated is too long ago.
	Stale bool `json:"stale"`
}

// Status returns the state of all issuers as configured, our own last: as a hop, then as a root.
func (s *Store) Status() []IssuerStatus {
	now := time.Now()
	all := make([]IssuerStatus, 0, len(s.entries)+len(s.selves))
	for _, e := range s.entries {
		st := e.state.Load()
		status := IssuerStatus{
			Issuer: e.ID, Role: e.Role, Keys: slices.Sorted(maps.Keys(st.keys)),
			Updated: st.updated, Stale: e.isStale(st, now),
		}
		if st.err != nil {
			status.Error = st.err.Error()
		}
		all = append(all, status)
	}
	for _, o := range s.selves {
		all = append(all, o.keys.status(o.Issuer))
	}
	return all
}
