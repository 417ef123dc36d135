"""A model of the rules in exact fractions, the limiter in memory and the one in Redis: always of one mind."""

from __future__ import annotations

import asyncio
import itertools
from fractions import Fraction
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from gateway.ratelimit.limiter import Refusal, Reservation
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import open_client
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import DAY_S, MICRO, Tier
from tests.gateway.ratelimit.redis_process import RedisProcess
from tests.gateway.ratelimit.tiering import Now, tier

DAY_MS = DAY_S * 1000
TIERS = {
    "plain": tier(max_concurrent=3),
    "odd": tier(restore_per_s=0.333, max_concurrent=50),
    "quota": tier(restore_per_s=1000, max_concurrent=50, daily_quota=400),
    "fast": tier(capacity=10**9, max_query_cost=10**9, restore_per_s=10**6, max_concurrent=50),
}
KEYS = ("one", "other")


class Model:
    """One budget, by the words of the rules: what flowed in is counted in whole steps of a millisecond."""

    def __init__(self, of: Tier, now: int) -> None:
        self.of, self.at = of, now
        self.capacity = Fraction(of.capacity, MICRO)
        self.level = self.capacity
        self.used: dict[int, Fraction] = {}
        self.held: dict[int, tuple[int, int, int]] = {}

    def move(self, now: int) -> None:
        per_ms = Fraction(self.of.restore, MICRO)
        while True:
            due = min(
                (one for one in self.held.items() if one[1][0] <= now),
                key=lambda one: one[1][0],
                default=None,
            )
            moment = max(due[1][0], self.at) if due else now
            self.level = min(self.capacity, self.level + (moment - self.at) * per_ms)
            self.at = moment
            if due is None:
                return
            del self.held[due[0]]
            self.back(due[1][1], due[1][2])

    def jump_back(self, by: int) -> None:
        self.at -= by
        self.held = {one: (until - by, cost, day) for one, (until, cost, day) in self.held.items()}

    def back(self, cost: int, day: int) -> None:
        self.level = min(self.capacity, max(Fraction(0), self.level + cost))
        self.used[day] = max(Fraction(0), self.used.get(day, Fraction(0)) - cost)

    def reserve(self, ticket: int, cost: int) -> Fraction | None:
        """None where it is taken, else the milliseconds to wait."""
        day = self.at // DAY_MS
        waits: list[Fraction] = []
        if self.level < cost:
            steps = (cost - self.level) / Fraction(self.of.restore, MICRO)
            waits.append(Fraction(-(-steps.numerator // steps.denominator)))
        if len(self.held) >= self.of.max_concurrent:
            lasts = min(until for until, _, _ in self.held.values()) - self.at
            margin = self.of.margin_ms
            waits.append(Fraction(lasts - margin if lasts > margin else lasts))
        quota = self.of.daily_quota // MICRO
        if quota and self.used.get(day, Fraction(0)) + cost > quota:
            waits.append(Fraction(DAY_MS - self.at % DAY_MS))
        if waits:
            return max(waits)
        self.level -= cost
        self.used[day] = self.used.get(day, Fraction(0)) + cost
        self.held[ticket] = (self.at + self.of.hold_ms, cost, day)
        return None

    def settle(self, ticket: int, actual: int) -> None:
        if (held := self.held.pop(ticket, None)) is not None:
            self.back(held[1] - actual, held[2])


class Agreement(RuleBasedStateMachine):
    redis: ClassVar[RedisProcess]
    loop: ClassVar[asyncio.AbstractEventLoop]
    of: ClassVar[Tier]

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.redis.ask("FLUSHALL")
        self.now = Now(20_000 * DAY_MS - 30_000)
        self.memory = MemoryLimiter(self.now.ns, self.now.ns)
        self.shared = RedisLimiter(open_client(self.redis.url), self.now)
        self.models = {key: Model(self.of, self.now.ms) for key in KEYS}
        self.tickets = itertools.count()

    def told(self, state: BudgetState) -> BudgetState:
        """What counts of a state: nothing of the day where there is no quota."""
        return state if self.of.daily_quota else replace(state, used=0, day_left_ms=0)

    def run(self, doing: Any) -> Any:
        return self.loop.run_until_complete(doing)

    @rule(target=taken, key=st.sampled_from(KEYS), cost=st.integers(0, 120) | st.integers(0, 10**9))
    def reserve(self, key: str, cost: int) -> Any:
        cost = min(cost, self.of.capacity // MICRO)
        ticket = next(self.tickets)
        wait = self.models[key].reserve(ticket, cost)
        outcomes = [self.run(one.reserve(key, self.of, cost)) for one in (self.memory, self.shared)]
        if wait is not None:
            assert all(isinstance(one, Refusal) for one in outcomes), outcomes
            assert [one.wait_ms for one in outcomes] == [wait, wait]
            refusals: list[Any] = outcomes
            assert refusals[0].reason == refusals[1].reason
            assert self.told(refusals[0].state) == self.told(refusals[1].state)
            return multiple()
        assert all(isinstance(one, Reservation) for one in outcomes), outcomes
        assert self.told(outcomes[0].state) == self.told(outcomes[1].state)
        return (key, ticket, cost, *outcomes)

    @rule(one=taken, part=st.fractions(0, 2))
    def settle(self, one: tuple[Any, ...], part: Fraction) -> None:
        key, ticket, cost, in_memory, in_redis = one
        actual = int(cost * part)
        self.models[key].settle(ticket, actual)
        self.memory.settle(in_memory, actual)
        self.run(self.shared.settle_now(in_redis, actual))

    @rule(ms=st.integers(0, 50) | st.integers(0, 15_000) | st.just(DAY_MS))
    def time_goes_on(self, ms: int) -> None:
        self.now.ms += ms
        for model in self.models.values():
            model.move(self.now.ms)

    @rule(ms=st.integers(1, 20_000))
    def clock_is_put_back(self, ms: int) -> None:
        if self.of.daily_quota:
            return  # which day it is then, is nobody's guess
        if any(len(model.held) >= self.of.max_concurrent for model in self.models.values()):
            return
        for (
            key
        ) in KEYS:  # Redis knows of the time up to its last change of a budget, memory up to the last look
            self.settle(self.reserve(key, 0), Fraction(0))
        self.now.ms -= ms
        for model in self.models.values():
            model.jump_back(ms)
        for key in KEYS:  # both notice
            self.run(self.memory.look(key, self.of))
            self.run(self.shared.look(key, self.of))

    @invariant()
    def all_are_of_one_mind(self) -> None:
        for key, model in self.models.items():
            states: list[BudgetState] = [
                self.run(one.look(key, self.of)) for one in (self.memory, self.shared)
            ]
            assert self.told(states[0]) == self.told(states[1])
            assert Fraction(states[0].level, MICRO) == model.level
            assert 0 <= model.level <= model.capacity
            assert states[0].in_flight == len(model.held)
            if self.of.daily_quota:
                used = model.used.get(self.now.ms // DAY_MS, Fraction(0))
                assert Fraction(states[0].used, MICRO) == used

    def teardown(self) -> None:
        self.run(self.shared.close())


@pytest.mark.parametrize("name", TIERS)
def test_model_memory_and_redis_agree(name: str, shared_redis: RedisProcess) -> None:
    loop = asyncio.new_event_loop()
    Agreement.redis, Agreement.loop, Agreement.of = shared_redis, loop, TIERS[name]
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Agreement, settings=settings(max_examples=40, stateful_step_count=40, deadline=None)
        )
    finally:
        loop.close()
