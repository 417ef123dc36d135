"""A Redis for the tests of limits, and limiters of each kind."""

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.ratelimit.limiter import Limiter
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import open_client
from tests.gateway.ratelimit.redis_process import RedisProcess, form_cluster
from tests.gateway.ratelimit.tiering import Now


@pytest.fixture(scope="session")
def shared_redis(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    one = RedisProcess(redis_server, tmp_path_factory.mktemp("redis"))
    one.start()
    yield one
    one.kill()


@pytest.fixture(scope="session")
def redis_cluster(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RedisProcess, ...]]:
    """Three masters; each has a replica."""
    folder = tmp_path_factory.mktemp("cluster")
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
    nodes = [RedisProcess(redis_server, folder / str(number), *options) for number in range(6)]
    try:
        for one in nodes:
            one.start()
        form_cluster(nodes[:3], nodes[3:])
        yield tuple(nodes[:3])
    finally:
        for one in nodes:
            one.kill()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture(params=["memory", "redis", "cluster"])
async def limiter(request: pytest.FixtureRequest, now: Now) -> AsyncIterator[Limiter]:
    made: Limiter
    if request.param == "memory":
        made = MemoryLimiter(now.ns, now.ns)
    elif request.param == "cluster":
        masters: tuple[RedisProcess, ...] = request.getfixturevalue("redis_cluster")
        for one in masters:
            one.ask("FLUSHALL")
        made = RedisLimiter(open_client(masters[0].url, is_cluster=True), now)
    else:
        redis: RedisProcess = request.getfixturevalue("shared_redis")
        redis.ask("FLUSHALL")
        made = RedisLimiter(open_client(redis.url), now)
    yield made
    await made.close()
