"""What a budget looks like at one moment, as limiters tell it and as clients are told."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from gateway.ratelimit.tiers import MICRO, Tier
from resolvers.budget import RateLimit

NEAR_PART: Final = 0.8
"""A budget of which more is spent is near its limit."""


class BudgetState(msgspec.Struct, frozen=True):
    """A budget: `level` is what is left and `used` what the day has cost, both in millionths; `in_flight`
    operations run; the day ends in `day_left_ms`."""

    tier: Tier
    level: int
    used: int
    in_flight: int
    day_left_ms: int

    @property
    def limit(self) -> int:
        """What a full budget holds."""
        return self.tier.capacity // MICRO

    @property
    def remaining(self) -> int:
        """What an operation may cost now, as whole cost."""
        return self.level // MICRO

    @property
    def restore_per_s(self) -> float:
        """What comes back in a second; a whole number where it is one."""
        per_s = self.tier.restore / 1000
        return int(per_s) if per_s.is_integer() else per_s

    @property
    def full_in_s(self) -> int:
        """Seconds until nothing is missing, if nothing is asked; rounded up."""
        return math.ceil((self.tier.capacity - self.level) / self.tier.restore / 1000)

    @property
    def quota_remaining(self) -> int | None:
        """What is left of the day's quota; None where the tier has none."""
        quota = self.tier.daily_quota
        return max(0, quota - self.used) // MICRO if quota else None

    @property
    def day_left_s(self) -> int:
        """Seconds until midnight UTC, rounded up."""
        return math.ceil(self.day_left_ms / 1000)

    @property
    def is_near_limit(self) -> bool:
        """Whether more than four fifths of the budget or of the day's quota is spent."""
        tier = self.tier
        return self.level < tier.capacity * (1 - NEAR_PART) or self.used > tier.daily_quota * NEAR_PART > 0

    def settled(self, reserved: int, actual: int) -> "BudgetState":
        """This state once a reservation costs what it really did (whole costs): what the response tells,
        because the store is told later."""
        given_back = (reserved - actual) * MICRO
        level = min(max(self.level + given_back, 0), self.tier.capacity)
        used = max(self.used - given_back, 0)
        return BudgetState(self.tier, level, used, max(0, self.in_flight - 1), self.day_left_ms)

    def throttle_status(self) -> dict[str, int | float]:
        """`extensions.cost.throttleStatus`."""
        return {
            "maximumAvailable": self.limit,
            "currentlyAvailable": self.remaining,
            "restoreRate": self.restore_per_s,
        }

    def rate_limit(self, cost: int, now: datetime | None = None) -> RateLimit:
        """The query field `rateLimit` for an operation of that cost; `resetAt` is when the budget is full."""
        reset_at = (now or datetime.now(UTC)) + timedelta(seconds=self.full_in_s)
        return RateLimit(
            limit=self.limit,
            cost=cost,
            remaining=self.remaining,
            used=self.limit - self.remaining,
            restore_rate=self.restore_per_s,
            reset_at=reset_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
