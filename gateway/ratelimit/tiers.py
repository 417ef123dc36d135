"""The `[ratelimit]` table of gateway.toml: tiers, who is in which, and what holds while the store is away."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.document_limits import TierLimits
from permissions.principal import Principal

MICRO: Final = 1_000_000
"""Costs are counted in millionths, and time in milliseconds: so every sum is one of whole numbers, in
Redis too, where numbers are doubles and whole ones are exact up to 2^53."""

DAY_S: Final = 86_400
COST_MAX: Final = 1_000_000_000
NEAR_PART: Final = 0.8
"""A budget of which more is spent is near its limit."""
T = TypeVar("T")

Per = Literal["client", "client_user"]
Mode = Literal["enforce", "measure"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Cost = Annotated[int, Field(ge=1, le=COST_MAX)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TierSettings(_Table):
    """One of `[[ratelimit.tiers]]`. `capacity` is what may be spent at once, `restore_per_s` what comes back
    in a second (thousandths count), `max_query_cost` what one operation may cost, `max_concurrent` how many
    may run at a time. `per`: whose the budget is. `daily_quota` ends at midnight UTC. `measure`: only says
    what `enforce` would have refused. `limits`: of documents, where they are others than `[limits]` says."""

    name: Name
    capacity: Cost = 20_000
    restore_per_s: Annotated[float, Field(ge=0.001, le=1_000_000)] = 500.0
    max_query_cost: Cost = 10_000
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] = 32
    per: Per = "client"
    daily_quota: Annotated[int, Field(ge=1, le=COST_MAX)] | None = None
    mode: Mode = "enforce"
    limits: TierLimits = TierLimits()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for problem in _contradictions(self):
            raise ValueError(problem)
        return self


class TierOfClient(_Table):
    """One of `[[ratelimit.clients]]`: the tier of a client, of any issuer where none is named."""

    client: Annotated[str, Field(min_length=1)]
    issuer: str | None = None
    tier: Name


class RateLimitSettings(_Table):
    """The `[ratelimit]` table. `default_tier` is for clients of whom neither this file nor their token says
    a tier. `on_store_failure`: while the shared store is away, each process gives out `local_share` of every
    budget by itself, or none of it. `release_margin_s`: how long after the request's deadline a reservation
    that nobody settled is given back."""

    default_tier: Name = "default"
    tiers: tuple[TierSettings, ...] = Field(
        default_factory=lambda: (TierSettings(name="default"),), min_length=1
    )
    clients: tuple[TierOfClient, ...] = ()
    on_store_failure: Literal["local", "deny"] = "local"
    local_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    release_margin_s: Annotated[float, Field(gt=0, le=60)] = 2.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in _mismatches(self):
            raise ValueError(problem)
        return self


def _contradictions(tier: TierSettings) -> Iterator[str]:
    if tier.max_query_cost > tier.capacity:
        yield (
            f"tier {tier.name} allows an operation a cost of {tier.max_query_cost}, which its capacity of "
            f"{tier.capacity} can never bear: lower `max_query_cost` or raise `capacity`"
        )
    quota = tier.daily_quota
    if quota is None:
        return
    if quota < tier.max_query_cost:
        yield (
            f"tier {tier.name} allows an operation a cost of {tier.max_query_cost}, which its `daily_quota` "
            f"of {quota} can never bear"
        )
    if quota > tier.capacity + tier.restore_per_s * DAY_S:
        yield (
            f"tier {tier.name} can never reach its `daily_quota` of {quota}: capacity and a day's restoring "
            "are less, so the quota would never come into play"
        )


def _mismatches(settings: RateLimitSettings) -> Iterator[str]:
    names = [tier.name for tier in settings.tiers]
    known = f"which is no tier (there are: {', '.join(names)})"
    for name in _repeated(names):
        yield f"two tiers are called {name}"
    if settings.default_tier not in names:
        yield f"`default_tier` names {settings.default_tier}, {known}"
    for row in settings.clients:
        if row.tier not in names:
            yield f"client {row.client} is in tier {row.tier}, {known}"
    for client, issuer in _repeated([(row.client, row.issuer) for row in settings.clients]):
        whose = f" of issuer {issuer}" if issuer else ""
        yield f"client {client}{whose} is in two tiers"


def _repeated(values: Sequence[T]) -> Iterator[T]:
    return iter(dict.fromkeys(value for value in values if values.count(value) > 1))


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """A tier as limiters take it: costs in millionths, times in milliseconds. `restore` is what comes back
    in a millisecond, `hold_ms` how long a reservation lasts that nobody settles; `margin_ms` before that its
    operation is over for certain. What follows from these, and is told with each response, is worked out
    once."""

    name: str
    capacity: int
    restore: int
    max_query_cost: int
    max_concurrent: int
    daily_quota: int
    """0: none."""
    hold_ms: int
    margin_ms: int = 0
    per: Per = "client"
    mode: Mode = "enforce"
    limit: int = field(init=False)
    """What a full budget holds, as whole cost."""
    restore_per_s: float = field(init=False)
    """What comes back in a second; a whole number where it is one."""
    window_s: int = field(init=False)
    """Seconds in which an empty budget is full again."""
    near_level: float = field(init=False)
    """A budget with less is near its limit."""
    near_used: float = field(init=False)
    """A day that has cost more is near its quota; 0: there is none."""

    def __post_init__(self) -> None:
        per_s = self.restore / 1000
        object.__setattr__(self, "limit", self.capacity // MICRO)
        object.__setattr__(self, "restore_per_s", int(per_s) if per_s.is_integer() else per_s)
        object.__setattr__(self, "window_s", math.ceil(self.capacity / self.restore / 1000))
        object.__setattr__(self, "near_level", self.capacity * (1 - NEAR_PART))
        object.__setattr__(self, "near_used", self.daily_quota * NEAR_PART)

    def share(self, part: float) -> "Tier":
        """What one of several processes gives out alone; the largest operation stays possible."""
        return replace(
            self,
            capacity=max(int(self.capacity * part), self.max_query_cost),
            restore=max(1, int(self.restore * part)),
            daily_quota=self.daily_quota and max(int(self.daily_quota * part), self.max_query_cost),
            max_concurrent=max(1, int(self.max_concurrent * part)),
        )


class Tiers:
    """Which tier a caller is in: as configured, else as the token says, else the default."""

    def __init__(self, settings: RateLimitSettings, deadline_s: float) -> None:
        margin_ms = math.ceil(settings.release_margin_s * 1000)
        hold_ms = math.ceil(deadline_s * 1000) + margin_ms
        self._tiers = {one.name: _tier(one, hold_ms, margin_ms) for one in settings.tiers}
        self._clients = {(row.client, row.issuer): self._tiers[row.tier] for row in settings.clients}
        self._default = self._tiers[settings.default_tier]

    def of(self, principal: Principal) -> Tier:
        """The caller's tier. A claim that names no tier counts for nothing: an issuer may know more tiers."""
        client = principal.client
        configured = self._clients.get((client, principal.issuer)) or self._clients.get((client, None))
        if configured is not None:
            return configured
        return self._tiers.get(principal.tier or "", self._default)


def _tier(settings: TierSettings, hold_ms: int, margin_ms: int) -> Tier:
    return Tier(
        name=settings.name,
        capacity=settings.capacity * MICRO,
        restore=round(settings.restore_per_s * 1000),
        max_query_cost=settings.max_query_cost * MICRO,
        max_concurrent=settings.max_concurrent,
        daily_quota=(settings.daily_quota or 0) * MICRO,
        hold_ms=hold_ms,
        margin_ms=margin_ms,
        per=settings.per,
        mode=settings.mode,
    )
