"""Budgets as a request meets them: whose, refused or only told, and what the client is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.errors import BudgetExceeded, BudgetUnavailable, RateLimited
from gateway.ratelimit.events import CLIENTS_MAX, EVENTS_MAX, LOG_EVERY_S, ThrottleEvents
from gateway.ratelimit.fallback import FallbackLimiter
from gateway.ratelimit.headers import limit_headers
from gateway.ratelimit.keys import budget_keys
from gateway.ratelimit.limiter import Limiter, StoreUnavailable
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.tiers import Tier
from permissions.principal import Principal
from resolvers.budget import RateLimit
from tests.gateway.issuing import Clock
from tests.gateway.ratelimit.tiering import Now, caller, tier, tiers

SECRET = b"s" * 32


class Away(MemoryLimiter):
    """A store that is away."""

    async def reserve(self, key: str, tier: Tier, cost: int) -> Any:
        raise StoreUnavailable("away")


def budgets(limiter: Limiter | None = None, clock: Clock | None = None, **settings: Any) -> Budgets:
    made = {"name": "default", "capacity": 100, "restore_per_s": 10, "max_query_cost": 50, **settings}
    now = Now()
    return Budgets(
        tiers(made),
        limiter or MemoryLimiter(now.ns, now.ns),
        budget_keys(SECRET),
        ThrottleEvents(clock or Clock(1e9)),
    )


async def spend(of: Budgets, who: Principal, *costs: int) -> None:
    for cost in costs:
        of.settle(await of.reserve(who, cost), cost)


async def test_refusal_says_why_and_when_to_come_back() -> None:
    of = budgets()
    await spend(of, caller(), 50, 45)
    with pytest.raises(BudgetExceeded) as refused:
        await of.reserve(caller(), 30)
    problem = refused.value
    assert str(problem) == (
        "The budget is spent: the operation costs 30, and 5 of 100 are left. Try again in 3 s."
    )
    assert problem.extensions == {"reason": "budget", "retryAfter": 3}
    assert (problem.code, problem.retry_after_s) == ("THROTTLED", 3)
    assert problem.state is not None
    assert limit_headers(problem.state, problem.reason, problem.retry_after_s) == {
        "RateLimit-Policy": (
            '"budget";q=100;w=10;clinical-gateway-unit="cost", "concurrent";q=32;qu="concurrent-requests"'
        ),
        "RateLimit": '"budget";r=5;t=3',
        "Retry-After": "3",
    }


async def test_operation_that_costs_more_than_any_may_never_reaches_the_store() -> None:
    of = budgets(Away())
    with pytest.raises(BudgetExceeded) as refused:
        await of.reserve(caller(), 51)
    assert (refused.value.reason, refused.value.retry_after_s) == ("query_cost", None)


async def test_negative_costs_are_nothing() -> None:
    of = budgets()
    assert (await of.reserve(caller(), -5)).state.remaining == 100


async def test_budget_is_the_clients_or_each_users_as_the_tier_says() -> None:
    one, other = caller(subject="one"), caller(subject="other")
    shared = budgets()
    await spend(shared, one, 50, 50)
    with pytest.raises(BudgetExceeded):
        await shared.reserve(other, 1)
    apart = budgets(per="client_user")
    await spend(apart, one, 50, 50)
    assert (await apart.reserve(other, 50)).state.remaining == 50


async def test_clients_of_two_issuers_with_one_name_are_two() -> None:
    of = budgets()
    await spend(of, caller(), 50, 50)
    await spend(of, caller(issuer="https://other.test"), 50, 50)


def test_key_of_a_budget_tells_nobody_whose_it_is_and_is_the_same_in_every_process() -> None:
    of = tier(per="client_user")
    who = caller(subject="9000000009")
    key = budget_keys(SECRET)(who, of)
    assert key == budget_keys(SECRET)(who, of)
    assert key != budget_keys(b"t" * 32)(who, of)
    assert len(key) == 32
    assert int(key, 16)
    neighbours = [caller(client="app9000000009", subject=""), caller("ap", subject="p9000000009")]
    assert key not in [budget_keys(SECRET)(one, of) for one in neighbours]


async def test_measuring_admits_what_enforcing_would_refuse_and_tells_of_it() -> None:
    measured, enforced = budgets(mode="measure"), budgets()
    for of in (measured, enforced):
        await spend(of, caller(), 50, 45)
    reservation = await measured.reserve(caller(), 30)
    assert (reservation.measured, reservation.id) == ("budget", "")
    assert measured.settle(reservation, 30).remaining == 5
    stranger = await measured.reserve(caller("stranger"), 1_000)
    assert (stranger.measured, measured.settle(stranger, 1_000)) == ("query_cost", stranger.state)
    with pytest.raises(BudgetExceeded):
        await enforced.reserve(caller(), 30)
    assert (await measured.look(caller())).level == (await enforced.look(caller())).level
    kinds = [
        [event.kind for event in of.events.of("https://issuer.test", "app")] for of in (measured, enforced)
    ]
    assert kinds == [["near_limit", "measured"], ["near_limit", "refused"]]


async def test_store_that_is_away_refuses_by_another_error_and_measuring_admits() -> None:
    with pytest.raises(BudgetUnavailable) as refused:
        await budgets(FallbackLimiter(Away(), None)).reserve(caller(), 1)
    assert str(refused.value) == "Budgets cannot be had at the moment. Try again in 1 s."
    assert refused.value.state is None
    measured = await budgets(FallbackLimiter(Away(), None), mode="measure").reserve(caller(), 1)
    assert measured.measured == "store"


@pytest.mark.parametrize("actual", [0, 17, 40])
async def test_state_that_the_response_tells_is_what_the_store_will_have(actual: int) -> None:
    of = budgets(daily_quota=1000)
    await spend(of, caller(), 20)
    told = of.settle(await of.reserve(caller(), 40), actual)
    assert told == await of.look(caller())
    assert told.quota_remaining == 980 - actual


async def test_state_has_the_shapes_that_clients_know() -> None:
    of = budgets()
    await spend(of, caller(), 33)
    state = await of.look(caller())
    assert state.throttle_status() == {
        "maximumAvailable": 100,
        "currentlyAvailable": 67,
        "restoreRate": 10,
    }
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert state.rate_limit(12, now) == RateLimit(
        limit=100, cost=12, remaining=67, used=33, restore_rate=10, reset_at="2026-01-01T12:00:04Z"
    )
    assert type(state.restore_per_s) is int
    assert (await budgets(restore_per_s=0.5).look(caller())).restore_per_s == 0.5


async def test_headers_of_an_answer_tell_every_policy() -> None:
    of = budgets(daily_quota=500, max_concurrent=3)
    full = await of.look(caller())
    assert limit_headers(full)["RateLimit"] == f'"budget";r=100, "daily";r=500;t={full.day_left_s}'
    await spend(of, caller(), 40)
    headers = limit_headers(await of.look(caller()))
    assert headers["RateLimit"].startswith('"budget";r=60;t=4, "daily";r=460;t=')
    assert headers["RateLimit-Policy"] == (
        '"budget";q=100;w=10;clinical-gateway-unit="cost", '
        '"daily";q=500;w=86400;clinical-gateway-unit="cost", '
        '"concurrent";q=3;qu="concurrent-requests"'
    )


@pytest.mark.parametrize(
    ("settings", "costs", "limit"),
    [
        ({"max_concurrent": 1}, (1, 1), '"concurrent";r=0;t=8'),
        ({"daily_quota": 60}, (50, 20), '"daily";r=10;t='),
    ],
)
async def test_headers_of_a_refusal_tell_the_policy_that_refuses(
    settings: dict[str, Any], costs: tuple[int, int], limit: str
) -> None:
    of = budgets(**settings)
    await of.reserve(caller(), costs[0])
    with pytest.raises(RateLimited) as refused:
        await of.reserve(caller(), costs[1])
    problem = refused.value
    assert problem.state is not None
    headers = limit_headers(problem.state, problem.reason, problem.retry_after_s)
    assert headers["RateLimit"].startswith(limit)
    assert headers["RateLimit"].endswith(f";t={headers['Retry-After']}")


async def test_near_limit_is_told_once_until_there_is_room_again() -> None:
    now = Now()
    of = budgets(MemoryLimiter(now.ns, now.ns))
    await spend(of, caller(), 50, 30)
    assert not of.events.counts
    await spend(of, caller(), 1, 1, 1)
    assert dict(of.events.counts) == {("default", "near_limit", "budget"): 1}
    now.ms += 60_000
    await spend(of, caller(), 1, 50, 35)
    assert dict(of.events.counts) == {("default", "near_limit", "budget"): 2}


async def test_events_are_counted_and_the_last_of_each_client_kept() -> None:
    of = budgets(max_query_cost=1, capacity=1)
    await of.reserve(caller(), 1)
    for _ in range(EVENTS_MAX + 50):
        with pytest.raises(BudgetExceeded):
            await of.reserve(caller(), 1)
    kept = of.events.of("https://issuer.test", "app")
    assert len(kept) == EVENTS_MAX
    assert {(one.kind, one.reason, one.cost, one.remaining, one.retry_after_s) for one in kept} == {
        ("refused", "budget", 1, 0, 1)
    }
    assert of.events.counts["default", "refused", "budget"] == EVENTS_MAX + 50
    assert of.events.of("https://issuer.test", "nobody") == ()


async def test_a_flood_of_clients_is_kept_bounded() -> None:
    events = ThrottleEvents(Clock(0.0))
    for number in range(CLIENTS_MAX + 10):
        events.record("refused", "budget", ("issuer", str(number)), "default", 1, 0, 1)
        events.is_news(str(number), is_near=True)
    assert len(events.clients()) == CLIENTS_MAX
    assert events.of("issuer", "3") == ()
    assert not events.is_news(str(CLIENTS_MAX), is_near=True)


async def test_log_has_a_line_a_minute_for_a_client_and_no_user_in_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock(1e9)
    of = budgets(clock=clock, per="client_user", max_query_cost=100)
    who = caller("a\nfaked line", subject="9000000009")
    await spend(of, who, 70)
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            with pytest.raises(BudgetExceeded):
                await of.reserve(who, 80)
        clock.now += LOG_EVERY_S
        with pytest.raises(BudgetExceeded):
            await of.reserve(who, 80)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[1] == (
        r"limits: refused (budget), client 'a\nfaked line', tier default, cost 80, remaining 30, "
        "retry after 5 s, 19 more before"
    )
    assert "9000000009" not in caplog.text
    assert len(caplog.text.splitlines()) == 2
