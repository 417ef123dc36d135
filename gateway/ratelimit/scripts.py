"""Lua scripts of this package, run in one exchange with Redis each, and what may go wrong there."""

import hashlib
import re
from importlib import resources
from typing import Final, cast

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from gateway.ratelimit.limiter import StoreUnavailable

PREFIX: Final = "clinical-gateway:limit:"
TIMEOUT_S: Final = 0.25
CONNECTIONS_MAX: Final = 64
CONNECTION_WITHIN_S: Final = 2.0
CLUSTER_CONNECTIONS_MAX: Final = 1024
_CODE: Final = re.compile(r"(?:^|-)(?!ERR\b)([A-Z]{3,})\b")

Client = Redis | RedisCluster


def open_client(url: str, *, is_cluster: bool = False) -> Client:
    """A client whose calls end soon: a lost connection is made anew once, a slow answer is not waited for.

    Asking twice is harmless: every script knows what it has done. Raises ValueError for what is no address.
    """
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    if is_cluster:
        try:
            return RedisCluster.from_url(
                url,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                max_connections=CLUSTER_CONNECTIONS_MAX,
                retry=retry,
            )
        except RedisClusterException as problem:  # a socket, a database other than 0
            raise ValueError("this URL is not one of a cluster") from problem
    pool = BlockingConnectionPool.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        # Whoever finds no connection waits for one: that is no failure of the store.
        max_connections=CONNECTIONS_MAX,
        timeout=CONNECTION_WITHIN_S,
        retry=retry,
    )
    return Redis.from_pool(pool)


class Script:
    """One script. Redis knows it by its digest; one that does not is given the text."""

    def __init__(self, *names: str) -> None:
        folder = resources.files(__package__)
        self._text = "\n".join((folder / f"{name}.lua").read_text("utf-8") for name in names)
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Client, keys: tuple[str, ...], *arguments: str | int) -> list[int]:
        """What it returns. Raises StoreUnavailable."""
        try:
            try:
                found = await client.execute_command("EVALSHA", self._digest, len(keys), *keys, *arguments)
            except NoScriptError:
                found = await client.execute_command("EVAL", self._text, len(keys), *keys, *arguments)
        except (RedisError, RedisClusterException, OSError, TimeoutError) as problem:
            told = _told(problem)
            if "READONLY" in told and isinstance(client, Redis):
                # It has become a replica, perhaps behind the address of the new master: connect anew.
                await client.connection_pool.disconnect(inuse_connections=False)
            raise StoreUnavailable(told) from problem
        return cast("list[int]", found)


def _told(problem: Exception) -> str:
    """What may be logged: the kind, and the code of what Redis says (`OOM`, `READONLY`; before Redis 7 it
    stands in the middle); never the rest, which may hold an address."""
    code = _CODE.search(str(problem)) if isinstance(problem, ResponseError) else None
    return f"{type(problem).__name__} {code[1]}" if code else type(problem).__name__


def braced(key: str) -> str:
    """A key whose tag decides where it lies in a cluster: keys with one tag lie together."""
    return f"{PREFIX}{{{key}}}"
