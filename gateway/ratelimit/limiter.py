"""A limiter: takes what an operation may cost out of a budget, and puts back what it did not.

A budget is a token bucket. It is full at first, an operation is admitted where its estimated cost is there,
and `Tier.restore` flows in until it is full. What is reserved is settled when the operation is over; a
reservation that nobody settles (a process that died) is given back in full after `Tier.hold_ms`. A budget
is never below nothing and never above its capacity.
"""

import math
from typing import Literal, Protocol

import msgspec

from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import Tier

Reason = Literal["budget", "daily_quota", "concurrency", "query_cost", "store"]
"""Why an operation is refused: the budget or the day's quota is spent, as many run as may, it costs more
than any operation may, or the store of the budgets is away."""


class StoreUnavailable(Exception):
    """The shared store does not answer, or not in time; whether it did what was asked is not known."""


class Reservation(msgspec.Struct, frozen=True):
    """What was taken for one operation. `cost` is whole; `state` is the budget just after. `id` is empty
    where nothing was taken: the tier only measures, and would have refused for `measured`."""

    id: str
    key: str
    tier: Tier
    cost: int
    state: BudgetState
    is_local: bool = False
    measured: Reason | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was taken. An operation that waits `wait_ms` and meets nobody else in this budget is
    admitted then; None: never. `state` is None where the store is away."""

    reason: Reason
    wait_ms: int | None
    state: BudgetState | None

    @property
    def retry_after_s(self) -> int | None:
        """Whole seconds for `Retry-After`, at least one."""
        return None if self.wait_ms is None else max(1, math.ceil(self.wait_ms / 1000))


class Limiter(Protocol):
    """Keeps budgets by key. `key` says whose, without saying who (`gateway.ratelimit.keys`)."""

    async def reserve(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Takes `cost` and a place among those that run, or nothing. Raises StoreUnavailable."""

    def settle(self, reservation: Reservation, actual: int) -> BudgetState:
        """The operation is over and did cost `actual`: the difference goes back, or is taken as far as it is
        there. Done once however often it is called, never waited for, and never too late to matter. By a
        reservation that is only `measured` nothing was taken, and its state stands.

        The state is for the response: what the budget is then, as far as that is known without waiting.
        """

    async def look(self, key: str, tier: Tier) -> BudgetState:
        """The budget as it is; takes nothing. Raises StoreUnavailable."""

    async def close(self) -> None:
        """Settles what is still to be settled, and lets go."""
