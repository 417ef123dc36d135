-- Takes a cost and a place, or nothing. ARGV further: id, cost. Asked twice with one id, it takes once.

local id, cost = ARGV[8], tonumber(ARGV[9])
local member = ARGV[9] .. ':' .. id

local before = redis.call('ZSCORE', KEYS[2], member)
if before and tonumber(before) > now then return reply(0, 0) end

local reason, wait = 0, -1
local function refuse(why, ms)
  if ms > wait then reason, wait = why, ms end
end
if level < cost then refuse(1, math.ceil((cost - level) / restore)) end
if in_flight >= most then
  local first = redis.call(
    'ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1
  )
  local lasts = tonumber(first[2]) - now
  -- One that outlives its deadline was left behind by a dead process.
  if lasts > margin then lasts = lasts - margin end
  refuse(3, lasts)
end
if quota > 0 and used + cost > quota then refuse(2, (day + 1) * DAY - now) end
if reason > 0 then return reply(reason, wait) end

level, used, in_flight = level - cost, used + cost, in_flight + 1
keep()
redis.call('ZADD', KEYS[2], now + hold, member)
redis.call('PEXPIRE', KEYS[2], hold + 1000)
return reply(0, 0)
