"""How often a source may be asked, by its documented rate: the Protocol and its in-process kind.

A call takes the next free time at which the source bears one more, and is sent then; where that is later than
it can wait, it is not sent at all (`UPSTREAM_THROTTLED`). Times are given out so that no period sees more
than `calls`: `burst` of them at once, the others evenly (GCRA, the virtual scheduling of ITU-T I.371).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Final, Protocol, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from resolvers.upstreams.errors import UpstreamError, UpstreamThrottled
from resolvers.upstreams.transport import seconds_left, timed_out

CALL_LEAST_S: Final = 0.1
"""Time that must be left for the call itself after waiting for its turn."""


class CallRateSettings(BaseModel):
    """The `[upstreams.rate_limit]` table: `calls` in any `period_s`, of which `burst` may go out at once (a
    quarter where nothing is said)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: Annotated[int, Field(ge=1, le=1_000_000)]
    period_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    burst: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.burst is not None and self.burst > self.calls:
            raise ValueError(f"`burst` ({self.burst}) is more than `calls` ({self.calls})")
        return self

    @property
    def at_once(self) -> int:
        """Calls that may go out at once."""
        return self.burst if self.burst is not None else max(1, self.calls // 4)

    @property
    def interval_us(self) -> int:
        """Microseconds between calls that go out evenly: a half-open period beginning with a burst then has
        `calls` of them, and no period has more."""
        evenly = self.calls - self.at_once + 1
        return -(-round(self.period_s * 1_000_000) // evenly)


class Turn(msgspec.Struct, frozen=True):
    """When a call may go out: in `wait_s`, if it `is_given`; else its turn would be then, and is not kept."""

    is_given: bool
    wait_s: float


class CallRate(Protocol):
    """The rate of one source, shared by all that ask it."""

    async def turn(self, longest_s: float) -> Turn:
        """The next free time, if it is not later than `longest_s` from now."""


class MemoryCallRate:
    """The rate of one process. `clock`: microseconds that never jump."""

    def __init__(self, settings: CallRateSettings, clock: Callable[[], int] | None = None) -> None:
        self._interval = settings.interval_us
        self._ahead = (settings.at_once - 1) * settings.interval_us
        self._clock = clock or _monotonic_us
        self._next = 0

    async def turn(self, longest_s: float) -> Turn:
        """The next free time."""
        now = self._clock()
        start = max(self._next, now)
        wait = max(0, start - self._ahead - now)
        if wait > longest_s * 1_000_000:
            return Turn(False, wait / 1_000_000)
        self._next = start + self._interval
        return Turn(True, wait / 1_000_000)


class Pacing:
    """One source's calls waiting for their turns."""

    def __init__(self, source: str, rate: CallRate) -> None:
        self._source = source
        self._rate = rate
        self._waiting = 0

    async def wait(self, deadline: float) -> None:
        """Until the call may go out. Raises UpstreamThrottled at once where that is too late."""
        left = seconds_left(self._source, deadline)
        turn = await self._rate.turn(max(0.0, left - CALL_LEAST_S))
        if not turn.is_given:
            raise self._throttled(turn.wait_s)
        if turn.wait_s > 0:
            self._waiting += 1
            try:
                await asyncio.sleep(turn.wait_s)
            finally:
                self._waiting -= 1

    def overdue(self) -> UpstreamError:
        """What became of a call that did not even get a place: throttled, where places are held by calls
        that wait for their turns."""
        return self._throttled(None) if self._waiting else timed_out(self._source)

    def _throttled(self, wait_s: float | None) -> UpstreamThrottled:
        return UpstreamThrottled(
            self._source,
            f"{self._source} may not be asked more often at the moment.",
            "the configured rate of calls is used up",
            wait_s,
        )


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000
