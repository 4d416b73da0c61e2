// Package redisguard is a [replay.Guard] in Valkey or Redis: a use on one replica is one on all of them, and a restart
// of a replica forgets nothing.
//
// Every use is one script that Redis runs in one step, so that of two replicas with the same request one lets it pass.
// Redis drops a use by its own clock, when the delegation has expired and [replay.Skew] is over. Whatever goes wrong
// with the store is a refusal, [denial.ReplayUnavailable].
//
// The store also knows since when it remembers uses. After a failover to an empty server that is a new time, and all
// delegations from before are refused, so nothing is let through twice. A failover to a server that has not received
// the last uses cannot be noticed: run Redis with appendonly and replicas that a primary waits for (min-replicas-to-write),
// and without eviction (maxmemory-policy noeviction).
package redisguard

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/replay"
)

// patience is how long Redis may take for one exchange: less than Envoy waits for a check, so that the refusal is ours.
const patience = 800 * time.Millisecond

// Guard remembers uses in Redis. It is safe for concurrent use, also from many processes.
type Guard struct {
	store  *redisstore.Store
	config replay.Config
}

// New returns a guard in a store. All replicas should have the same configuration.
func New(store *redisstore.Store, config replay.Config) *Guard {
	return &Guard{store, config.Complete()}
}

// begin sets since when uses are remembered, unless it is known.
var begin = redis.NewScript(`return redis.call('SET', KEYS[1], ARGV[1], 'NX') and 'new' or 'known'`)

// Begin has the store remember uses from now on, if it does not already. Without it the first use would begin, and
// refuse its own delegation as too old. It may fail while the store is away, which costs no more than that.
func (g *Guard) Begin(ctx context.Context, now time.Time) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := begin.Run(bounded, g.store, []string{g.since()}, now.UnixMilli()).Err(); err != nil {
		return unavailable(ctx, "beginning to remember uses", err)
	}
	return nil
}

// spend notes a use under its own key, whose value is the request that it was for, and counts it in two sorted sets by
// when it is forgotten: of the workload and of all. A key that Redis itself took for expired would not be kept at all.
var spend = redis.NewScript(`
local use, peer, all, since = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, request = ARGV[1], ARGV[2]
local now, issued, forget = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local perPeer, total = tonumber(ARGV[6]), tonumber(ARGV[7])

local known = redis.call('GET', use)
if known then
  if request ~= '' and known == request then return 'again' end
  return 'replayed'
end
redis.call('SET', since, ARGV[3], 'NX')
if issued < tonumber(redis.call('GET', since)) then return 'too old' end
if issued > now then return 'too new' end
local clock = redis.call('TIME')
if forget <= clock[1] * 1000 + clock[2] / 1000 then return 'clock' end

for _, set in ipairs({peer, all}) do redis.call('ZREMRANGEBYSCORE', set, '-inf', ARGV[3]) end
if redis.call('ZCARD', peer) >= perPeer or redis.call('ZCARD', all) >= total then return 'full' end
redis.call('SET', use, request, 'PXAT', ARGV[5])
for _, set in ipairs({peer, all}) do
  redis.call('ZADD', set, ARGV[5], member)
  if redis.call('PEXPIRETIME', set) < forget then redis.call('PEXPIREAT', set, ARGV[5]) end
end
return 'first'
`)

// Spend is [replay.Guard.Spend].
func (g *Guard) Spend(ctx context.Context, use replay.Use, now time.Time) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	member := use.Digest()
	keys := []string{
		g.store.Key("replay", "use", member), g.store.Key("replay", "peer", use.PeerDigest()), g.store.Key("replay", "all"), g.since(),
	}
	answer, err := spend.Run(bounded, g.store, keys, member, use.RequestID,
		now.UnixMilli(), use.IssuedAt.UnixMilli(), use.Forget().UnixMilli(), g.config.PerPeer, g.config.Total,
	).Text()
	if err != nil {
		return unavailable(ctx, "noting a use", err)
	}
	switch answer {
	case "first", "again":
		return nil
	case "replayed":
		return use.Replayed()
	case "too old":
		return use.Uncertain(replay.TooOld)
	case "too new":
		return use.Uncertain(replay.TooNew)
	case "clock":
		return use.Uncertain(replay.ClockBack)
	case "full":
		return replay.Full()
	}
	return denial.New(denial.ReplayUnavailable, "the store answered %.32q", answer)
}

func (g *Guard) since() string { return g.store.Key("replay", "since") }

// unavailable is the refusal when the store could not be asked; [denial.Cancelled] when it was the caller who gave up.
func unavailable(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return denial.New(denial.Cancelled, "%s: %w", doing, err)
	}
	return denial.New(denial.ReplayUnavailable, "%s: %w", doing, err)
}
