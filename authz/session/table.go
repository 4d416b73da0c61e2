// Package session binds legacy MCP sessions (Mcp-Session-Id, protocol versions up to 2025-11-25) to their owner.
//
// A session id is a bearer value: whoever holds it could speak in the session. The table remembers which workload, for
// which user, used an id first, and refuses everybody else. It is kept in memory: a restart forgets it, and every
// replica has its own.
package session

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"countersign.dev/authz/denial"
)

// MaxID is the longest session id in bytes. The MCP specification sets no limit; real ids are UUIDs, hashes or JWTs.
const MaxID = 1 << 10

// Defaults of [Config].
const (
	DefaultTTL     = time.Hour
	DefaultPerPeer = 1000
	DefaultTotal   = 100_000
)

// Config bounds a [Table]. A value that is not positive means the default.
type Config struct {
	// TTL is how long a session is remembered after its last use; [DefaultTTL].
	TTL time.Duration
	// PerPeer is how many sessions one workload may have; [DefaultPerPeer]. One more drops its own least recently used
	// session, and nobody else's.
	PerPeer int
	// Total is how many sessions all workloads may have; [DefaultTotal]. New ones beyond it are refused.
	Total int
}

// Owner is who may use a session.
type Owner struct {
	// Peer is the SPIFFE ID of the workload.
	Peer string
	// Subject is the user of the delegation; empty without one.
	Subject string
}

// Table remembers sessions. It is safe for concurrent use.
type Table struct {
	ttl     time.Duration
	perPeer int
	total   int

	mu sync.Mutex
	// all orders sessions by last use, so that the expired ones are the oldest. It never evicts by itself.
	all   *simplelru.LRU[key, binding]
	peers map[string]*simplelru.LRU[key, struct{}]
}

type key struct{ server, id string }

type binding struct {
	owner Owner
	used  time.Time
}

// NewTable returns an empty table.
func NewTable(config Config) *Table {
	t := &Table{ttl: config.TTL, perPeer: config.PerPeer, total: config.Total}
	if t.ttl <= 0 {
		t.ttl = DefaultTTL
	}
	if t.perPeer <= 0 {
		t.perPeer = DefaultPerPeer
	}
	if t.total <= 0 {
		t.total = DefaultTotal
	}
	t.all = newLRU[binding](t.total)
	t.peers = make(map[string]*simplelru.LRU[key, struct{}])
	return t
}

// newLRU cannot fail: the only error of the library is a size that is not positive.
func newLRU[V any](size int) *simplelru.LRU[key, V] {
	lru, _ := simplelru.NewLRU[key, V](max(size, 1), nil)
	return lru
}

// Claim binds a session to its first user; later uses must come from the same owner. An expired session counts as
// never seen. The refusals are [denial.SessionForeign], [denial.SessionLimit], and [denial.HeaderInvalid] for an id
// that is too long or has characters other than visible ASCII (MCP 2025-11-25, Transports, Session Management).
func (t *Table) Claim(_ context.Context, server, id string, owner Owner, now time.Time) error {
	if err := checkID(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{server, id}
	found, err := t.use(k, owner, now)
	if err != nil || found {
		return err
	}
	t.dropExpired(now)
	if own := t.peers[owner.Peer]; own != nil && own.Len() >= t.perPeer {
		oldest, _, _ := own.GetOldest()
		t.remove(oldest)
	}
	if t.all.Len() >= t.total {
		return denial.New(denial.SessionLimit, "%d sessions are open; no more are accepted", t.all.Len())
	}
	// Cloned, so that a small id does not keep a whole request in memory.
	k = key{strings.Clone(server), strings.Clone(id)}
	owner = Owner{Peer: strings.Clone(owner.Peer), Subject: strings.Clone(owner.Subject)}
	t.all.Add(k, binding{owner: owner, used: now})
	if t.peers[owner.Peer] == nil {
		t.peers[owner.Peer] = newLRU[struct{}](t.perPeer)
	}
	t.peers[owner.Peer].Add(k, struct{}{})
	return nil
}

// Check refuses a session that was never claimed or has expired as [denial.SessionUnknown], one of another owner as
// [denial.SessionForeign], and a malformed id as [denial.HeaderInvalid]. It counts as a use.
func (t *Table) Check(_ context.Context, server, id string, owner Owner, now time.Time) error {
	if err := checkID(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mustUse(key{server, id}, owner, now)
}

// End is [Table.Check] for the owner's last use: the session is forgotten. If the backend does not end it after all,
// its owner claims it again with the next request.
func (t *Table) End(_ context.Context, server, id string, owner Owner, now time.Time) error {
	if err := checkID(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{server, id}
	if err := t.mustUse(k, owner, now); err != nil {
		return err
	}
	t.remove(k)
	return nil
}

// Len returns how many sessions are remembered, expired ones included.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Len()
}

func (t *Table) mustUse(k key, owner Owner, now time.Time) error {
	found, err := t.use(k, owner, now)
	if err == nil && !found {
		return denial.New(denial.SessionUnknown, "session %s is not known for server %q", shown(k.id), k.server)
	}
	return err
}

// use reports whether a live session is there, and marks it as used if it is the owner's.
func (t *Table) use(k key, owner Owner, now time.Time) (found bool, err error) {
	b, found := t.all.Peek(k)
	if !found {
		return false, nil
	}
	if t.expired(b, now) {
		t.remove(k)
		return false, nil
	}
	if b.owner != owner {
		return true, denial.New(denial.SessionForeign, "session %s of server %q belongs to %s for %q, not to %s for %q",
			shown(k.id), k.server, b.owner.Peer, b.owner.Subject, owner.Peer, owner.Subject)
	}
	// Requests overlap, so an older time may come later; it must not shorten the life.
	if now.After(b.used) {
		b.used = now
	}
	t.all.Add(k, b)
	t.peers[owner.Peer].Get(k)
	return true, nil
}

func (t *Table) expired(b binding, now time.Time) bool { return !now.Before(b.used.Add(t.ttl)) }

func (t *Table) dropExpired(now time.Time) {
	for k, b, ok := t.all.GetOldest(); ok && t.expired(b, now); k, b, ok = t.all.GetOldest() {
		t.remove(k)
	}
}

// remove forgets a session that is in the table.
func (t *Table) remove(k key) {
	b, _ := t.all.Peek(k)
	t.all.Remove(k)
	own := t.peers[b.owner.Peer]
	own.Remove(k)
	if own.Len() == 0 {
		delete(t.peers, b.owner.Peer)
	}
}

func checkID(id string) error {
	if id == "" || len(id) > MaxID {
		return denial.New(denial.HeaderInvalid, "the session id has %d bytes: 1 to %d are allowed", len(id), MaxID)
	}
	for i := range len(id) {
		if id[i] < 0x21 || id[i] > 0x7e {
			return denial.New(denial.HeaderInvalid, "the session id has a character other than visible ASCII")
		}
	}
	return nil
}

// shown names a session in a detail without revealing the whole id, which is a bearer value.
func shown(id string) string { return id[:min(len(id)/2, 8)] + "…" }
