package redistable

import "github.com/redis/go-redis/v9"

// script claims or ends an id in one step, so that of two replicas that claim at the same time one wins.
//
// An id has a hash with its owner and when it was used last, in milliseconds, and is a member of three sorted sets with
// the time of its last use as score: of all ids, of the workload's, and of the owner's. A set may still name an id that
// expired and has another owner by now. It is dropped from the set when the set is used next, and never taken for the
// set's own before that.
var script = redis.NewScript(`
local id, all, peer, mine = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local operation, member, owner = ARGV[1], ARGV[2], ARGV[3]
local now, ttl, keep = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local perPeer, total, prefix = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local over = string.format('%.0f', now - ttl)

local function use(at)
  local score = string.format('%.0f', at)
  redis.call('HSET', id, 'owner', owner, 'used', score)
  redis.call('PEXPIRE', id, keep)
  for _, set in ipairs({all, peer, mine}) do
    redis.call('ZADD', set, score, member)
    redis.call('PEXPIRE', set, keep)
  end
  return 'ok'
end

local known = redis.call('HMGET', id, 'owner', 'used')
if known[1] and tonumber(known[2]) > now - ttl then
  if known[1] ~= owner then return 'foreign' end
  if operation == 'claim' then return use(math.max(now, tonumber(known[2]))) end
  redis.call('DEL', id)
  for _, set in ipairs({all, peer, mine}) do redis.call('ZREM', set, member) end
  return 'ok'
end
if operation ~= 'claim' then return 'unknown' end

for _, set in ipairs({all, peer, mine}) do redis.call('ZREMRANGEBYSCORE', set, '-inf', over) end
if redis.call('ZCARD', peer) >= perPeer then
  local oldest = redis.call('ZRANGE', mine, 0, 0)[1]
  if not oldest then return 'peer full' end
  if redis.call('HGET', prefix .. oldest, 'owner') == owner then
    redis.call('DEL', prefix .. oldest)
    redis.call('ZREM', all, oldest)
  end
  redis.call('ZREM', peer, oldest)
  redis.call('ZREM', mine, oldest)
end
if redis.call('ZCARD', all) >= total then return 'full' end
return use(now)
`)
