"""Redis killed, restarted, slow, full, failing over: no bypass, nothing lost for longer than a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.ratelimit.fallback import PAUSE_S, Absence, FallbackLimiter
from gateway.ratelimit.limiter import Refusal, Reservation, StoreUnavailable
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import TIMEOUT_S, open_client
from tests.gateway.issuing import Clock
from tests.gateway.ratelimit.redis_process import Proxy, RedisProcess
from tests.gateway.ratelimit.tiering import tier

SLOW = tier(restore_per_s=0.001)
"""Nothing worth speaking of flows in while a test runs."""


@pytest.fixture
def durable(redis_server: str, tmp_path: Path) -> Iterator[RedisProcess]:
    one = RedisProcess(redis_server, tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    one.start()
    yield one
    one.kill()


@pytest.fixture
async def limiter(durable: RedisProcess) -> AsyncIterator[RedisLimiter]:
    made = RedisLimiter(open_client(durable.url))
    yield made
    await made.close()


@pytest.fixture
def unhurried(shared_redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Redis that is waited for however busy the machine is."""
    monkeypatch.setattr("gateway.ratelimit.scripts.TIMEOUT_S", 30.0)
    shared_redis.ask("FLUSHALL")
    return shared_redis.url


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():  # noqa: ASYNC110  what changes is in another process
            await asyncio.sleep(0.02)


async def taken(limiter: Any, cost: int) -> Reservation:
    outcome = await limiter.reserve("k", SLOW, cost)
    assert isinstance(outcome, Reservation), outcome
    return outcome


async def remaining(limiter: Any) -> int:
    return int((await limiter.look("k", SLOW)).remaining)


async def test_budget_outlives_a_redis_that_is_killed_and_started_again(
    durable: RedisProcess, limiter: RedisLimiter
) -> None:
    reservation = await taken(limiter, 60)
    durable.kill()
    with pytest.raises(StoreUnavailable):
        await limiter.reserve("k", SLOW, 1)
    durable.start()
    assert await remaining(limiter) == 40
    await limiter.settle_now(reservation, 10)
    assert await remaining(limiter) == 90


async def test_settlement_arrives_once_redis_is_back(durable: RedisProcess, limiter: RedisLimiter) -> None:
    reservation = await taken(limiter, 60)
    durable.kill()
    limiter.settle(reservation, 10)
    await asyncio.sleep(0.1)
    durable.start()

    async def is_settled() -> bool:
        return await remaining(limiter) == 90

    await until(is_settled)


async def test_scripts_that_redis_has_forgotten_are_given_to_it_again(
    durable: RedisProcess, limiter: RedisLimiter
) -> None:
    await taken(limiter, 1)
    durable.ask("SCRIPT", "FLUSH")
    await taken(limiter, 1)
    assert await remaining(limiter) == 98


async def test_reservation_that_is_sent_twice_is_made_once(
    limiter: RedisLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sees the connection break asks once more, and cannot know whether Redis had heard it."""
    monkeypatch.setattr("gateway.ratelimit.redis.secrets", SimpleNamespace(token_hex=lambda _: "00ff" * 4))
    first, again = await taken(limiter, 60), await taken(limiter, 60)
    assert first.id == again.id
    assert (again.state.remaining, again.state.in_flight) == (40, 1)
    await limiter.settle_now(first, 10)
    await limiter.settle_now(again, 10)
    assert await remaining(limiter) == 90


async def test_slow_redis_is_not_waited_for_and_what_it_took_late_comes_back(durable: RedisProcess) -> None:
    proxy = Proxy(durable.port)
    await proxy.open()
    limiter = RedisLimiter(open_client(proxy.url))
    of = replace(SLOW, hold_ms=1500)
    await limiter.reserve("slow", of, 10)
    proxy.delay_s = TIMEOUT_S * 1.5
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="Timeout"):
        await limiter.reserve("slow", of, 60)
    assert asyncio.get_running_loop().time() - began < 10 * TIMEOUT_S
    proxy.delay_s = 0.0
    await asyncio.sleep(TIMEOUT_S * 2)  # what was on its way has arrived

    async def is_whole() -> bool:
        state = await limiter.look("slow", of)
        assert 30 <= state.remaining <= 100
        return state.remaining == 100 and state.in_flight == 0

    await until(is_whole)
    await limiter.close()
    await proxy.close()


async def test_request_that_is_given_up_while_it_reserves_leaves_nothing_taken(durable: RedisProcess) -> None:
    proxy = Proxy(durable.port)
    await proxy.open()
    limiter = RedisLimiter(open_client(proxy.url))
    await taken(limiter, 10)
    proxy.delay_s = 0.1
    reserving = asyncio.create_task(limiter.reserve("k", SLOW, 60))
    await asyncio.sleep(0.15)
    reserving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reserving
    proxy.delay_s = 0.0
    await asyncio.sleep(0.2)

    async def is_whole() -> bool:
        return await remaining(limiter) == 90

    await until(is_whole)
    await limiter.close()
    await proxy.close()


async def test_full_redis_admits_nobody_new_but_takes_settlements(
    durable: RedisProcess, limiter: RedisLimiter
) -> None:
    reservation = await taken(limiter, 60)
    durable.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    durable.ask("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="OOM"):
        await limiter.reserve("k", SLOW, 1)
    await limiter.settle_now(reservation, 10)
    assert await remaining(limiter) == 90
    durable.ask("CONFIG", "SET", "maxmemory", 0)
    await taken(limiter, 1)


async def test_replica_that_takes_over_knows_the_budget(
    durable: RedisProcess, redis_server: str, tmp_path: Path
) -> None:
    replica = RedisProcess(redis_server, tmp_path / "replica", "--replicaof", "127.0.0.1", str(durable.port))
    replica.start()
    proxy = Proxy(durable.port)
    await proxy.open()
    limiter = RedisLimiter(open_client(proxy.url))
    try:
        await taken(limiter, 60)
        durable.ask("WAIT", 1, 5000)
        proxy.leads_to = replica.port
        durable.kill()
        proxy.drop()
        with pytest.raises(StoreUnavailable, match="READONLY"):  # not promoted yet
            await limiter.reserve("k", SLOW, 10)
        replica.ask("REPLICAOF", "NO", "ONE")
        assert (await taken(limiter, 10)).state.remaining == 30
    finally:
        await limiter.close()
        await proxy.close()
        replica.kill()


async def test_master_that_becomes_a_replica_behind_its_address_is_left(
    durable: RedisProcess, redis_server: str, tmp_path: Path
) -> None:
    other = RedisProcess(redis_server, tmp_path / "other", "--replicaof", "127.0.0.1", str(durable.port))
    other.start()
    proxy = Proxy(durable.port)
    await proxy.open()
    limiter = RedisLimiter(open_client(proxy.url))
    try:
        await taken(limiter, 60)
        durable.ask("WAIT", 1, 5000)
        other.ask("REPLICAOF", "NO", "ONE")
        durable.ask("REPLICAOF", "127.0.0.1", other.port)
        proxy.leads_to = other.port  # connections that are open still lead to the old one
        with pytest.raises(StoreUnavailable, match="READONLY"):
            await limiter.reserve("k", SLOW, 10)
        assert (await taken(limiter, 10)).state.remaining == 30
    finally:
        await limiter.close()
        await proxy.close()
        other.kill()


async def test_deny_admits_nobody_while_the_store_is_away_and_recovers_without_a_restart(
    durable: RedisProcess, limiter: RedisLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(0.0)
    fallback = FallbackLimiter(limiter, None, absence=Absence("budgets", clock))
    await taken(fallback, 60)
    durable.kill()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            refusal = await fallback.reserve("k", SLOW, 1)
            assert refusal == Refusal("store", 1000, None)
        with pytest.raises(StoreUnavailable):
            await fallback.look("k", SLOW)
        durable.start()
        assert isinstance(await fallback.reserve("k", SLOW, 1), Refusal)  # it is left alone for a moment
        clock.now += PAUSE_S
        assert (await taken(fallback, 1)).state.remaining == 39
    assert [one.getMessage() for one in caplog.records] == [
        "the store of budgets does not answer: ConnectionError",
        "the store of budgets answers again",
    ]
    assert str(durable.port) not in caplog.text


async def test_local_gives_a_share_of_each_budget_while_the_store_is_away(
    durable: RedisProcess, limiter: RedisLimiter
) -> None:
    clock = Clock(0.0)
    of = tier(capacity=100, max_query_cost=20, restore_per_s=0.004)
    local = MemoryLimiter(is_local=True)
    fallback = FallbackLimiter(limiter, local, 0.25, Absence("budgets", clock))
    durable.kill()
    outcomes = [await fallback.reserve("k", of, 20) for _ in range(4)]
    first = outcomes[0]
    assert isinstance(first, Reservation)
    assert first.state.remaining == 5
    assert all(isinstance(one, Refusal) for one in outcomes[1:])
    assert (await fallback.look("k", of)).remaining == 5
    fallback.settle(first, 5)
    assert (await fallback.look("k", of)).remaining == 20
    durable.start()
    clock.now += PAUSE_S
    back = await fallback.reserve("k", of, 20)
    assert isinstance(back, Reservation)
    assert (back.is_local, back.state.remaining) == (False, 80)


async def test_one_caller_at_a_time_tries_a_store_that_is_away() -> None:
    clock = Clock(0.0)
    absence = Absence("budgets", clock)
    absence.begin(StoreUnavailable("x"))
    assert absence.is_known()
    clock.now += PAUSE_S
    assert [absence.is_known() for _ in range(3)] == [False, True, True]
    absence.end()
    assert not absence.is_known()


async def test_more_callers_than_connections_wait_for_one_and_are_no_failure(unhurried: str) -> None:
    limiter = RedisLimiter(open_client(unhurried))
    of = tier(capacity=1000, max_query_cost=1, restore_per_s=0.001, max_concurrent=1000)
    outcomes = await asyncio.gather(*(limiter.reserve("many", of, 1) for _ in range(500)))
    assert all(isinstance(one, Reservation) for one in outcomes)
    assert (await limiter.look("many", of)).remaining == 500
    await limiter.close()


async def test_what_is_still_to_be_settled_is_settled_at_the_end(unhurried: str) -> None:
    limiter = RedisLimiter(open_client(unhurried))
    of = tier(capacity=1000, restore_per_s=0.001, max_concurrent=100)
    for _ in range(50):
        reservation = await limiter.reserve("end", of, 20)
        assert isinstance(reservation, Reservation)
        limiter.settle(reservation, 5)
    await limiter.close()
    after = RedisLimiter(open_client(unhurried))
    state = await after.look("end", of)
    assert (state.remaining, state.in_flight) == (750, 0)
    await after.close()
