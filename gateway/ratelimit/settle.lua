-- Ends a reservation. ARGV further: id, cost as reserved, cost as it was. One that is over already, or was
-- settled before, changes nothing. What is taken out comes first: a Redis that is full lets a script that
-- has freed something write.

local member = ARGV[9] .. ':' .. ARGV[8]
local score = tonumber(redis.call('ZSCORE', KEYS[2], member) or '')
if not score or score <= now then return reply(0, 0) end

redis.call('ZREM', KEYS[2], member)
in_flight = in_flight - 1
give_back(tonumber(ARGV[9]) - tonumber(ARGV[10]), score)
keep()
return reply(0, 0)
