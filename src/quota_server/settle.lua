-- Stores a decision on the rate of a quota, unless another host was first. See settle in src/engine/pace/quota.rs.
--
-- KEYS: the quota (a hash).
-- ARGV: history, version that is replaced, learner, rate, horizon, time until the next decision, cut ('' for none), bytes
--       of answers that were taken into account.
-- Returns 1 if it is stored, else 0.

local FASTER = 2 -- times the rate before

local quota = redis.call('HMGET', KEYS[1], 'history', 'version', 'answers', 'rate', 'seen', 'next')
if quota[1] ~= ARGV[1] or tonumber(quota[2]) ~= tonumber(ARGV[2]) then
  return 0
end
local version = string.format('%.17g', tonumber(ARGV[2]) + 1)
local answers = string.sub(quota[3] or '', tonumber(ARGV[8]) + 1)
redis.call('HSET', KEYS[1], 'version', version, 'learner', ARGV[3], 'rate', ARGV[4], 'horizon', ARGV[5], 'after', ARGV[6],
  'cut', ARGV[7], 'answers', answers)
-- Slots that are out at a much slower rate would keep a faster host waiting: the next ones follow at the new rate.
local before, seen, next_slot = tonumber(quota[4]), tonumber(quota[5]), tonumber(quota[6])
local rate = tonumber(ARGV[4])
if before and seen and next_slot and rate > FASTER * before and next_slot > seen then
  next_slot = seen + (next_slot - seen) * before / rate
  redis.call('HSET', KEYS[1], 'next', string.format('%.17g', next_slot))
end
return 1
