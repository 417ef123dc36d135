"""What users have granted, in the Redis that replicas share.

Unlike the cache, nothing here can be had again from elsewhere: a Redis that does not answer is an error,
never "not there". The values do not expire, so the Redis must be durable (AOF) and must not evict them
(`noeviction` or a `volatile-*` policy).
"""

from typing import Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from resolvers.upstreams.grant_store import GrantStoreUnavailable

SWAP: Final = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[2] then return 1 end
if (held or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
"""In one step: ARGV[2] in the place of ARGV[1] ('' for nothing). That it is there already is success too: a
client that saw the connection break asks once more."""


class RedisGrantStore:
    """`resolvers.upstreams.grant_store.GrantStore` over one Redis."""

    def __init__(self, client: Redis | RedisCluster, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._swap = client.register_script(SWAP)

    async def get(self, key: str) -> bytes | None:
        """The value, None where there is none. Raises GrantStoreUnavailable."""
        try:
            value = await self._client.get(self._prefix + key)
        except (RedisError, RedisClusterException, OSError) as problem:
            raise GrantStoreUnavailable(type(problem).__name__) from problem
        return value if isinstance(value, bytes) else None

    async def swap(self, key: str, known: bytes | None, value: bytes) -> bool:
        """Replaces the value where it is the known one. Raises GrantStoreUnavailable."""
        try:
            done = await self._swap(keys=[self._prefix + key], args=[known or b"", value])
        except (RedisError, RedisClusterException, OSError) as problem:
            raise GrantStoreUnavailable(type(problem).__name__) from problem
        return bool(done)
