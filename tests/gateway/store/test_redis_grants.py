"""Grants in a real Redis: changed in one step, shared by replicas, and never taken for absent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store.redis import open_redis
from resolvers.upstreams.grant_store import GrantStore, GrantStoreUnavailable, MemoryGrantStore
from tests.redis_socket import redis_socket
from tests.resolvers.upstreams.test_patient_grants import Deployment, token


@pytest.fixture(scope="module")
def address(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_socket(redis_server, tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[GrantStore]:
    if request.param == "memory":
        yield MemoryGrantStore()
        return
    opened = open_redis(request.getfixturevalue("address"))
    await opened.grants._client.flushdb()  # type: ignore[attr-defined]
    yield opened.grants
    await opened.close()


async def test_a_value_is_changed_by_who_knows_what_it_was(store: GrantStore) -> None:
    assert await store.get("k") is None
    assert await store.swap("k", None, b"\x00one\xff")
    assert await store.get("k") == b"\x00one\xff"
    assert not await store.swap("k", None, b"two")
    assert not await store.swap("k", b"other", b"two")
    assert await store.swap("k", b"\x00one\xff", b"two")
    assert await store.get("k") == b"two"


async def test_a_change_that_is_asked_for_twice_is_done_once_and_told_twice(store: GrantStore) -> None:
    assert await store.swap("k", None, b"one")
    assert await store.swap("k", None, b"one")
    assert await store.swap("k", b"one", b"two")
    assert await store.swap("k", b"one", b"two")


async def test_one_of_many_who_change_it_at_once_is_first(store: GrantStore) -> None:
    await store.swap("k", None, b"before")
    done = await asyncio.gather(*(store.swap("k", b"before", b"%d" % n) for n in range(30)))
    assert done.count(True) == 1
    assert await store.get("k") == b"%d" % done.index(True)


async def test_a_redis_that_is_away_is_an_error_and_no_absence(tmp_path: Path) -> None:
    away = open_redis(f"unix://{tmp_path}/gone.sock")
    with pytest.raises(GrantStoreUnavailable):
        await away.grants.get("k")
    with pytest.raises(GrantStoreUnavailable):
        await away.grants.swap("k", None, b"x")
    await away.close()


async def test_replicas_on_one_redis_renew_a_grant_once(address: str) -> None:
    stores = [open_redis(address) for _ in range(3)]
    await stores[0].grants._client.flushdb()  # type: ignore[attr-defined]
    deployment = Deployment("42", "7")
    deployment.vendor.delay_s = 0.05
    replicas = []
    for one in stores:
        deployment.store = one.grants
        replicas.append(deployment.replica())
    found = await asyncio.gather(
        *(token(one, who) for one in replicas for who in ("42", "7") for _ in range(9))
    )
    assert len(set(found)) == 2
    assert sorted(deployment.vendor.used) == ["42-R0", "7-R0"]
    for one in stores:
        await one.close()
