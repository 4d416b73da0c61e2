package cedar

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"countersign.dev/authz"
)

// Store keeps the last good snapshot while files change. It implements [authz.Policies] and is safe for concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	current atomic.Pointer[Snapshot]

	status atomic.Pointer[Status] // never nil; readers do not wait for a reload

	mu       sync.Mutex // one reload at a time; guards what follows
	loader   loader
	accepted [sha256.Size]byte // what is in force, with its tests
	refused  [sha256.Size]byte // the last failed attempt
	err      error             // why it failed
}

var _ authz.Policies = (*Store)(nil)

// Status says what is in force and how the last attempt to load went.
type Status struct {
	// Revision is that of the snapshot in force; empty before the first good load.
	Revision string `json:"revision"`
	// LoadedAt is when it took effect.
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	// Policies is how many it has.
	Policies int `json:"policies"`
	// Tests counts the tests that it passed.
	Tests Tried `json:"tests"`
	// LastAttempt is when the files were read last.
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	// LastError lists what is wrong with the files now; empty when they are what is in force.
	LastError string `json:"last_error,omitempty"`
}

// NewStore returns a store without a snapshot. Call [Store.Reload] to load the first one.
func NewStore(cfg Config, log *slog.Logger) *Store {
	cfg.Log = log
	s := &Store{cfg: cfg, log: log}
	s.status.Store(new(Status))
	return s
}

// Observe sets who is told about the questions put to the snapshots loaded from now on.
func (s *Store) Observe(o Observer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Observer = o
}

// Reload reads all files and puts them in force if everything in them is right. Otherwise the last good snapshot stays,
// and the error lists everything to repair (see [Diagnostics]). Files that are in force, or were part of the last attempt,
// are not checked again as long as their content, the pinned tools and the tests stay the same. Decisions go on meanwhile.
func (s *Store) Reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := *s.status.Load()
	defer func() { s.status.Store(&status) }()
	status.LastAttempt = time.Now()
	fail := func(err error, attempt [sha256.Size]byte) error {
		s.refused, s.err = attempt, fmt.Errorf("loading the policy:\n%w", err)
		status.LastError = err.Error()
		return s.err // the caller reports it: it also knows whether anything is in force
	}
	src, err := read(ctx, s.cfg)
	if err != nil {
		return fail(err, [sha256.Size]byte{})
	}
	digest := src.digest(coreSchema)
	attempt := src.attempt(digest)
	current := s.current.Load()
	if current != nil && s.accepted == attempt {
		s.refused, s.err, status.LastError = [sha256.Size]byte{}, nil, ""
		return nil
	}
	if s.err != nil && s.refused == attempt {
		return s.err
	}
	before, next := s.loader, current
	if current == nil || current.digest != digest {
		if next, err = s.loader.load(src, s.cfg); err != nil {
			return fail(err, attempt)
		}
	}
	tests, err := s.cfg.accept(ctx, next, src)
	if err != nil {
		if next != current {
			s.loader = loader{held: before.held, tried: s.loader.held}
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			attempt = [sha256.Size]byte{} // a busy machine is no fault of the files: try again
		}
		return fail(err, attempt)
	}
	s.accepted, s.refused, s.err = attempt, [sha256.Size]byte{}, nil
	status.Tests, status.LastError = tests, ""
	if next == current {
		return nil // other tests, and it passed them
	}
	s.current.Store(next)
	status.Revision, status.Policies, status.LoadedAt = next.Revision(), next.Policies(), time.Now()
	s.log.InfoContext(ctx, "policy loaded", "revision", status.Revision, "policies", status.Policies, "tests", tests.Passed)
	return nil
}

// Snapshot implements [authz.Policies].
func (s *Store) Snapshot() (authz.Policy, bool) {
	if current := s.inForce(); current != nil {
		return current, true
	}
	return nil, false
}

// inForce returns the snapshot that may decide now; nil if there is none, or its source says that its time is over.
func (s *Store) inForce() *Snapshot {
	current := s.current.Load()
	if current == nil || s.cfg.Source != nil && !s.cfg.Source.Usable() {
		return nil
	}
	return current
}

// Status returns the state for operators. It does not wait for a reload.
func (s *Store) Status() Status { return *s.status.Load() }

// Files returns what to watch: the policy directory, in which the tests lie too, and the files of entities and tools. Watch a file through its
// directory: replacing a file, or a mounted ConfigMap, is not a change of the file itself.
func (s *Store) Files() []string { return s.cfg.paths() }
