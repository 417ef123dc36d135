"""What holds while the shared store is away: each process its share, or nothing (`on_store_failure`)."""

import logging
import time
from collections.abc import Callable
from typing import Final

from gateway.ratelimit.limiter import Limiter, Refusal, Reservation, StoreUnavailable
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import Tier

log = logging.getLogger(__name__)

PAUSE_S: Final = 1.0


class Absence:
    """Whether a store is away. Then one caller in each `PAUSE_S` tries it again, and the others need not wait
    for what will not come."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._next_try_at: float | None = None

    def is_known(self) -> bool:
        """Whether not even to try. Who is told to try is the only one for a while."""
        if self._next_try_at is None:
            return False
        now = self._clock()
        if now < self._next_try_at:
            return True
        self._next_try_at = now + PAUSE_S
        return False

    def begin(self, problem: StoreUnavailable) -> None:
        """It did not answer."""
        if self._next_try_at is None:
            log.warning("the store of %s does not answer: %s", self._what, problem)
        self._next_try_at = self._clock() + PAUSE_S

    def end(self) -> None:
        """It did."""
        if self._next_try_at is not None:
            log.warning("the store of %s answers again", self._what)
            self._next_try_at = None


class FallbackLimiter:
    """The shared limiter, and what takes its place. `local` None: nobody is admitted meanwhile."""

    def __init__(
        self,
        shared: Limiter,
        local: MemoryLimiter | None,
        local_share: float = 1.0,
        absence: Absence | None = None,
    ) -> None:
        self._shared = shared
        self._local = local
        self._local_share = local_share
        self._absence = absence or Absence("budgets")

    async def reserve(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Takes the cost where it can. Never raises StoreUnavailable: that is a Refusal."""
        if not self._absence.is_known():
            try:
                outcome = await self._shared.reserve(key, tier, cost)
            except StoreUnavailable as problem:
                self._absence.begin(problem)
            else:
                self._absence.end()
                return outcome
        if self._local is None:
            return Refusal("store", round(PAUSE_S * 1000), None)
        return await self._local.reserve(key, tier.share(self._local_share), cost)

    def settle(self, reservation: Reservation, actual: int) -> BudgetState:
        """Where it was reserved."""
        if reservation.is_local and self._local is not None:
            return self._local.settle(reservation, actual)
        return self._shared.settle(reservation, actual)

    async def look(self, key: str, tier: Tier) -> BudgetState:
        """The budget that an operation would meet. Raises StoreUnavailable where it would meet none."""
        if not self._absence.is_known():
            try:
                state = await self._shared.look(key, tier)
            except StoreUnavailable as problem:
                self._absence.begin(problem)
            else:
                self._absence.end()
                return state
        if self._local is None:
            raise StoreUnavailable("away")
        return await self._local.look(key, tier.share(self._local_share))

    async def close(self) -> None:
        """Lets go of the shared one."""
        await self._shared.close()
