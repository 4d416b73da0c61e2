package redisfeed

import "github.com/redis/go-redis/v9"

// The scripts take the keys meta, entries, expiry and changes, in this order. Times are in milliseconds since 1970.

// record is the part of the scripts that notes a change: its number, and its place in the stream with the place of the
// one before, so that two histories that have numbers in common can be told apart. Meta has the number of entries too,
// because a server that evicts keys, or an operator, may take away the one and leave the other.
const record = `
local function record(most, what, value)
  local last = redis.call('HGET', KEYS[1], 'last') or '0-0'
  local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
  local id = redis.call('XADD', KEYS[4], 'MAXLEN', '~', most, '*', 'version', version, 'after', last, what, value)
  redis.call('HSET', KEYS[1], 'last', id, 'entries', redis.call('HLEN', KEYS[2]))
  return version
end
`

// putScript adds an entry unless it is there already and counts at least as long. With a generation, only if the server
// is of this one. It answers what it did, and the version now.
//
// ARGV: id, entry, time from which it does not count, most entries, most changes, generation or "".
var putScript = redis.NewScript(record + `
if ARGV[6] ~= '' and redis.call('HGET', KEYS[1], 'generation') ~= ARGV[6] then
  return {'unvouched', 0}
end
local known = redis.call('ZSCORE', KEYS[3], ARGV[1])
if known and tonumber(known) >= tonumber(ARGV[3]) and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return {'kept', tonumber(redis.call('HGET', KEYS[1], 'version') or '0')}
end
if not known and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then
  return {'full', 0}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return {'put', record(ARGV[5], 'put', ARGV[2])}
`)

// removeScript removes an entry if the server is of this generation.
//
// ARGV: id, most changes, generation.
var removeScript = redis.NewScript(record + `
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[3] then
  return {'unvouched', 0}
end
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return {'missing', 0}
end
redis.call('ZREM', KEYS[3], ARGV[1])
return {'removed', record(ARGV[2], 'remove', ARGV[1])}
`)

// pruneScript removes entries that have not counted for some time, at most 500 at once, if the server is of this
// generation. It answers how many.
//
// ARGV: time of the replica, for how long, most changes, generation.
var pruneScript = redis.NewScript(record + `
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[4] then
  return 0
end
local now = math.min(redis.call('TIME')[1] * 1000, tonumber(ARGV[1]))
local over = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - ARGV[2]), 'LIMIT', 0, 500)
for _, id in ipairs(over) do
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  record(ARGV[3], 'remove', id)
end
return #over
`)

// condemnScript takes the generation away, if generation and version are still those that were found wanting.
//
// ARGV: generation, version.
var condemnScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] and (redis.call('HGET', KEYS[1], 'version') or '0') == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'generation')
end
return 0
`)

// vouchScript gives a server that has no generation one. It answers the generation now.
//
// ARGV: generation.
var vouchScript = redis.NewScript(`
if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'entries', redis.call('HLEN', KEYS[2]))
end
return tonumber(redis.call('HGET', KEYS[1], 'generation'))
`)
