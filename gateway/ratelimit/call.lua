-- The next time at which a source may be asked once more (GCRA). KEYS: the source's schedule.
-- ARGV: now in microseconds ('': Redis's own time), between two calls, ahead of time (a burst), longest wait.
-- Gives {1, wait}, or {0, wait} where that is too long: then nothing is taken.

local interval, ahead, longest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local kept = redis.call('HMGET', KEYS[1], 'next', 'at')
local next, at = tonumber(kept[1]) or now, tonumber(kept[2]) or now
-- A clock that was put back holds nothing up: what is taken lies as far ahead as before.
if at > now then next = next - (at - now) end

local start = math.max(next, now)
local wait = math.max(0, start - ahead - now)
if wait > longest then return {0, wait} end
redis.call('HSET', KEYS[1], 'next', start + interval, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((start + interval - now) / 1000) + 1000)
return {1, wait}
