package cedar

import (
	"context"
	"crypto/sha256"
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

	mu      sync.Mutex // one reload at a time; guards what follows
	status  Status
	refused [sha256.Size]byte // content of the last failed load
	err     error             // why it failed
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
	// LastAttempt is when the files were read last.
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	// LastError lists what is wrong with the files now; empty when they are what is in force.
	LastError string `json:"last_error,omitempty"`
}

// NewStore returns a store without a snapshot. Call [Store.Reload] to load the first one.
func NewStore(cfg Config, log *slog.Logger) *Store {
	cfg.Log = log
	return &Store{cfg: cfg, log: log}
}

// Observe sets who is told about the questions put to the snapshots loaded from now on.
func (s *Store) Observe(o Observer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Observer = o
}

// Reload reads all files and puts them in force if everything in them is right. Otherwise the last good snapshot stays,
// and the error lists everything to repair. Content that was checked before is not checked again.
func (s *Store) Reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.LastAttempt = time.Now()
	src, err := read(ctx, s.cfg)
	if err != nil {
		s.refused = [sha256.Size]byte{}
		return s.fail(err)
	}
	digest := src.digest(coreSchema)
	if current := s.current.Load(); current != nil && current.digest == digest {
		s.refused, s.err, s.status.LastError = [sha256.Size]byte{}, nil, ""
		return nil
	}
	if s.err != nil && s.refused == digest {
		return s.err
	}
	next, err := newSnapshot(src, s.cfg)
	if err != nil {
		s.refused = digest
		return s.fail(err)
	}
	s.current.Store(next)
	s.refused, s.err = [sha256.Size]byte{}, nil
	s.status = Status{
		Revision: next.Revision(), Policies: next.Policies(),
		LoadedAt: time.Now(), LastAttempt: s.status.LastAttempt,
	}
	s.log.InfoContext(ctx, "policy loaded", "revision", s.status.Revision, "policies", s.status.Policies)
	return nil
}

// fail remembers the error. The caller reports it: it also knows whether anything is in force.
func (s *Store) fail(err error) error {
	s.err = fmt.Errorf("loading the policy:\n%w", err)
	s.status.LastError = err.Error()
	return s.err
}

// Snapshot implements [authz.Policies].
func (s *Store) Snapshot() (authz.Policy, bool) {
	if current := s.current.Load(); current != nil {
		return current, true
	}
	return nil, false
}

// Status returns the state for operators.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Files returns what to watch: the policy directory, and the files of entities and tools. Watch a file through its
// directory: replacing a file, or a mounted ConfigMap, is not a change of the file itself.
func (s *Store) Files() []string { return s.cfg.paths() }
