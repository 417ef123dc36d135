-- One budget, brought up to now. Stands before reserve.lua, settle.lua and look.lua.
-- KEYS: the budget (a hash), its reservations (a sorted set, by the time until which they last).
-- ARGV: now in ms ('': Redis's own time), capacity, restore per ms, most at a time, daily quota (0: none),
-- ms for which a reservation lasts, ms before that at which its operation is over. Costs are whole numbers of millionths below 2^53, so every sum is exact.

local DAY = 86400000
local capacity, restore = tonumber(ARGV[2]), tonumber(ARGV[3])
local most, quota, hold, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local day = math.floor(now / DAY)

local kept = redis.call('HMGET', KEYS[1], 'level', 'at', 'day', 'used')
local level, at, used = tonumber(kept[1]) or capacity, tonumber(kept[2]) or now, 0
if tonumber(kept[3]) == day then used = tonumber(kept[4]) end

-- A clock that was put back restores nothing; what is reserved lasts as long as before.
local back = math.max(at - now, 0)
if now > at then level = level + (now - at) * restore end
level = math.min(level, capacity)

local function cost_of(member)
  return tonumber(string.match(member, '^%d+'))
end

-- What comes back (or is taken, where it is negative) of a reservation that lasted until `score`.
local function give_back(cost, score)
  level = math.min(math.max(level + cost, 0), capacity)
  if math.floor((score - back - hold) / DAY) == day then used = math.max(used - cost, 0) end
end

-- Reservations that nobody has settled in time.
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now + back, 'WITHSCORES')
for i = 1, #over, 2 do give_back(cost_of(over[i]), tonumber(over[i + 1])) end
local in_flight = redis.call('ZCARD', KEYS[2]) - #over / 2

local function keep()
  if #over > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now + back) end
  if back > 0 then
    local held = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do redis.call('ZADD', KEYS[2], tonumber(held[i + 1]) - back, held[i]) end
  end
  redis.call('HSET', KEYS[1], 'level', level, 'at', now, 'day', day, 'used', used)
  local lasts = math.ceil((capacity - level) / restore) + hold
  if quota > 0 then lasts = math.max(lasts, (day + 1) * DAY - now) end
  redis.call('PEXPIRE', KEYS[1], lasts + 1000)
end

if back > 0 then
  keep()
  back, over = 0, {}
end

-- reason: 0 none, 1 the budget, 2 the day's quota, 3 as many run as may
local function reply(reason, wait)
  return {reason, wait, level, used, in_flight, (day + 1) * DAY - now}
end
