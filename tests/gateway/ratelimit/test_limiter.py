"""What every limiter does, whichever store it has."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ratelimit.limiter import Limiter, Refusal, Reservation
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.tiers import DAY_S, Tier
from tests.gateway.ratelimit.tiering import DEADLINE_S, Now, tier

DAY_MS = DAY_S * 1000


async def taken(limiter: Limiter, cost: int, of: Tier, key: str = "k") -> Reservation:
    outcome = await limiter.reserve(key, of, cost)
    assert isinstance(outcome, Reservation), outcome
    return outcome


async def refused(limiter: Limiter, cost: int, of: Tier, key: str = "k") -> Refusal:
    outcome = await limiter.reserve(key, of, cost)
    assert isinstance(outcome, Refusal), outcome
    return outcome


async def settled(limiter: Limiter, reservation: Reservation, actual: int) -> None:
    if isinstance(limiter, RedisLimiter):
        await limiter.settle_now(reservation, actual)
    else:
        limiter.settle(reservation, actual)


async def remaining(limiter: Limiter, of: Tier, key: str = "k") -> int:
    return (await limiter.look(key, of)).remaining


async def test_budget_is_full_at_first_and_gives_what_it_has_and_no_more(limiter: Limiter) -> None:
    of = tier()
    assert (await taken(limiter, 60, of)).state.remaining == 40
    assert (await taken(limiter, 40, of)).state.remaining == 0
    refusal = await refused(limiter, 1, of)
    assert (refusal.reason, refusal.wait_ms, refusal.retry_after_s) == ("budget", 100, 1)
    assert refusal.state is not None
    assert refusal.state.remaining == 0


async def test_budgets_of_two_keys_have_nothing_to_do_with_each_other(limiter: Limiter) -> None:
    of = tier()
    await taken(limiter, 100, of, "one")
    await taken(limiter, 100, of, "other")


async def test_what_an_operation_did_not_cost_goes_back_and_what_it_cost_more_is_taken(
    limiter: Limiter,
) -> None:
    of = tier()
    await settled(limiter, await taken(limiter, 80, of), 30)
    assert await remaining(limiter, of) == 70
    await settled(limiter, await taken(limiter, 10, of), 25)
    assert await remaining(limiter, of) == 45


async def test_budget_is_never_below_nothing_and_never_above_its_capacity(limiter: Limiter, now: Now) -> None:
    of = tier()
    await settled(limiter, await taken(limiter, 90, of), 1_000_000)
    assert await remaining(limiter, of) == 0
    first = await taken(limiter, 0, of)
    now.ms += 5_000
    await taken(limiter, 50, of)
    now.ms += 5_000
    await settled(limiter, first, -50)
    assert await remaining(limiter, of) == 50
    now.ms += 3_600_000
    assert await remaining(limiter, of) == 100


async def test_settling_twice_counts_once(limiter: Limiter) -> None:
    of = tier()
    reservation = await taken(limiter, 50, of)
    for actual in (10, 0, 50):
        await settled(limiter, reservation, actual)
    assert await remaining(limiter, of) == 90


@pytest.mark.parametrize("restore_per_s", [0.001, 0.3, 3, 7.777, 999])
async def test_waiting_as_long_as_told_succeeds_and_a_millisecond_less_does_not(
    limiter: Limiter, now: Now, restore_per_s: float
) -> None:
    of = tier(restore_per_s=restore_per_s)
    await settled(limiter, await taken(limiter, 99, of), 99)
    wait_ms = (await refused(limiter, 97, of)).wait_ms
    assert wait_ms is not None
    for part_ms in (wait_ms // 3, wait_ms // 3):
        now.ms += part_ms
        wait_ms -= part_ms
        assert (await refused(limiter, 97, of)).wait_ms == wait_ms
    now.ms += wait_ms - 1
    assert (await refused(limiter, 97, of)).wait_ms == 1
    now.ms += 1
    await taken(limiter, 97, of)


async def test_reservation_that_nobody_settles_is_given_back_after_the_deadline_and_a_margin(
    limiter: Limiter, now: Now
) -> None:
    of = tier(restore_per_s=0.001, max_concurrent=1)
    lost = await taken(limiter, 100, of)
    hold_ms = of.hold_ms
    assert hold_ms == (DEADLINE_S + 2) * 1000
    now.ms += hold_ms - 1
    assert (await refused(limiter, 50, of)).wait_ms is not None
    now.ms += 1
    assert (await taken(limiter, 50, of)).state.remaining == 50
    await settled(limiter, lost, 100)
    assert await remaining(limiter, of) == 50


async def test_as_many_run_as_may_and_the_next_is_told_when_a_place_is_surely_free(
    limiter: Limiter, now: Now
) -> None:
    of = tier(max_concurrent=2)
    first = await taken(limiter, 1, of)
    now.ms += 700
    await taken(limiter, 1, of)
    now.ms += 300
    refusal = await refused(limiter, 1, of)
    assert (refusal.reason, refusal.wait_ms) == ("concurrency", DEADLINE_S * 1000 - 1000)
    assert refusal.state is not None
    assert refusal.state.in_flight == 2
    await settled(limiter, first, 1)
    await taken(limiter, 1, of)
    now.ms += of.hold_ms - 300
    await taken(limiter, 1, of)


async def test_quota_of_a_day_ends_at_midnight_utc(limiter: Limiter, now: Now) -> None:
    of = tier(daily_quota=150)
    now.ms += DAY_MS - now.ms % DAY_MS - 15_500
    held = await taken(limiter, 100, of)
    now.ms += 5_000
    await taken(limiter, 50, of)
    refusal = await refused(limiter, 1, of)
    assert (refusal.reason, refusal.wait_ms, refusal.retry_after_s) == ("daily_quota", 10_500, 11)
    await settled(limiter, held, 90)
    assert (await limiter.look("k", of)).quota_remaining == 10
    assert (await refused(limiter, 11, of)).reason == "daily_quota"
    await taken(limiter, 10, of)
    now.ms += 10_500
    state = (await taken(limiter, 40, of)).state
    assert (state.quota_remaining, state.day_left_s) == (110, DAY_S)


async def test_what_comes_back_belongs_to_the_day_in_which_it_was_taken(limiter: Limiter, now: Now) -> None:
    of = tier(daily_quota=150)
    now.ms += DAY_MS - now.ms % DAY_MS - 1_000
    yesterday = await taken(limiter, 100, of)
    now.ms += 5_000
    await taken(limiter, 40, of)
    await settled(limiter, yesterday, 0)
    assert (await limiter.look("k", of)).quota_remaining == 110


@pytest.mark.parametrize("jump_ms", [-3_600_000, -20, 20, 3_600_000, 400 * DAY_MS])
async def test_clock_that_jumps_holds_nobody_up_and_gives_a_full_budget_at_most(
    limiter: Limiter, now: Now, jump_ms: int
) -> None:
    of = tier(max_concurrent=2, restore_per_s=10)
    await taken(limiter, 60, of)
    await taken(limiter, 40, of)
    now.ms += jump_ms
    assert 0 <= await remaining(limiter, of) <= 100
    if jump_ms < 0:
        assert (await refused(limiter, 1, of)).wait_ms == DEADLINE_S * 1000
        now.ms += of.hold_ms
    else:
        now.ms += 2 * of.hold_ms
    state = (await taken(limiter, 100, of)).state
    assert (state.remaining, state.in_flight) == (0, 1)


async def test_capacity_that_was_lowered_holds_at_once(limiter: Limiter) -> None:
    await taken(limiter, 1, tier())
    assert await remaining(limiter, tier(capacity=50, max_query_cost=50)) == 50


@pytest.mark.parametrize("cost", [10**9, 10**9 - 1])
async def test_largest_costs_are_exact(limiter: Limiter, now: Now, cost: int) -> None:
    of = tier(capacity=10**9, max_query_cost=10**9, restore_per_s=0.001, daily_quota=10**9)
    await taken(limiter, cost, of)
    assert (await limiter.look("k", of)).level == (10**9 - cost) * 10**6
    now.ms += 1
    assert (await limiter.look("k", of)).level == (10**9 - cost) * 10**6 + 1


async def test_budgets_that_are_full_again_are_forgotten() -> None:
    now = Now()
    limiter = MemoryLimiter(now.ns, now.ns)
    of = tier(daily_quota=100)
    for number in range(50):
        reservation = await taken(limiter, 10, of, f"user {number}")
        if number != 30:
            limiter.settle(reservation, 10)
    assert limiter.kept == 50
    now.ms += 60_000
    await taken(limiter, 1, of, "next")
    assert limiter.kept == 51  # the day's quota of each is not whole again
    now.ms += DAY_MS
    for number in range(60):
        await taken(limiter, 0, of, f"later {number}")
    assert limiter.kept < 70


async def test_where_there_is_no_quota_the_day_holds_no_budget_in_memory() -> None:
    now = Now()
    limiter = MemoryLimiter(now.ns, now.ns)
    for number in range(50):
        limiter.settle(await taken(limiter, 10, tier(), f"user {number}"), 10)
    now.ms += 60_000
    for number in range(50):
        await taken(limiter, 0, tier(), f"later {number}")
    assert limiter.kept < 60


async def test_redis_forgets_budgets_that_are_full_again(shared_redis: Any) -> None:
    from gateway.ratelimit.scripts import open_client

    shared_redis.ask("FLUSHALL")
    limiter = RedisLimiter(open_client(shared_redis.url))
    await taken(limiter, 50, tier())
    lives_ms = shared_redis.ask("PTTL", "clinical-gateway:limit:{k}")
    assert 15_000 < lives_ms <= 5_000 + 10_000 + 1_000
    assert 10_000 < shared_redis.ask("PTTL", "clinical-gateway:limit:{k}:held") <= 11_000
    await taken(limiter, 50, tier(daily_quota=100), "quota")
    assert shared_redis.ask("PTTL", "clinical-gateway:limit:{quota}") > 15_000
    await limiter.close()
