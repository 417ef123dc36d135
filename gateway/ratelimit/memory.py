"""Budgets of one process."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.ratelimit.limiter import Reason, Refusal, Reservation
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import DAY_S, MICRO, Tier

Clock = Callable[[], int]
"""Milliseconds."""

DAY_MS: Final = DAY_S * 1000
_FORGET_AT_ONCE: Final = 2


def monotonic_ms() -> int:
    """A clock that never jumps."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    """The time of day, UTC."""
    return time.time_ns() // 1_000_000


class _Budget:
    """One budget: `held` are reservations by id, the oldest first: until when, cost, and of which day."""

    __slots__ = ("at", "day", "held", "level", "tier", "used")

    def __init__(self, tier: Tier, at: int) -> None:
        self.tier = tier
        self.level = tier.capacity
        self.at = at
        self.day = 0
        self.used = 0
        self.held: dict[str, tuple[int, int, int]] = {}

    def is_new(self) -> bool:
        """Whether a new budget would be the same."""
        return not self.held and self.used == 0 and self.level >= self.tier.capacity


class MemoryLimiter:
    """The limiter of one process: exact, and its budgets end with it. Budgets that are full again are
    forgotten. `clock` counts the restoring, `wall` only says which day it is."""

    def __init__(self, clock: Clock = monotonic_ms, wall: Clock = wall_ms, *, is_local: bool = False) -> None:
        self._clock = clock
        self._wall = wall
        self._is_local = is_local
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._ids = itertools.count(1)

    async def reserve(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Takes the cost, or says why not."""
        wall = self._wall()
        budget = self._present(key, tier, wall)
        taken = cost * MICRO
        quota = tier.daily_quota
        if (
            budget.level < taken
            or len(budget.held) >= tier.max_concurrent
            or (quota and budget.used + taken > quota)
        ):
            return self._refusal(budget, tier, taken, wall)
        budget.level -= taken
        budget.used += taken
        ticket = str(next(self._ids))
        budget.held[ticket] = (budget.at + tier.hold_ms, taken, budget.day)
        state = BudgetState(tier, budget.level, budget.used, len(budget.held), DAY_MS - wall % DAY_MS)
        return Reservation(ticket, key, tier, cost, state, self._is_local)

    def settle(self, reservation: Reservation, actual: int) -> BudgetState:
        """Puts the difference back, unless that was done, or the reservation given back, before."""
        tier = reservation.tier
        budget = self._budgets.get(reservation.key)
        taken = reservation.cost * MICRO
        given_back = taken - (actual * MICRO if actual > 0 else 0)
        if budget is None or given_back < 0 or tier is not budget.tier:
            budget = self._present(reservation.key, tier, self._wall())
        # What only adds up to the capacity may as well be added before what flowed in, and the day be looked
        # at later: no need to bring the budget up to now.
        held = budget.held.pop(reservation.id, None)
        if held is not None:
            until, _, day = held
            if until <= self._clock():
                given_back = taken  # as nobody settled it in time
            level = budget.level + given_back
            budget.level = 0 if level < 0 else level if level < tier.capacity else tier.capacity
            if day == budget.day:
                used = budget.used - given_back
                budget.used = used if used > 0 else 0
        day_left_ms = reservation.state.day_left_ms
        return BudgetState(tier, budget.level, budget.used, len(budget.held), day_left_ms)

    async def look(self, key: str, tier: Tier) -> BudgetState:
        """The budget as it is."""
        wall = self._wall()
        return _state(self._present(key, tier, wall), tier, wall)

    async def close(self) -> None:
        """There is nothing to let go."""

    @property
    def kept(self) -> int:
        """How many budgets are held in memory."""
        return len(self._budgets)

    def _present(self, key: str, tier: Tier, wall: int) -> _Budget:
        """The budget, brought up to now."""
        now, day = self._clock(), wall // DAY_MS
        budget = self._budgets.get(key)
        if budget is None:
            self._forget(now, day)
            budget = self._budgets[key] = _Budget(tier, now)
            budget.day = day
            return budget
        self._budgets.move_to_end(key)
        elapsed = now - budget.at
        if elapsed < 0 or day != budget.day or tier is not budget.tier or budget.held:
            _bring(budget, tier, now, day)
        elif elapsed:
            level = budget.level + elapsed * tier.restore
            budget.level = level if level < tier.capacity else tier.capacity
            budget.at = now
        return budget

    def _forget(self, now: int, day: int) -> None:
        """Lets go of budgets that have not been asked for the longest, where they are full again."""
        for _ in range(_FORGET_AT_ONCE):
            key, oldest = next(iter(self._budgets.items()), ("", None))
            if oldest is None:
                return
            _bring(oldest, oldest.tier, now, day)
            if not oldest.is_new():
                return
            del self._budgets[key]

    @staticmethod
    def _refusal(budget: _Budget, tier: Tier, cost: int, wall: int) -> Refusal:
        waits: list[tuple[int, Reason]] = []
        state = _state(budget, tier, wall)
        if budget.level < cost:
            waits.append((-(-(cost - budget.level) // tier.restore), "budget"))
        if len(budget.held) >= tier.max_concurrent:
            lasts = next(iter(budget.held.values()))[0] - budget.at
            # One that outlives its deadline was left behind by a dead process.
            waits.append((lasts - tier.margin_ms if lasts > tier.margin_ms else lasts, "concurrency"))
        if tier.daily_quota and budget.used + cost > tier.daily_quota:
            waits.append((state.day_left_ms, "daily_quota"))
        wait_ms, reason = max(waits, key=lambda one: one[0])
        return Refusal(reason, wait_ms, state)


def _bring(budget: _Budget, tier: Tier, now: int, day: int) -> None:
    """To now: what flowed in, the new day, what nobody settled."""
    if now != budget.at or tier is not budget.tier:
        budget.tier = tier
        _restore(budget, tier, now)
    if day != budget.day:
        budget.day, budget.used = day, 0
    if budget.held:
        _give_back(budget, tier, now)


def _restore(budget: _Budget, tier: Tier, now: int) -> None:
    """What flowed in meanwhile. A clock that was put back restores nothing and holds nothing up: what is
    reserved lasts as long as before."""
    elapsed = now - budget.at
    if elapsed > 0:
        budget.level += elapsed * tier.restore
    else:
        held = budget.held.items()
        budget.held = {ticket: (until + elapsed, cost, day) for ticket, (until, cost, day) in held}
    budget.level = min(budget.level, tier.capacity)
    budget.at = now


def _give_back(budget: _Budget, tier: Tier, now: int) -> None:
    """Reservations that nobody has settled in time. They last equally long, so the oldest is the first."""
    while budget.held:
        ticket, (until, cost, day) = next(iter(budget.held.items()))
        if until > now:
            return
        del budget.held[ticket]
        budget.level = min(budget.level + cost, tier.capacity)
        if day == budget.day:
            budget.used = max(budget.used - cost, 0)


def _state(budget: _Budget, tier: Tier, wall: int) -> BudgetState:
    return BudgetState(tier, budget.level, budget.used, len(budget.held), DAY_MS - wall % DAY_MS)
