package redisfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/revoke"
)

// MaxEntries is how many entries there can be, expired ones included. A replica takes about 1 KiB for each.
const MaxEntries = 100_000

// maxHeld is how many there may be after several replicas put back what a server lost.
const maxHeld = 2 * MaxEntries

// maxChanges is about how many changes the server keeps for replicas that were cut off.
const maxChanges = 10_000

// never is the time from which an entry without an end does not count: the end of the year 9999.
const never = 253402300799999

// Errors that a caller can do something about.
var (
	// ErrUninitialised means that nobody vouches for what the server holds.
	ErrUninitialised = errors.New("the store has no generation: it is new, or lost what it had and no replica has put " +
		"it back; if nothing is revoked, say so with 'countersign revoke init'")
	// ErrFull means that there are [MaxEntries].
	ErrFull = fmt.Errorf("there are %d revocations, which is the most: remove some, or let them expire", MaxEntries)
	// ErrMissing means that there is no entry with this ID.
	ErrMissing = errors.New("there is no such revocation")
)

// Config is what a [Feed] works with.
type Config struct {
	// Store is the server. Required.
	Store *redisstore.Store
	// MaxStaleness is how long the copy may not have been compared with the server. Required.
	MaxStaleness time.Duration
	// LastKnown answers from a copy that is older than that, instead of failing. A replica that never had one fails.
	LastKnown bool
	// Log gets what an operator must know. Required.
	Log *slog.Logger
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Feed is the shared deny-list as one replica sees it. It is safe for concurrent use.
type Feed struct {
	Config
	keys    []string // meta, entries, expiry, changes
	entries revoke.Set
	synced  chan struct{} // closed after the first sync

	syncing sync.Mutex // one reader of the server at a time

	mu                sync.Mutex    // guards what follows
	at                head          // of the copy; zero until there is one
	equal             time.Time     // when the copy was last equal to the server
	moved             chan struct{} // closed and replaced when at changes
	err               error         // of the last look
	failures, resyncs uint64
}

var _ revoke.Source = (*Feed)(nil)

// New checks the configuration. The feed knows nothing until [Feed.Run] or [Feed.Sync] has read the server.
func New(c Config) (*Feed, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("revocations: no store")
	case c.Log == nil:
		return nil, errors.New("revocations: no log")
	case c.MaxStaleness <= 0:
		return nil, fmt.Errorf("revocations: a greatest staleness of %s: must be more than 0s", c.MaxStaleness)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	f := &Feed{Config: c, synced: make(chan struct{}), moved: make(chan struct{})}
	for _, name := range []string{"meta", "entries", "expiry", "changes"} {
		f.keys = append(f.keys, c.Store.Key("revocations", name))
	}
	return f, nil
}

// Revoked implements [revoke.Source]. A copy that is too old still revokes what it has; what it does not have may have
// been revoked meanwhile.
func (f *Feed) Revoked(_ context.Context, marks revoke.Marks, now time.Time) (revoke.Entry, bool, error) {
	if e, revoked := f.entries.Match(marks, now); revoked {
		return e, true, nil
	}
	return revoke.Entry{}, false, f.usable()
}

func (f *Feed) usable() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.equal.IsZero() {
		return fmt.Errorf("the shared revocations were never read: %w", f.cause())
	}
	if age := f.age(); age > f.MaxStaleness && !f.LastKnown {
		return fmt.Errorf("the shared revocations are those of %s ago: %w", age.Round(time.Millisecond), f.cause())
	}
	return nil
}

// age is how long ago the copy was known to be right. The monotonic clock does not count the time that a machine sleeps,
// and the wall clock may jump: the worse of the two counts.
func (f *Feed) age() time.Duration {
	now := f.Clock()
	return max(now.Sub(f.equal), now.Round(0).Sub(f.equal.Round(0)))
}

// Add stores an entry and returns when this replica has it too, as all others will that can reach the server. An entry
// that revokes the same and counts at least as long stays as it is. After an error it may or may not be stored; to add it
// again does no harm.
func (f *Feed) Add(ctx context.Context, e revoke.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	text, err := e.MarshalJSON()
	if err != nil {
		return fmt.Errorf("writing the entry: %w", err)
	}
	did, version, err := f.change(ctx, putScript, e.ID(), text, deadline(e), MaxEntries, maxChanges, f.mine().generation)
	switch {
	case err != nil:
		return err
	case did == "full":
		return ErrFull
	}
	return f.await(ctx, version)
}

// Remove takes an entry away and returns when this replica does not have it any more.
func (f *Feed) Remove(ctx context.Context, id string) error {
	did, version, err := f.change(ctx, removeScript, id, maxChanges, f.mine().generation)
	switch {
	case err != nil:
		return err
	case did == "missing":
		return ErrMissing
	}
	return f.await(ctx, version)
}

func (f *Feed) change(ctx context.Context, script *redis.Script, args ...any) (did string, version int64, err error) {
	answer, err := script.Run(ctx, f.Store, f.keys, args...).Slice()
	if err != nil {
		return "", 0, fmt.Errorf("changing the shared revocations: %w", err)
	}
	if len(answer) == 2 {
		did, _ = answer[0].(string)
		version, _ = answer[1].(int64)
	}
	switch did {
	case "":
		return "", 0, fmt.Errorf("changing the shared revocations: an answer of %v", answer)
	case "unvouched":
		return "", 0, fmt.Errorf("changing the shared revocations: %w", f.disowned())
	}
	return did, version, nil
}

// disowned says why the server is not the one that the copy is of.
func (f *Feed) disowned() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.generation == 0 {
		return f.cause()
	}
	return errors.New("the store lost what it had, and is being put right")
}

// await returns when the copy has this version. Only then is a change safe from the loss of the server as well.
func (f *Feed) await(ctx context.Context, version int64) error {
	for {
		f.mu.Lock()
		reached, moved := f.at.version >= version, f.moved
		f.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("the change is stored, but this replica has not read it yet: repeat it to be sure: %w", ctx.Err())
		}
	}
}

// Entries returns the copy, in the order of the IDs.
func (f *Feed) Entries() []revoke.Entry { return f.entries.Entries() }

// Get returns the entry with this ID.
func (f *Feed) Get(id string) (revoke.Entry, bool) { return f.entries.Get(id) }

// Synced is closed when the feed has read the server for the first time.
func (f *Feed) Synced() <-chan struct{} { return f.synced }

// Status is the state of the feed, for operators.
type Status struct {
	Entries    int   `json:"entries"`
	Generation int64 `json:"generation"`
	Version    int64 `json:"version"`
	// Age is how long ago the copy was last equal to the server, in seconds; -1 if it never was.
	Age float64 `json:"age_seconds"`
	// Usable says whether requests are answered.
	Usable bool `json:"usable"`
	// Error is why the last look at the server failed; empty if it did not.
	Error string `json:"error,omitempty"`
	// Failures and Resyncs count failed looks, and how often all entries were read.
	Failures uint64 `json:"failures"`
	Resyncs  uint64 `json:"resyncs"`
}

// Status returns the state now.
func (f *Feed) Status() Status {
	usable := f.usable() == nil
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Status{
		Entries: f.entries.Len(), Generation: f.at.generation, Version: f.at.version, Age: -1, Usable: usable,
		Failures: f.failures, Resyncs: f.resyncs,
	}
	if !f.equal.IsZero() {
		s.Age = f.age().Seconds()
	}
	if f.err != nil {
		s.Error = f.err.Error()
	}
	return s
}

// deadline is the score of an entry in expiry.
func deadline(e revoke.Entry) int64 {
	if e.Expires.IsZero() {
		return never
	}
	return e.Expires.UnixMilli()
}
