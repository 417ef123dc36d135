"""Four processes with 64 greedy clients share one Redis: together they get what one would, and all of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.gateway.ratelimit.greedy import CAPACITY, RESTORE_PER_S
from tests.gateway.ratelimit.redis_process import RedisProcess

PROCESSES = 4
CLIENTS = 64
SECONDS = 4.0
LEAST_PART = 0.98
TRIES = 4


async def greedy(
    url: str, topology: str, budgets: int, meanwhile: Any = None, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    words = [url, topology, str(CLIENTS // PROCESSES), str(seconds), str(budgets)]
    command = [sys.executable, "-m", "tests.gateway.ratelimit.greedy", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(PROCESSES)
    ]
    try:
        async with asyncio.timeout(60):
            for one in running:
                assert one.stdout is not None
                assert await one.stdout.readline() == b"ready\n"
            for one in running:
                assert one.stdin is not None
                one.stdin.write(b"go\n")
            if meanwhile is not None:
                await meanwhile()
            said = await asyncio.gather(*(one.communicate() for one in running))
    finally:
        for one in running:
            if one.returncode is None:
                one.kill()
                await one.wait()
    assert [one.returncode for one in running] == [0] * PROCESSES, said
    return [json.loads(out) for out, _ in said]


def used_up(told: list[dict[str, Any]], budgets: int) -> bool:
    """Whether at least 98 % of each budget was used. Never more than all of it, or the test fails."""
    seconds = max(one["last"] for one in told) - min(one["began"] for one in told)
    most = CAPACITY + RESTORE_PER_S * seconds
    charged: Counter[str] = Counter()
    for one in told:
        charged.update(one["charged"])
    assert len(charged) == budgets
    assert all(one["refused"] for one in told)
    assert {key: cost for key, cost in charged.items() if cost > most} == {}, most
    return min(charged.values()) >= LEAST_PART * most


async def check(attempt: Callable[[], Awaitable[list[dict[str, Any]]]], budgets: int) -> None:
    """Once more where a machine with other work to do kept the clients from asking as fast as they would."""
    for _ in range(TRIES):
        if used_up(await attempt(), budgets):
            return
    raise AssertionError(f"less than {LEAST_PART:.0%} of a budget was used, {TRIES} times")


async def test_one_budget_is_used_up_and_never_exceeded(shared_redis: RedisProcess) -> None:
    async def attempt() -> list[dict[str, Any]]:
        shared_redis.ask("FLUSHALL")
        return await greedy(shared_redis.url, "single", 1)

    await check(attempt, 1)


async def test_budget_holds_while_redis_is_killed_and_started_again(
    redis_server: str, tmp_path: Path
) -> None:
    redis = RedisProcess(redis_server, tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    redis.start()

    async def fail() -> None:
        await asyncio.sleep(SECONDS / 2)
        redis.kill()
        await asyncio.sleep(0.2)
        await asyncio.to_thread(redis.start)

    async def attempt() -> list[dict[str, Any]]:
        redis.ask("FLUSHALL")
        return await greedy(redis.url, "single", 1, fail, 2 * SECONDS)

    try:
        await check(attempt, 1)
    finally:
        redis.kill()


async def test_budgets_of_a_cluster_are_used_up_and_never_exceeded(
    redis_cluster: tuple[RedisProcess, ...],
) -> None:
    async def attempt() -> list[dict[str, Any]]:
        for one in redis_cluster:
            one.ask("FLUSHALL")
        return await greedy(redis_cluster[0].url, "cluster", 2)

    await check(attempt, 2)
    holding = [one for one in redis_cluster if one.ask("DBSIZE")]
    assert holding
