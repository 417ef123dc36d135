"""The store that replicas share: Redis, reached over TLS (`rediss://`), a socket, or this machine.

A Redis that is slow or gone costs time, never an answer: after a failure it is left alone for a
moment, and every question meanwhile is answered "not there".
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from gateway.store.redis_documents import RedisRegistered
from gateway.store.redis_grants import RedisGrantStore
from gateway.store.store import Store, StoreInvalid

log = logging.getLogger(__name__)

PREFIX: Final = "clinical-gateway:"
TIMEOUT_S: Final = 0.25
CONNECTIONS_MAX: Final = 32
CLUSTER_CONNECTIONS_MAX: Final = 1024
"""To each node. There a burst cannot wait for a connection; so many it does not need."""
PAUSE_AFTER_FAILURE_S: Final = 2.0
FAILURES: Final = (RedisError, RedisClusterException, OSError)


class RedisCache:
    """The cache Protocol over one Redis."""

    def __init__(self, client: Redis | RedisCluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._next_try_at = float("-inf")

    async def get(self, key: str) -> bytes | None:
        """The value, or None: absent, expired, or Redis cannot be reached."""
        if self._clock() < self._next_try_at:
            return None
        try:
            value = await self._client.get(PREFIX + key)
        except FAILURES as problem:
            self._pause(problem)
            return None
        return value if isinstance(value, bytes) else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keeps the value for `ttl_s` seconds, unless Redis cannot be reached."""
        await self.set_all({key: value}, ttl_s)

    async def set_all(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keeps the values for `ttl_s` seconds by one pipeline, unless Redis cannot be reached."""
        if not values or ttl_s <= 0 or self._clock() < self._next_try_at:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(PREFIX + key, value, px=max(1, int(ttl_s * 1000)))
                await pipeline.execute()
        except FAILURES as problem:
            self._pause(problem)

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    def _pause(self, problem: Exception) -> None:
        self._next_try_at = self._clock() + PAUSE_AFTER_FAILURE_S
        log.warning("the store does not answer: %s", type(problem).__name__)


def open_redis(url: str | None) -> Store:
    """A store at a Redis address; raises `StoreInvalid`, without the address, for it may hold a password."""
    try:
        pool = BlockingConnectionPool.from_url(
            url or "",
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            max_connections=CONNECTIONS_MAX,
            timeout=TIMEOUT_S,  # a burst waits for a connection; it does not mean that Redis is gone
            decode_responses=False,
        )
    except ValueError:
        raise StoreInvalid("the store's address is not a redis://, rediss:// or unix:// URL") from None
    return _store(Redis.from_pool(pool))


def open_cluster(url: str | None) -> Store:
    """A store on a Redis Cluster, by the address of any node; raises `StoreInvalid`, without the address."""
    try:
        client = RedisCluster.from_url(
            url or "",
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            max_connections=CLUSTER_CONNECTIONS_MAX,
            decode_responses=False,
        )
    except (ValueError, RedisClusterException):
        raise StoreInvalid("the store's address is not a redis:// or rediss:// URL") from None
    return _store(client)


def _store(client: Redis | RedisCluster) -> Store:
    cache = RedisCache(client)
    registered = partial(RedisRegistered, client, PREFIX)
    return Store(cache, RedisGrantStore(client, PREFIX), registered, cache.close)
