"""The Redis store against a real server: what it keeps, and what happens when it is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.settings import StoreSettings
from gateway.store.redis import PAUSE_AFTER_FAILURE_S, RedisCache, open_redis
from gateway.store.store import StoreInvalid, open_store
from resolvers.cache import Cache, MemoryCache
from tests.gateway.issuing import Clock
from tests.redis_socket import redis_socket


@pytest.fixture(scope="module")
def address(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_socket(redis_server, tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
async def cache(address: str) -> AsyncIterator[Cache]:
    store = open_store(StoreSettings(kind="redis", url_secret="redis_url"), address)
    yield store.cache
    await store.close()


async def test_value_is_kept_as_it_is(cache: Cache) -> None:
    assert await cache.get("absent") is None
    await cache.set("key", b"\x00\xff value", 60)
    assert await cache.get("key") == b"\x00\xff value"


async def test_value_expires(cache: Cache) -> None:
    await cache.set("brief", b"x", 0.001)
    for _ in range(100):
        if await cache.get("brief") is None:
            break
        await asyncio.sleep(0.01)
    assert await cache.get("brief") is None
    await cache.set("never", b"x", 0)
    assert await cache.get("never") is None


async def test_replicas_share_what_they_keep(address: str) -> None:
    one, other = open_redis(address), open_redis(address)
    await one.cache.set("shared", b"x", 60)
    assert await other.cache.get("shared") == b"x"
    await one.close()
    await other.close()


async def test_store_that_is_gone_costs_no_answer_and_is_left_alone_for_a_moment(
    tmp_path: Path, address: str
) -> None:
    clock = Clock(0.0)
    gone = open_redis(f"unix://{tmp_path}/gone.sock")
    assert isinstance(gone.cache, RedisCache)
    cache = RedisCache(gone.cache._client, clock)
    await cache.set("key", b"x", 60)
    assert await cache.get("key") is None
    back = open_redis(address)
    assert isinstance(back.cache, RedisCache)
    await back.cache.set("key", b"x", 60)
    cache._client = back.cache._client
    assert await cache.get("key") is None
    clock.now += PAUSE_AFTER_FAILURE_S
    assert await cache.get("key") == b"x"
    await gone.close()
    await back.close()


@pytest.mark.parametrize("url", ["", "nonsense", "http://u:hush@x", None])
def test_address_of_another_kind_is_refused_and_not_shown(url: str | None) -> None:
    with pytest.raises(StoreInvalid) as refused:
        open_redis(url)
    assert "hush" not in str(refused.value)


async def test_memory_is_the_store_of_one_process() -> None:
    store = open_store(StoreSettings(), None)
    assert isinstance(store.cache, MemoryCache)
    await store.close()


async def test_a_burst_of_questions_waits_for_connections(cache: Cache) -> None:
    await cache.set("burst", b"1", 60)
    found = await asyncio.gather(*(cache.get("burst") for _ in range(300)))
    assert found == [b"1"] * 300
