"""The limits of a gateway, built for the composition root: budgets of clients, rates of sources."""

import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.events import ThrottleEvents
from gateway.ratelimit.keys import budget_keys
from gateway.ratelimit.limiter import Limiter
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.tiers import RateLimitSettings, Tiers
from resolvers.upstreams.call_rate import CallRate, CallRateSettings, MemoryCallRate

Kind = Literal["memory", "redis", "redis-cluster"]
Rates = Callable[[str, CallRateSettings], CallRate]

KINDS: Final[dict[Kind, str]] = {
    "memory": "gateway.ratelimit.limits:open_memory",
    "redis": "gateway.ratelimit.limits_redis:open_redis",
    "redis-cluster": "gateway.ratelimit.limits_redis:open_cluster",
}
"""Each kind is loaded only where it is chosen, as the store is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budgets` for the pipeline, `rates` for `Wiring.rates`, `close` for the end of the process."""

    budgets: Budgets
    rates: Rates
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where limits are kept: what a kind opens."""

    limiter: Limiter
    rates: Rates


def open_limits(
    settings: RateLimitSettings, kind: Kind, url: str | None, deadline_s: float, secret: bytes
) -> Limits:
    """Nothing is connected yet. `deadline_s`: a request's; `secret` (16 to 64 bytes, the same in every
    replica) hides who the clients are. Raises ValueError where the address is none."""
    keeping: Keeping = pkgutil.resolve_name(KINDS[kind])(settings, url)
    limiter = keeping.limiter
    budgets = Budgets(Tiers(settings, deadline_s), limiter, budget_keys(secret), ThrottleEvents())
    return Limits(budgets, keeping.rates, limiter.close)


def open_memory(_settings: RateLimitSettings, _url: str | None) -> Keeping:
    """Limits of one process."""
    return Keeping(MemoryLimiter(), lambda _, settings: MemoryCallRate(settings))
