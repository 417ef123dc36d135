"""What a budget looks like at one moment, as limiters tell it and as clients are told."""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.ratelimit.tiers import MICRO, Tier
from resolvers.budget import RateLimit


class BudgetState(msgspec.Struct, frozen=True):
    """A budget: `level` is what is left and `used` what the day has cost, both in millionths; `in_flight`
    operations run; the day ends in `day_left_ms`. What is of the day counts only where the tier has a
    quota."""

    tier: Tier
    level: int
    used: int
    in_flight: int
    day_left_ms: int

    @property
    def limit(self) -> int:
        """What a full budget holds."""
        return self.tier.limit

    @property
    def remaining(self) -> int:
        """What an operation may cost now, as whole cost."""
        return self.level // MICRO

    @property
    def restore_per_s(self) -> float:
        """What comes back in a second; a whole number where it is one."""
        return self.tier.restore_per_s

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
        return self.level < tier.near_level or self.used > tier.near_used > 0

    def settled(self, reserved: int, actual: int) -> "BudgetState":
        """This state once a reservation costs what it really did (whole costs): what the response tells,
        because the store is told later."""
        tier, given_back = self.tier, (reserved - actual) * MICRO
        level, used, others = self.level + given_back, self.used - given_back, self.in_flight - 1
        return BudgetState(
            tier,
            0 if level < 0 else level if level < tier.capacity else tier.capacity,
            used if used > 0 else 0,
            others if others > 0 else 0,
            self.day_left_ms,
        )

    def throttle_status(self) -> dict[str, int | float]:
        """`extensions.cost.throttleStatus`."""
        tier = self.tier
        return {
            "maximumAvailable": tier.limit,
            "currentlyAvailable": self.level // MICRO,
            "restoreRate": tier.restore_per_s,
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
