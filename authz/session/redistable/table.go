// Package redistable is a [session.Table] in Valkey or Redis: what one replica learned about owners holds on all of
// them, and a restart of a replica forgets nothing.
//
// Ids, workloads and users are stored as SHA-256 only. A check reads, and every use writes once, by a script that Redis
// runs in one step. Whatever goes wrong with the store is a refusal, [denial.SessionUnavailable].
//
// What Redis loses is lost: after a failover to a server that had not yet received the last claims, or to an empty one,
// an id belongs again to whoever uses it first. Run it with appendonly, without eviction (maxmemory-policy noeviction),
// and with replicas that a primary waits for. Times are those of the replica that asks; clocks of replicas that differ
// shorten or prolong the life of an unused id by as much.
package redistable

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/session"
)

// patience is how long Redis may take for one exchange: less than Envoy waits for a check, so that the refusal is ours.
const patience = 800 * time.Millisecond

// slack is how much longer than the TTL Redis keeps a key, so that it does not go by its own clock.
const slack = time.Minute

// Table remembers owners in Redis. It is safe for concurrent use, also from many processes.
type Table struct {
	store  *redisstore.Store
	config session.Config
}

// New returns a table in a store. All replicas should have the same configuration.
func New(store *redisstore.Store, config session.Config) *Table {
	return &Table{store, config.Complete()}
}

// Claim is [session.Table.Claim].
func (t *Table) Claim(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	return t.run(ctx, "claim", name, owner, now)
}

// End is [session.Table.End].
func (t *Table) End(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	return t.run(ctx, "end", name, owner, now)
}

// Check is [session.Table.Check].
func (t *Table) Check(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	if err := name.Check(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known, err := t.store.HMGet(bounded, t.key("id", name.Digest()), "owner", "used").Result()
	if err != nil {
		return unavailable(ctx, "asking for the owner", err)
	}
	if known[0] == nil {
		return name.Unknown()
	}
	used, err := strconv.ParseInt(fmt.Sprint(known[1]), 10, 64)
	if err != nil {
		return unavailable(ctx, "reading the time of the last use", err)
	}
	switch {
	case used <= now.UnixMilli()-t.config.TTL.Milliseconds():
		return name.Unknown()
	case known[0] != owner.Digest().String():
		return name.Foreign()
	}
	return nil
}

func (t *Table) run(ctx context.Context, operation string, name session.Name, owner session.Owner, now time.Time) error {
	if err := name.Check(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id, by := name.Digest(), owner.Digest()
	keys := []string{
		t.key("id", id), t.store.Key("session", "all"), t.key("peer", owner.PeerDigest()), t.key("owner", by),
	}
	answer, err := script.Run(bounded, t.store, keys,
		operation, id.String(), by.String(), now.UnixMilli(), t.config.TTL.Milliseconds(),
		(t.config.TTL + slack).Milliseconds(), t.config.PerPeer, t.config.Total, t.store.Key("session", "id", ""),
	).Text()
	if err != nil {
		return unavailable(ctx, "trying to "+operation, err)
	}
	switch answer {
	case "ok":
		return nil
	case "foreign":
		return name.Foreign()
	case "unknown":
		return name.Unknown()
	case "peer full":
		return t.config.PeerFull()
	case "full":
		return t.config.Full()
	}
	return denial.New(denial.SessionUnavailable, "the store answered %.32q", answer)
}

func (t *Table) key(kind string, d session.Digest) string {
	return t.store.Key("session", kind, d.String())
}

// unavailable is the refusal when the store could not be asked; [denial.Cancelled] when it was the caller who gave up.
func unavailable(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return denial.New(denial.Cancelled, "%s: %w", doing, err)
	}
	return denial.New(denial.SessionUnavailable, "%s: %w", doing, err)
}
