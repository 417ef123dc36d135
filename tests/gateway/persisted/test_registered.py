"""Registered documents stay within bounds, and no client takes another's place: in process and in Redis."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.persisted.registered import SWEEP_EVERY_S, Bounds, MemoryRegistered, RegisteredDocuments
from gateway.store.redis import open_redis
from tests.gateway.issuing import Clock
from tests.redis_socket import redis_socket

CLIENTS, HASHES = ("one", "two", "three"), tuple("abcdef")
STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "find"]), st.sampled_from(CLIENTS), st.sampled_from(HASHES)),
    max_size=40,
)


class Oracle:
    """What the rules say, written down as plainly as can be: each client's hashes, unused longest first."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.held: dict[str, list[str]] = {client: [] for client in CLIENTS}

    def find(self, client: str, hash_: str) -> bool:
        own = self.held[client]
        if hash_ not in own:
            return False
        own.append(own.pop(own.index(hash_)))
        return True

    def keep(self, client: str, hash_: str) -> bool:
        if self.find(client, hash_):
            return True
        own, total = self.held[client], sum(map(len, self.held.values()))
        if len(own) >= self.bounds.client_max or total >= self.bounds.all_max:
            if not own:
                return False
            own.pop(0)
        own.append(hash_)
        return True


async def follow(store: RegisteredDocuments, bounds: Bounds, steps: list[tuple[str, str, str]]) -> None:
    oracle = Oracle(bounds)
    for step, client, hash_ in steps:
        before = {other: list(own) for other, own in oracle.held.items() if other != client}
        if step == "keep":
            assert await store.keep(client, hash_, f"{client} {hash_}") is oracle.keep(client, hash_)
        else:
            expected = f"{client} {hash_}" if oracle.find(client, hash_) else None
            assert await store.find(client, hash_) == expected
        after = {other: list(own) for other, own in oracle.held.items() if other != client}
        assert before == after, "the rule itself: nobody takes another's place"
    for client, own in oracle.held.items():
        for hash_ in HASHES:
            assert (await store.find(client, hash_) is not None) is (hash_ in own)


@given(STEPS, st.integers(1, 8), st.integers(0, 4))
async def test_a_process_keeps_what_the_rules_say(
    steps: list[tuple[str, str, str]], all_max: int, client_max: int
) -> None:
    bounds = Bounds(all_max, client_max, 60)
    await follow(MemoryRegistered(bounds), bounds, steps)


@pytest.fixture(scope="module")
def address(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_socket(redis_server, tmp_path_factory.mktemp("redis")) as url:
        yield url


class Replicas:
    """Each question goes to another gateway, which knows nothing of the last one's."""

    def __init__(self, address: str, bounds: Bounds) -> None:
        self._store = open_redis(address)
        self._bounds = bounds

    async def find(self, client: str, hash_: str) -> str | None:
        return await self._store.registered(self._bounds).find(client, hash_)

    async def keep(self, client: str, hash_: str, text: str) -> None:
        await self._store.registered(self._bounds).keep(client, hash_, text)

    async def empty(self) -> None:
        await self._store.cache._client.flushall()  # type: ignore[attr-defined]

    async def close(self) -> None:
        await self._store.close()


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(3, 8), st.integers(1, 4))
async def test_replicas_keep_what_the_rules_say(
    address: str, steps: list[tuple[str, str, str]], all_max: int, client_max: int
) -> None:
    bounds = Bounds(all_max, client_max, 60)
    replicas, oracle = Replicas(address, bounds), Oracle(bounds)
    await replicas.empty()
    for step, client, hash_ in steps:
        if step == "keep":
            await replicas.keep(client, hash_, f"{client} {hash_}")
            oracle.keep(client, hash_)
        else:
            expected = f"{client} {hash_}" if oracle.find(client, hash_) else None
            assert await replicas.find(client, hash_) == expected
        # Redis tells the order of two uses by its clock, to the millisecond.
        await asyncio.sleep(0.002)
    for client, own in oracle.held.items():
        for hash_ in HASHES:
            assert (await replicas.find(client, hash_) is not None) is (hash_ in own)
    await replicas.close()


async def test_what_is_not_asked_for_expires_and_use_renews_it() -> None:
    clock = Clock(0.0)
    store = MemoryRegistered(Bounds(10, 10, 100), clock)
    await store.keep("one", "a", "A")
    await store.keep("one", "b", "B")
    clock.now = 90
    assert await store.find("one", "a") == "A"
    clock.now = 150
    assert await store.find("one", "b") is None
    assert await store.find("one", "a") == "A"
    assert len(store) == 1


async def test_what_has_expired_makes_place_for_others() -> None:
    clock = Clock(0.0)
    store = MemoryRegistered(Bounds(2, 2, 100), clock)
    await store.keep("one", "a", "A")
    await store.keep("one", "b", "B")
    assert not await store.keep("two", "a", "A")
    clock.now = 100 + SWEEP_EVERY_S
    assert await store.keep("two", "a", "A")
    assert await store.find("one", "b") is None
