-- Takes slots of a quota, and records answers. See take in src/engine/pace/quota.rs.
--
-- KEYS: the quota (a hash), the hosts that take slots (a sorted set: when each is forgotten).
-- ARGV: host, ceiling ('' for none), slots wanted, least horizon, start rate, answers (text), history ('' for none),
--       whether the rate may have to change at once ('1' or '0').
-- Returns history, now, wait, slots, rate, hosts, cut ('' for none), and, for the host that is to decide on the rate,
--       version, learner, answers, and the hosts' ceilings.
--
-- Times are in seconds since the quota's history began. Lua's own conversion of numbers would lose digits.

local FORGOTTEN_AFTER = 1 -- seconds after its last slot a host does not count any more
local KEPT_FOR = 120 -- seconds after the last call a quota is forgotten
local LONGEST_RECORD = 65536 -- bytes of answers that wait for a decision
local URGENT_AFTER = 0.05 -- seconds between two decisions, however urgent: many hosts are throttled at once
local LONGEST_QUEUE = 60 -- seconds for which slots may be out, unless many hosts wait at a slow rate

local function text(number)
  return string.format('%.17g', number)
end

local function within(number, least, most)
  return number and number >= least and number <= most
end

-- A key of another type is replaced; any other error is the answer.
local function is_wrong_type(reply)
  return string.find(reply.err, 'WRONGTYPE', 1, true)
end

local quota = redis.pcall('HMGET', KEYS[1], 'history', 'shift', 'seen', 'next', 'rate', 'horizon', 'after', 'settled',
  'version', 'cut', 'learner', 'answers')
if quota.err then
  if not is_wrong_type(quota) then
    return quota
  end
  quota = {}
end
local history, cut, learner, answers = quota[1] or '', quota[10] or '', quota[11] or '', quota[12] or ''
local shift, seen, next_slot, rate = tonumber(quota[2]), tonumber(quota[3]), tonumber(quota[4]), tonumber(quota[5])
local horizon, after, settled, version = tonumber(quota[6]), tonumber(quota[7]), tonumber(quota[8]), tonumber(quota[9])

local time = redis.call('TIME')
local began, began_micros = string.match(history, '^(%d+)%.(%d+)$')
local now = nil
if began and within(shift, -1e12, 1e12) and within(seen, 0, 1e12) then
  now = (tonumber(time[1]) - tonumber(began)) + (tonumber(time[2]) - tonumber(began_micros)) / 1e6 + shift
  if now < seen then
    -- The clock was set back: time goes on from where it was.
    shift = shift + (seen - now)
    now = seen
  end
end

local hosts = 0
local known = now and within(next_slot, 0, 1e12) and within(rate, 0.01, 1e6) and within(horizon, 0, 1)
  and within(after, 0, 60) and within(settled, 0, now) and within(version, 0, 1e15)
  and (cut == '' or within(tonumber(cut), 0, 1e12))
if known then
  local removed = redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now))
  if type(removed) == 'number' then
    hosts = redis.call('ZCARD', KEYS[2])
    known = next_slot - now <= math.max(LONGEST_QUEUE, 4 * hosts / rate)
  elseif is_wrong_type(removed) then
    known = false
  else
    return removed
  end
end
if not known then
  -- A new quota, or one that somebody has damaged.
  redis.call('DEL', KEYS[1], KEYS[2])
  history, cut, learner, answers = time[1] .. '.' .. time[2], '', '', ''
  shift, now, next_slot, rate = 0, 0, 0, tonumber(ARGV[5])
  horizon, after, settled, version = 0.1, 0.25, 0, 0
  hosts = 0
end

local member = ARGV[1] .. ' ' .. ARGV[2]
local is_new = not redis.call('ZSCORE', KEYS[2], member)
if is_new then
  hosts = hosts + 1
end

local wanted = tonumber(ARGV[3])
local slots, wait = 0, 0
if wanted > 0 then
  local longest = math.min(math.max(horizon, tonumber(ARGV[4])), 1)
  slots = math.max(1, math.min(wanted, math.floor(longest * rate / hosts)))
  local first = math.max(next_slot, now)
  wait = first - now
  next_slot = first + slots / rate
  redis.call('ZADD', KEYS[2], text(next_slot + FORGOTTEN_AFTER), member)
end

if ARGV[6] ~= '' and ARGV[7] == history and #answers < LONGEST_RECORD then
  -- Each group of answers gets the time at which it was reported.
  answers = answers .. string.gsub(ARGV[6], ';', ',' .. text(now) .. ';')
end

-- A new host may bring another ceiling with it.
local pause = ARGV[8] == '1' and URGENT_AFTER or after
local decides = (is_new and wanted > 0) or (answers ~= '' and now - settled >= pause)
if decides then
  settled = now
end

redis.call('HSET', KEYS[1], 'history', history, 'shift', text(shift), 'seen', text(now), 'next', text(next_slot), 'rate',
  text(rate), 'horizon', text(horizon), 'after', text(after), 'settled', text(settled), 'version', text(version), 'cut',
  cut, 'learner', learner, 'answers', answers)
local kept_for = math.ceil(KEPT_FOR + math.max(next_slot - now, 0))
redis.call('EXPIRE', KEYS[1], kept_for)
redis.call('EXPIRE', KEYS[2], kept_for)

local reply = { history, text(now), text(wait), text(slots), text(rate), text(hosts), cut }
if decides then
  reply[8], reply[9], reply[10] = text(version), learner, answers
  reply[11] = redis.call('ZRANGE', KEYS[2], 0, -1)
  if is_new then
    table.insert(reply[11], member)
  end
end
return reply
