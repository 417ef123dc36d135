"""What a reservation and its settlement cost: in process, and on a Redis of this machine.

    python -m bench.limits [--redis redis-server] [--rounds 5]

Processor microseconds of the gateway's process (Redis's own come on top, in its process), and exchanges with
Redis.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from redis import Redis
from redis.exceptions import RedisError

from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.events import ThrottleEvents
from gateway.ratelimit.keys import budget_keys
from gateway.ratelimit.limiter import Limiter, Reservation
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import open_client
from gateway.ratelimit.tiers import MICRO, RateLimitSettings, Tier, Tiers, TierSettings
from permissions.principal import Principal

WARM_UP = 200
IN_PROCESS = 50_000
ON_REDIS = 2_000
TOGETHER = 64
DEADLINE_S = 10.0
LARGE = TierSettings(
    name="default", capacity=10**9, restore_per_s=1e6, max_query_cost=100, max_concurrent=1000
)
CALLER = Principal(issuer="https://issuer.test", client="app", subject="user", scopes=())
TIERS = Tiers(RateLimitSettings(tiers=(LARGE,)), DEADLINE_S)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    beside = shutil.which("redis-server", path=str(Path(sys.executable).parent))
    parser.add_argument("--redis", default=shutil.which("redis-server") or beside, help="the redis-server")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("in process, reserve + settle")
    tell("limiter", options.rounds, lambda: uvloop.run(bare(MemoryLimiter(), IN_PROCESS)))
    tell("budgets", options.rounds, lambda: uvloop.run(whole(MemoryLimiter(), IN_PROCESS)))
    if options.redis is None:
        sys.exit("no redis-server here: --redis names one")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        command = [options.redis, "--port", "0", "--unixsocket", str(socket), "--save", ""]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            on_redis(socket, options.rounds)
        finally:
            server.terminate()
            server.wait(10)


def on_redis(socket: Path, rounds: int) -> None:
    while not socket.exists():
        time.sleep(0.01)
    url = f"unix://{socket}"
    print("\non Redis, reserve + settle")

    async def measured(one: Callable[[Limiter, int], Awaitable[float]], count: int) -> float:
        limiter = RedisLimiter(open_client(url))
        spent = await one(limiter, count)
        await limiter.close()
        return spent

    tell("one after the other", rounds, lambda: uvloop.run(measured(redis_alone, ON_REDIS)))
    tell(f"{TOGETHER} at a time", rounds, lambda: uvloop.run(measured(redis_together, ON_REDIS)))
    tell("budgets, settled behind", rounds, lambda: uvloop.run(measured(whole, ON_REDIS)))
    print(f"  exchanges with Redis: {exchanges(socket):.2f}")


def tell(name: str, rounds: int, measure: Callable[[], float]) -> None:
    found = [measure() for _ in range(rounds)]
    print(f"  {name:24} {statistics.median(found):8.1f} us CPU  ({min(found):.1f} to {max(found):.1f})")


async def bare(limiter: Limiter, count: int) -> float:
    """The limiter alone."""
    tier = TIERS.of(CALLER)
    for _ in range(WARM_UP):
        limiter.settle(await taken(limiter, tier), 7)
    began = time.process_time()
    for _ in range(count):
        limiter.settle(await taken(limiter, tier), 7)
    return (time.process_time() - began) / count * MICRO


async def whole(limiter: Limiter, count: int) -> float:
    """With tier, key, near-limit signal and the state that the client is told."""
    budgets = Budgets(TIERS, limiter, budget_keys(b"s" * 32), ThrottleEvents())
    budgets.settle(await budgets.reserve(CALLER, 10), 7)
    await asyncio.sleep(0.05)
    began = time.process_time()
    for _ in range(count):
        budgets.settle(await budgets.reserve(CALLER, 10), 7)
    if isinstance(limiter, RedisLimiter):
        await limiter._settlements.close(10)
    return (time.process_time() - began) / count * MICRO


async def redis_alone(limiter: Limiter, count: int) -> float:
    assert isinstance(limiter, RedisLimiter)
    tier = TIERS.of(CALLER)
    await limiter.settle_now(await taken(limiter, tier), 7)
    began = time.process_time()
    for _ in range(count):
        await limiter.settle_now(await taken(limiter, tier), 7)
    return (time.process_time() - began) / count * MICRO


async def redis_together(limiter: Limiter, count: int) -> float:
    began = time.process_time()
    await asyncio.gather(*(redis_alone(limiter, count // TOGETHER) for _ in range(TOGETHER)))
    return (time.process_time() - began) / count * MICRO


async def taken(limiter: Limiter, tier: Tier) -> Reservation:
    outcome = await limiter.reserve("k", tier, 10)
    assert isinstance(outcome, Reservation)
    return outcome


def exchanges(socket: Path) -> float:
    """Commands of this process that Redis has served, for each reservation."""
    with Redis(unix_socket_path=str(socket)) as client:
        before = evaluated(client)

        async def some() -> None:
            limiter = RedisLimiter(open_client(f"unix://{socket}"))
            await redis_alone(limiter, 100)
            await limiter.close()

        asyncio.run(some())
        return (evaluated(client) - before) / 101


def evaluated(client: Redis) -> int:
    try:
        told = client.info("commandstats")
    except RedisError:
        return 0
    return sum(told.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval", "script"))


if __name__ == "__main__":
    main()
