"""Registered documents in the Redis that replicas share, each client's in one hash.

All keys lie in one slot, so that one script can keep every bound in one step on a cluster too. A Redis that
is slow or gone is left alone for a moment, as the cache does; what this process knows is served meanwhile.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from gateway.persisted.registered import Bounds, MemoryRegistered

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE_S: Final = 2.0
ASK_AGAIN_AFTER_S: Final = 60.0
"""A document that this process knows is in use: Redis is told so, at most so often."""

_BEGINNING: Final = """
local used, of, texts = KEYS[1], KEYS[2], KEYS[3]
local hash, client, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(one)
  redis.call('ZREM', of, one)
  redis.call('HDEL', texts, one)
  redis.call('ZREM', used, client .. ':' .. one)
end

local function forget_expired()
  for _, one in ipairs(redis.call('ZRANGEBYSCORE', of, '-inf', now - ttl)) do forget(one) end
end
"""
FIND: Final = (
    _BEGINNING
    + """
forget_expired()
if not redis.call('ZSCORE', of, hash) then
  redis.call('HDEL', texts, hash)
  return false
end
local text = redis.call('HGET', texts, hash)
if not text then forget(hash) return false end
-- pcall: a Redis that is full must not keep what it has to itself.
redis.pcall('ZADD', of, now, hash)
redis.pcall('ZADD', used, now, client .. ':' .. hash)
for _, key in ipairs(KEYS) do redis.pcall('PEXPIRE', key, ttl) end
return text
"""
)
KEEP: Final = (
    _BEGINNING
    + """
local text, client_max, all_max = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
-- First, because a Redis that is full refuses a script at its first write only: nothing has changed then.
redis.call('HSET', texts, hash, text)
forget_expired()
redis.call('ZREMRANGEBYSCORE', used, '-inf', now - ttl)
if not redis.call('ZSCORE', of, hash) then
  local own = redis.call('ZCARD', of)
  local excess = math.max(own - client_max + 1, redis.call('ZCARD', used) >= all_max and 1 or 0)
  if excess > own then
    redis.call('HDEL', texts, hash)
    return 0
  end
  if excess > 0 then
    for _, one in ipairs(redis.call('ZRANGE', of, 0, excess - 1)) do forget(one) end
  end
end
redis.call('HSET', texts, hash, text)
redis.call('ZADD', of, now, hash)
redis.call('ZADD', used, now, client .. ':' .. hash)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
return 1
"""
)
"""`used` is ordered by last use and holds what all clients have, `of` likewise what one has, `texts` the
texts of one. Time is that of Redis."""


class RedisRegistered:
    """`gateway.persisted.registered.RegisteredDocuments` over one Redis, with the process's own before it."""

    def __init__(
        self,
        client: Redis | RedisCluster,
        prefix: str,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix + "{documents}:"
        self._bounds = bounds
        self._clock = clock
        self._own = MemoryRegistered(bounds, clock)
        self._ask_again_at: dict[tuple[str, str], float] = {}
        self._next_try_at = float("-inf")
        self._find = client.register_script(FIND)
        self._keep = client.register_script(KEEP)

    async def find(self, client: str, hash_: str) -> str | None:
        """The text, of this process where it was asked for lately; None where it cannot be had."""
        known = await self._own.find(client, hash_)
        now = self._clock()
        if known is not None and now < self._ask_again_at.get((client, hash_), 0.0):
            return known
        found = await self._run(self._find, client, hash_)
        if isinstance(found, bytes):
            text = found.decode("utf-8", "replace")
            await self._keep_own(client, hash_, text)
            return text
        if known is not None:  # Redis has lost it, or is away
            await self.keep(client, hash_, known)
        return known

    async def keep(self, client: str, hash_: str, text: str) -> bool:
        """Registers a text here and in Redis; False where there is no place for it in either."""
        is_fresh = self._clock() < self._ask_again_at.get((client, hash_), 0.0)
        if is_fresh and await self._own.find(client, hash_) is not None:
            return True
        is_kept = await self._own.keep(client, hash_, text)
        bounds = (self._bounds.client_max, self._bounds.all_max)
        done = await self._run(self._keep, client, hash_, text.encode("utf-8", "replace"), *bounds)
        if done == 1:
            self._remember(client, hash_)
        return is_kept or done == 1

    async def _keep_own(self, client: str, hash_: str, text: str) -> None:
        await self._own.keep(client, hash_, text)
        self._remember(client, hash_)

    def _remember(self, client: str, hash_: str) -> None:
        if len(self._ask_again_at) >= self._bounds.all_max:
            self._ask_again_at.clear()
        pause_s = min(ASK_AGAIN_AFTER_S, self._bounds.ttl_s / 4)
        self._ask_again_at[client, hash_] = self._clock() + pause_s

    async def _run(self, script: Any, client: str, hash_: str, *more: bytes | int) -> Any:
        """What a script gives; None where Redis does not answer, or cannot take more."""
        if self._clock() < self._next_try_at:
            return None
        keys = [self._prefix + one for one in ("used", f"of:{client}", f"texts:{client}")]
        try:
            return await script(keys=keys, args=[hash_, client, int(self._bounds.ttl_s * 1000), *more])
        except ResponseError as problem:  # it is there: full, or on its way to another master
            log.warning("the store does not keep documents: %s", type(problem).__name__)
        except (RedisError, RedisClusterException, OSError) as problem:
            self._next_try_at = self._clock() + PAUSE_AFTER_FAILURE_S
            log.warning("the store does not answer: %s", type(problem).__name__)
        return None
