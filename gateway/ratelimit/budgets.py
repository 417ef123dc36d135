"""Budgets as a request meets them: whose, of which tier, taken or refused, and told."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.ratelimit.errors import error_of
from gateway.ratelimit.events import ThrottleEvents
from gateway.ratelimit.limiter import Limiter, Refusal, Reservation
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.places import Queue, is_full
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import MICRO, Tier, Tiers
from permissions.principal import Principal

CALLERS_KEPT: Final = 1_000


class Budgets:
    """`reserve` before a source is called, `settle` in a `finally`."""

    def __init__(
        self,
        tiers: Tiers,
        limiter: Limiter,
        key_of: Callable[[Principal, Tier], str],
        events: ThrottleEvents,
        queue: Queue | None = None,
    ) -> None:
        self._tiers = tiers
        self._limiter = limiter
        self.settle: Callable[[Reservation, int], BudgetState] = limiter.settle
        """The operation is over, however it ended: answered, failed or given up (`actual` 0 where no source
        was called). The state is for the response; the store is told behind its back."""
        self.take = limiter.take if isinstance(limiter, MemoryLimiter) else None
        """Takes a cost out of a budget without waiting, where budgets are of this process alone."""
        self._key_of = key_of
        self.events = events
        self._queue = queue or Queue()
        self._known: OrderedDict[int, tuple[Principal, Tier, str]] = OrderedDict()

    def tier_of(self, principal: Principal) -> Tier:
        """The caller's tier."""
        return self.whose(principal)[1]

    def whose(self, principal: Principal) -> tuple[Principal, Tier, str]:
        """A caller with tier and key. Authenticated principals are kept with their tokens, so the next
        request brings the same object."""
        known = self._known.get(id(principal))
        if known is None:
            tier = self._tiers.of(principal)
            known = self._known[id(principal)] = principal, tier, self._key_of(principal, tier)
            if len(self._known) > CALLERS_KEPT:
                self._known.popitem(last=False)
        return known

    async def reserve(self, principal: Principal, cost: int) -> Reservation:
        """Takes an estimated cost (whole, rounded up). Raises RateLimited.

        In a tier that only measures, what would be refused is admitted, told, and takes nothing: what stands
        in the budget is what enforcing would have left there.
        """
        _, tier, key = self.whose(principal)
        if cost * MICRO > tier.max_query_cost:
            outcome: Reservation | Refusal = Refusal("query_cost", None, None)
        else:
            outcome = await self._limiter.reserve(key, tier, cost if cost > 0 else 0)
        if isinstance(outcome, Refusal):
            if is_full(outcome) and tier.mode == "enforce":
                outcome = await self._queued(outcome, key, tier, cost)
            if isinstance(outcome, Refusal):
                return self._refused(outcome, principal, tier, key, cost)
        state = outcome.state
        if state.level < state.tier.near_level or state.tier.near_used or self.events.near:
            self.tell_if_near(state, principal, key, cost)
        return outcome

    def tell_if_near(self, state: BudgetState, principal: Principal, key: str, cost: int) -> None:
        """Of a budget that has come near its limit; forgets one that is no longer near it."""
        if self.events.is_news(key, is_near=state.is_near_limit):
            whose = (principal.issuer, principal.client)
            self.events.record("near_limit", "budget", whose, state.tier.name, cost, state.remaining)

    async def _queued(self, refusal: Refusal, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Once more, for as long as it is worth to wait for a place."""
        return await self._queue.place(
            key, tier.max_concurrent, refusal, lambda: self._limiter.reserve(key, tier, max(cost, 0))
        )

    def _refused(
        self, refusal: Refusal, principal: Principal, tier: Tier, key: str, cost: int
    ) -> Reservation:
        """Tells of it; raises it, unless the tier only measures."""
        is_measured, state = tier.mode == "measure", refusal.state
        self.events.record(
            "measured" if is_measured else "refused",
            refusal.reason,
            (principal.issuer, principal.client),
            tier.name,
            cost,
            state.remaining if state is not None else None,
            refusal.retry_after_s,
        )
        if not is_measured:
            raise error_of(refusal, cost)
        state = state or BudgetState(tier, tier.capacity, 0, 0, 0)
        return Reservation("", key, tier, cost, state, measured=refusal.reason)

    async def look(self, principal: Principal) -> BudgetState:
        """The caller's budget; takes nothing. Raises StoreUnavailable."""
        _, tier, key = self.whose(principal)
        return await self._limiter.look(key, tier)

    async def close(self) -> None:
        """Settles what is still to be settled, and lets go."""
        await self._limiter.close()
