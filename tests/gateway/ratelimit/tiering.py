"""Tiers and callers for the tests of limits."""

from __future__ import annotations

from typing import Any

from gateway.ratelimit.tiers import RateLimitSettings, Tier, Tiers, TierSettings
from permissions.principal import Principal

DEADLINE_S = 8.0


def tiers(*named: dict[str, Any], **further: Any) -> Tiers:
    listed = tuple(TierSettings(**one) for one in named) or (TierSettings(name="default"),)
    return Tiers(RateLimitSettings(tiers=listed, **further), DEADLINE_S)


def tier(**settings: Any) -> Tier:
    """A tier of 100 that restores 10 a second."""
    made = {"capacity": 100, "restore_per_s": 10, "max_query_cost": 100, **settings}
    return tiers({"name": "default", **made}).of(caller())


def caller(
    client: str = "app", issuer: str = "https://issuer.test", subject: str = "user", tier: str | None = None
) -> Principal:
    return Principal(issuer=issuer, client=client, subject=subject, scopes=(), tier=tier)


class Now:
    """Milliseconds that stand still until a test moves them; like unix time."""

    def __init__(self, ms: int = 1_700_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms

    def ns(self) -> int:
        """The same in nanoseconds, as limiters in memory count."""
        return self.ms * 1_000_000
