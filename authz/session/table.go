// Package session binds what callers name by an id to its owner: legacy MCP sessions, tasks, and handles in the
// arguments of tools.
//
// Such an id is a bearer value: whoever holds it could go on where somebody else began (MCP 2026-07-28, security best
// practices, state handle hijacking). Who uses an id first, a workload for a user, owns it, and everybody else is
// refused as if it did not exist. The server gives out the id in a response, which is not seen here, so between that
// and the first use it is protected by being unguessable, and by nothing else.
//
// [Table] keeps the owners in memory: a restart forgets them, and every replica has its own. Package redistable keeps
// them in a store that a fleet shares.
package session

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"countersign.dev/authz/denial"
)

// Defaults of [Config].
const (
	DefaultTTL     = time.Hour
	DefaultPerPeer = 10_000
	DefaultTotal   = 100_000
)

// Config bounds what is remembered. A value that is not positive means the default.
type Config struct {
	// TTL is how long an owner is remembered after the last use; [DefaultTTL].
	TTL time.Duration
	// PerPeer is how much one workload may own, for all its users; [DefaultPerPeer]. One more drops what the same
	// owner used least recently. An owner who has nothing to drop is refused: nobody loses anything to somebody else,
	// who could then claim it.
	PerPeer int
	// Total is how much all workloads may own; [DefaultTotal]. New ids beyond it are refused.
	Total int
}

// Complete fills in the defaults.
func (c Config) Complete() Config {
	if c.TTL <= 0 {
		c.TTL = DefaultTTL
	}
	if c.PerPeer <= 0 {
		c.PerPeer = DefaultPerPeer
	}
	if c.Total <= 0 {
		c.Total = DefaultTotal
	}
	return c
}

// PeerFull is the refusal of a new id to a workload that has too many, and to an owner who has none of them.
func (c Config) PeerFull() error {
	return denial.New(denial.SessionLimit, "the workload owns %d ids, none of them for this user; no more are accepted", c.PerPeer)
}

// Full is the refusal of a new id when all workloads together have too many.
func (c Config) Full() error {
	return denial.New(denial.SessionLimit, "%d ids are owned; no more are accepted", c.Total)
}

// Table remembers owners in memory. It is safe for concurrent use.
type Table struct {
	config Config

	mu sync.Mutex
	// all orders ids by last use, so that the expired ones are the oldest. It never evicts by itself.
	all    *simplelru.LRU[Digest, binding]
	owners map[Digest]*simplelru.LRU[Digest, struct{}]
	peers  map[Digest]int // how much each workload owns
}

type binding struct {
	owner, peer Digest
	used        time.Time
}

// NewTable returns an empty table.
func NewTable(config Config) *Table {
	config = config.Complete()
	return &Table{
		config: config, all: newLRU[binding](config.Total),
		owners: make(map[Digest]*simplelru.LRU[Digest, struct{}]), peers: make(map[Digest]int),
	}
}

// newLRU cannot fail: the only error of the library is a size that is not positive.
func newLRU[V any](size int) *simplelru.LRU[Digest, V] {
	lru, _ := simplelru.NewLRU[Digest, V](size, nil)
	return lru
}

// Claim binds an id to its first user; later uses must come from the same owner. An expired id counts as never seen.
// The refusals are those of [Name.Check] and [Name.Foreign], and [denial.SessionLimit].
func (t *Table) Claim(_ context.Context, name Name, owner Owner, now time.Time) error {
	if err := name.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key, by := name.Digest(), binding{owner.Digest(), owner.PeerDigest(), now}
	if known, found := t.find(key, now); found {
		if known.owner != by.owner {
			return name.Foreign()
		}
		// Requests overlap, so an older time may come later; it must not shorten the life.
		if now.After(known.used) {
			known.used = now
		}
		t.put(key, known)
		return nil
	}
	t.dropExpired(now)
	if t.peers[by.peer] >= t.config.PerPeer {
		own := t.owners[by.owner]
		if own == nil {
			return t.config.PeerFull()
		}
		oldest, _, _ := own.GetOldest()
		t.remove(oldest)
	}
	if t.all.Len() >= t.config.Total {
		return t.config.Full()
	}
	t.put(key, by)
	t.peers[by.peer]++
	return nil
}

// Check refuses an id that was never claimed or has expired as [Name.Unknown], one of another owner as [Name.Foreign],
// and a malformed one as [Name.Check] does. It does not count as a use.
func (t *Table) Check(_ context.Context, name Name, owner Owner, now time.Time) error {
	if err := name.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mustOwn(name, owner, now)
}

// End is [Table.Check] for the owner's last use: the id is forgotten. If the backend does not end it after all, its
// owner claims it again with the next request.
func (t *Table) End(_ context.Context, name Name, owner Owner, now time.Time) error {
	if err := name.Check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.mustOwn(name, owner, now); err != nil {
		return err
	}
	t.remove(name.Digest())
	return nil
}

// Len returns how many ids are remembered, expired ones included.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Len()
}

func (t *Table) mustOwn(name Name, owner Owner, now time.Time) error {
	known, found := t.find(name.Digest(), now)
	switch {
	case !found:
		return name.Unknown()
	case known.owner != owner.Digest():
		return name.Foreign()
	}
	return nil
}

// find returns what is known about an id, unless it has expired.
func (t *Table) find(key Digest, now time.Time) (binding, bool) {
	known, found := t.all.Peek(key)
	if found && t.expired(known, now) {
		t.remove(key)
		return binding{}, false
	}
	return known, found
}

func (t *Table) expired(b binding, now time.Time) bool { return !now.Before(b.used.Add(t.config.TTL)) }

func (t *Table) dropExpired(now time.Time) {
	for key, b, ok := t.all.GetOldest(); ok && t.expired(b, now); key, b, ok = t.all.GetOldest() {
		t.remove(key)
	}
}

// put makes an id the last used one.
func (t *Table) put(key Digest, b binding) {
	t.all.Add(key, b)
	if t.owners[b.owner] == nil {
		t.owners[b.owner] = newLRU[struct{}](t.config.PerPeer)
	}
	t.owners[b.owner].Add(key, struct{}{})
}

// remove forgets an id that is in the table.
func (t *Table) remove(key Digest) {
	b, _ := t.all.Peek(key)
	t.all.Remove(key)
	own := t.owners[b.owner]
	own.Remove(key)
	if own.Len() == 0 {
		delete(t.owners, b.owner)
	}
	t.peers[b.peer]--
	if t.peers[b.peer] == 0 {
		delete(t.peers, b.peer)
	}
}
