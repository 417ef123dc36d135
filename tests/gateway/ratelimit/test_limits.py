"""Limits as the composition root opens them: each kind answers, and rates of sources are shared."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.call_rate import FallbackCallRate, RedisCallRate, part_of
from gateway.ratelimit.fallback import PAUSE_S, Absence
from gateway.ratelimit.limiter import StoreUnavailable
from gateway.ratelimit.limits import Kind, open_limits
from gateway.ratelimit.scripts import open_client
from gateway.ratelimit.tiers import RateLimitSettings
from resolvers.upstreams.call_rate import CallRateSettings, MemoryCallRate, Turn
from tests.gateway.issuing import Clock
from tests.gateway.ratelimit.redis_process import RedisProcess, free_port
from tests.gateway.ratelimit.tiering import DEADLINE_S, Now, caller

SECRET = b"s" * 32


@pytest.mark.parametrize("kind", ["memory", "redis", "redis-cluster"])
async def test_every_kind_reserves_settles_and_paces(kind: Kind, request: pytest.FixtureRequest) -> None:
    url = None
    if kind == "redis":
        url = request.getfixturevalue("shared_redis").url
    elif kind == "redis-cluster":
        url = request.getfixturevalue("redis_cluster")[0].url
    who = caller(client=kind)
    limits = open_limits(RateLimitSettings(), kind, url, DEADLINE_S, SECRET)
    reservation = await limits.budgets.reserve(who, 100)
    assert not reservation.is_local
    assert limits.budgets.settle(reservation, 40).remaining in range(19_960, 20_001)
    rate = limits.rates(kind, CallRateSettings(calls=2, period_s=60, burst=1))
    assert await rate.turn(0) == Turn(True, 0.0)
    later = await rate.turn(0)
    assert not later.is_given
    assert 29 < later.wait_s <= 30
    await limits.close()


@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
async def test_store_that_was_never_there_leaves_local_limits_or_none(kind: Kind) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    local = open_limits(RateLimitSettings(), kind, url, DEADLINE_S, SECRET)
    assert (await local.budgets.reserve(caller(), 1)).is_local
    settings = CallRateSettings(calls=2, period_s=60, burst=1)
    assert (await local.rates("gp", settings).turn(0)).is_given
    deny = open_limits(RateLimitSettings(on_store_failure="deny"), kind, url, DEADLINE_S, SECRET)
    with pytest.raises(Exception, match="Budgets cannot be had"):
        await deny.budgets.reserve(caller(), 1)
    assert await deny.rates("gp", settings).turn(10) == Turn(False, PAUSE_S)
    await local.close()
    await deny.close()


@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
@pytest.mark.parametrize("url", [None, "", "http://u:hush@x"])
def test_address_that_is_none_is_an_error_at_the_start(kind: Kind, url: str | None) -> None:
    with pytest.raises(ValueError, match=r"URL|scheme") as refused:
        open_limits(RateLimitSettings(), kind, url, DEADLINE_S, SECRET)
    assert "hush" not in str(refused.value)


def test_socket_is_no_address_of_a_cluster() -> None:
    with pytest.raises(ValueError, match="not one of a cluster"):
        open_limits(RateLimitSettings(), "redis-cluster", "unix:///x.sock", DEADLINE_S, SECRET)


def test_who_keeps_limits_in_memory_does_not_load_a_redis_client() -> None:
    program = "import sys, gateway.ratelimit.limits; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


class Rates:
    """The rate of a source in memory and in Redis, at one time."""

    def __init__(self, redis: RedisProcess, settings: CallRateSettings) -> None:
        self.now = Now(1_700_000_000_000_000)
        self.memory = MemoryCallRate(settings, self.now)
        self.client = open_client(redis.url)
        self.shared = RedisCallRate(self.client, "gp", settings, self.now)


async def test_memory_and_redis_give_the_same_turns(shared_redis: RedisProcess) -> None:
    shared_redis.ask("FLUSHALL")
    both = Rates(shared_redis, CallRateSettings(calls=7, period_s=10))
    for step in range(200):
        both.now.ms += (step * 7919) % 2_500_000
        longest_s = (step % 5) * 0.7
        assert await both.memory.turn(longest_s) == await both.shared.turn(longest_s)
    await both.client.aclose()


async def test_clock_of_redis_that_is_put_back_holds_no_source_up(shared_redis: RedisProcess) -> None:
    shared_redis.ask("FLUSHALL")
    both = Rates(shared_redis, CallRateSettings(calls=60, burst=1))
    assert (await both.shared.turn(0)).is_given
    both.now.ms -= 3_600_000_000
    assert await both.shared.turn(10) == Turn(True, 1.0)
    await both.client.aclose()


@given(
    calls=st.integers(1, 40),
    burst=st.integers(1, 40),
    gaps=st.lists(st.integers(0, 3_000_000) | st.just(0), min_size=1, max_size=200),
)
async def test_no_period_has_more_calls_than_the_source_allows(
    calls: int, burst: int, gaps: list[int]
) -> None:
    period_us = 7_000_000
    settings = CallRateSettings(calls=calls, period_s=7, burst=min(burst, calls))
    now = Now(10**15)
    rate = MemoryCallRate(settings, now)
    sent = []
    for gap in gaps:
        now.ms += gap
        turn = await rate.turn(5.0)
        if turn.is_given:
            sent.append(now.ms + round(turn.wait_s * 1_000_000))
    assert sent == sorted(sent)
    for first in sent:
        assert sum(first <= one < first + period_us for one in sent) <= calls


@given(calls=st.integers(1, 500), period_s=st.integers(1, 3600))
async def test_rate_that_is_allowed_is_used(calls: int, period_s: int) -> None:
    settings = CallRateSettings(calls=calls, period_s=period_s)
    assert settings.at_once * settings.interval_us <= period_s * 1_000_000 * 1.0 + settings.interval_us
    evenly = period_s * 1_000_000 / settings.interval_us
    assert settings.at_once + evenly >= calls


@pytest.mark.parametrize(("calls", "share"), [(120, 0.25), (2, 0.25), (1, 0.01)])
def test_part_of_a_rate_is_never_more_than_that_part(calls: int, share: float) -> None:
    part = part_of(CallRateSettings(calls=calls), share)
    assert part.calls / part.period_s <= calls / 60 * share * 1.0001


async def test_rate_of_a_source_is_shared_again_once_the_store_is_back() -> None:
    clock = Clock(0.0)
    asked: Counter[str] = Counter()

    class Shared:
        is_away = True

        async def turn(self, longest_s: float) -> Turn:
            asked["shared"] += 1
            if self.is_away:
                raise StoreUnavailable("away")
            return Turn(True, 0.0)

    class Local:
        async def turn(self, longest_s: float) -> Turn:
            asked["local"] += 1
            return Turn(True, 0.0)

    shared: Any = Shared()
    rate = FallbackCallRate(shared, Local(), Absence("rates", clock))
    for _ in range(3):
        await rate.turn(1)
    assert asked == {"shared": 1, "local": 3}
    shared.is_away = False
    clock.now += PAUSE_S
    await rate.turn(1)
    await rate.turn(1)
    assert asked == {"shared": 3, "local": 3}
