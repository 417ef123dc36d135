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
"""Tells the time; who takes one says in which unit."""

NS_A_MS: Final = 1_000_000
DAY_MS: Final = DAY_S * 1000
NO_DAY: Final = (0, 0)
"""Where the tier has no quota, it does not matter which day it is, and nothing is counted by days."""

_FORGET_AT_ONCE: Final = 2


class _Budget:
    """One budget: `held` are reservations by id, the oldest first: until when, cost, and of which day. Before
    `sure_until` none of them ends by itself."""

    __slots__ = ("at", "day", "held", "level", "sure_until", "tier", "used")

    def __init__(self, tier: Tier, at: int, day: int) -> None:
        self.tier = tier
        self.level = tier.capacity
        self.at = at
        self.day = day
        self.used = 0
        self.sure_until = at + tier.hold_ms
        self.held: dict[str, tuple[int, int, int]] = {}

    def is_new(self) -> bool:
        """Whether a new budget would be the same."""
        return not self.held and self.used == 0 and self.level >= self.tier.capacity


class MemoryLimiter:
    """The limiter of one process: exact, and its budgets end with it. Budgets that are full again are
    forgotten. `clock` never jumps and counts the restoring, `wall` only says which day it is (UTC);
    both in nanoseconds, as the clocks of the standard library tell them."""

    def __init__(
        self, clock: Clock = time.monotonic_ns, wall: Clock = time.time_ns, *, is_local: bool = False
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._is_local = is_local
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._ids = itertools.count(1)

    async def reserve(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Takes the cost, or says why not."""
        return self.take(key, tier, cost)

    def take(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """The same at once, as nothing has to be waited for."""
        now, quota = self._clock() // NS_A_MS, tier.daily_quota
        day, day_left_ms = self._day() if quota else NO_DAY
        budget = self._budgets.get(key)
        if (
            budget is None
            or tier is not budget.tier
            or day != budget.day
            or not budget.at <= now < budget.sure_until
        ):
            budget = self._present(key, tier, now, day)
            level = budget.level
        else:  # nothing happened but that some flowed in
            level = budget.level + (now - budget.at) * tier.restore
            if level > tier.capacity:
                level = tier.capacity
            budget.at = now
        taken, held = cost * MICRO, budget.held
        if level < taken or len(held) >= tier.max_concurrent or (quota and budget.used + taken > quota):
            budget.level = level
            return self._refusal(budget, tier, taken, day_left_ms)
        budget.level = level = level - taken
        if quota:
            budget.used += taken
        ticket = str(next(self._ids))
        held[ticket] = now + tier.hold_ms, taken, day
        state = BudgetState(tier, level, budget.used, len(held), day_left_ms)
        return Reservation(ticket, key, tier, cost, state, self._is_local)

    def settle(self, reservation: Reservation, actual: int) -> BudgetState:
        """Puts the difference back, unless that was done, or the reservation given back, before."""
        tier = reservation.tier
        budget = self._budgets.get(reservation.key)
        given_back = (reservation.cost - actual) * MICRO
        if budget is None or tier is not budget.tier or given_back < 0 or actual < 0:
            if reservation.measured is not None:
                return reservation.state
            day, _ = self._day() if tier.daily_quota else NO_DAY
            budget = self._present(reservation.key, tier, self._clock() // NS_A_MS, day)
            given_back = (reservation.cost - max(actual, 0)) * MICRO
        # What only adds up to the capacity may as well be added before what flowed in, and the day be looked
        # at later: no need to bring the budget up to now.
        held = budget.held.pop(reservation.id, None)
        if held is not None:
            if held[0] <= self._clock() // NS_A_MS:
                given_back = held[1]  # all of it, as nobody settled it in time
            level = budget.level + given_back
            budget.level = 0 if level < 0 else level if level < tier.capacity else tier.capacity
            if tier.daily_quota and held[2] == budget.day:
                used = budget.used - given_back
                budget.used = used if used > 0 else 0
        elif reservation.measured is not None:
            return reservation.state
        day_left_ms = reservation.state.day_left_ms
        return BudgetState(tier, budget.level, budget.used, len(budget.held), day_left_ms)

    async def look(self, key: str, tier: Tier) -> BudgetState:
        """The budget as it is."""
        day, day_left_ms = self._day() if tier.daily_quota else NO_DAY
        return _state(self._present(key, tier, self._clock() // NS_A_MS, day), tier, day_left_ms)

    async def close(self) -> None:
        """There is nothing to let go."""

    @property
    def kept(self) -> int:
        """How many budgets are held in memory."""
        return len(self._budgets)

    def _day(self) -> tuple[int, int]:
        """Which day it is, and how much is left of it."""
        day, gone_ms = divmod(self._wall() // NS_A_MS, DAY_MS)
        return day, DAY_MS - gone_ms

    def _present(self, key: str, tier: Tier, now: int, day: int) -> _Budget:
        """The budget, brought up to now."""
        budget = self._budgets.get(key)
        if budget is None:
            self._forget(now)
            budget = self._budgets[key] = _Budget(tier, now, day)
            return budget
        _bring(budget, tier, now, day)
        return budget

    def _forget(self, now: int) -> None:
        """Looks at some budgets, each in its turn, and lets go of those that are full again."""
        for _ in range(_FORGET_AT_ONCE):
            key, oldest = next(iter(self._budgets.items()), ("", None))
            if oldest is None:
                return
            day, _ = self._day() if oldest.tier.daily_quota else NO_DAY
            _bring(oldest, oldest.tier, now, day)
            if oldest.is_new():
                del self._budgets[key]
            else:
                self._budgets.move_to_end(key)

    @staticmethod
    def _refusal(budget: _Budget, tier: Tier, cost: int, day_left_ms: int) -> Refusal:
        waits: list[tuple[int, Reason]] = []
        state = _state(budget, tier, day_left_ms)
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
    budget.sure_until = min((until for until, _, _ in budget.held.values()), default=now + tier.hold_ms)


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
        if tier.daily_quota and day == budget.day:
            budget.used = max(budget.used - cost, 0)


def _state(budget: _Budget, tier: Tier, day_left_ms: int) -> BudgetState:
    return BudgetState(tier, budget.level, budget.used, len(budget.held), day_left_ms)
