-- Stores a decision on the rate of a quota, unless another host was first. See settle in src/engine/pace/quota.rs.
--
-- KEYS: the quota (a hash).
-- ARGV: history, version that is replaced, learner, rate, horizon, time until the next decision, cut ('' for none), bytes
--       of answers that were taken into account.
-- Returns 1 if it is stored, else 0.

local quota = redis.call('HMGET', KEYS[1], 'history', 'version', 'answers')
if quota[1] ~= ARGV[1] or tonumber(quota[2]) ~= tonumber(ARGV[2]) then
  return 0
end
local version = string.format('%.17g', tonumber(ARGV[2]) + 1)
local answers = string.sub(quota[3] or '', tonumber(ARGV[8]) + 1)
redis.call('HSET', KEYS[1], 'version', version, 'learner', ARGV[3], 'rate', ARGV[4], 'horizon', ARGV[5], 'after', ARGV[6],
  'cut', ARGV[7], 'answers', answers)
return 1
