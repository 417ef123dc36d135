"""Budgets in the Redis that replicas share: one script for each operation, by Redis's own time."""

import secrets
from typing import Final

from gateway.ratelimit.limiter import Reason, Refusal, Reservation
from gateway.ratelimit.memory import Clock
from gateway.ratelimit.scripts import Client, Script, braced
from gateway.ratelimit.settlements import Settlements
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import MICRO, Tier

REASONS: Final[dict[int, Reason]] = {1: "budget", 2: "daily_quota", 3: "concurrency"}
CLOSE_WITHIN_S: Final = 2.0

_RESERVE: Final = Script("bucket", "reserve")
_SETTLE: Final = Script("bucket", "settle")
_LOOK: Final = Script("bucket", "look")


class RedisLimiter:
    """The limiter of replicas that share one Redis, or one Cluster: the keys of a budget have one hash tag.

    A budget that Redis has lost is full again: keep it durable (AOF) and without eviction. `clock` stands
    for Redis's time in tests.
    """

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock
        self._settlements = Settlements(self.settle_now)

    async def reserve(self, key: str, tier: Tier, cost: int) -> Reservation | Refusal:
        """Takes the cost, or says why not. Raises StoreUnavailable; whatever it took then is put back."""
        ticket = secrets.token_hex(8)
        try:
            reason, wait_ms, *state = await self._run(_RESERVE, key, tier, ticket, cost * MICRO)
        except BaseException:
            # Also where the caller has gone: Redis may have taken it all the same.
            self._settlements.add(Reservation(ticket, key, tier, cost, BudgetState(tier, 0, 0, 0, 0)), 0)
            raise
        if reason:
            return Refusal(REASONS[reason], wait_ms, BudgetState(tier, *state))
        return Reservation(ticket, key, tier, cost, BudgetState(tier, *state))

    def settle(self, reservation: Reservation, actual: int) -> BudgetState:
        """Tells Redis soon, and again for as long as the reservation lasts."""
        if reservation.measured is not None:
            return reservation.state
        self._settlements.add(reservation, actual)
        return reservation.state.settled(reservation.cost, actual)

    async def settle_now(self, reservation: Reservation, actual: int) -> BudgetState:
        """Tells Redis at once; the budget after it. Raises StoreUnavailable."""
        one = reservation
        _, _, *state = await self._run(
            _SETTLE, one.key, one.tier, one.id, one.cost * MICRO, max(actual, 0) * MICRO
        )
        return BudgetState(one.tier, *state)

    async def look(self, key: str, tier: Tier) -> BudgetState:
        """The budget as it is. Raises StoreUnavailable."""
        _, _, *state = await self._run(_LOOK, key, tier)
        return BudgetState(tier, *state)

    async def close(self) -> None:
        """Settles what it can, and ends the connections."""
        await self._settlements.close(CLOSE_WITHIN_S)
        await self._client.aclose()

    async def _run(self, script: Script, key: str, tier: Tier, *further: str | int) -> list[int]:
        tag = braced(key)
        return await script.run(
            self._client,
            (tag, tag + ":held"),
            self._clock() if self._clock is not None else "",
            tier.capacity,
            tier.restore,
            tier.max_concurrent,
            tier.daily_quota,
            tier.hold_ms,
            tier.margin_ms,
            *further,
        )
