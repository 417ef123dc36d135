"""The rates of sources in the Redis that replicas share (`resolvers.upstreams.call_rate`)."""

from dataclasses import dataclass
from typing import Final

from gateway.ratelimit.fallback import PAUSE_S, Absence
from gateway.ratelimit.limiter import StoreUnavailable
from gateway.ratelimit.memory import Clock
from gateway.ratelimit.scripts import Client, Script, braced
from resolvers.upstreams.call_rate import CallRate, CallRateSettings, MemoryCallRate, Turn

_CALL: Final = Script("call")


class RedisCallRate:
    """The rate of one source, by Redis's time; `clock` (microseconds) stands for it in tests."""

    def __init__(
        self, client: Client, source: str, settings: CallRateSettings, clock: Clock | None = None
    ) -> None:
        self._client = client
        self._key = braced(f"calls:{source}")
        self._interval = settings.interval_us
        self._ahead = (settings.at_once - 1) * settings.interval_us
        self._clock = clock

    async def turn(self, longest_s: float) -> Turn:
        """The next free time. Raises StoreUnavailable."""
        now = self._clock() if self._clock is not None else ""
        longest_us = int(longest_s * 1_000_000)
        given, wait_us = await _CALL.run(
            self._client, (self._key,), now, self._interval, self._ahead, longest_us
        )
        return Turn(bool(given), wait_us / 1_000_000)


class FallbackCallRate:
    """The shared rate, and while its store is away a process's own share of it, or no call at all."""

    def __init__(self, shared: CallRate, local: CallRate | None, absence: Absence) -> None:
        self._shared = shared
        self._local = local
        self._absence = absence

    async def turn(self, longest_s: float) -> Turn:
        """The next free time. Never raises StoreUnavailable."""
        if not self._absence.is_known():
            try:
                turn = await self._shared.turn(longest_s)
            except StoreUnavailable as problem:
                self._absence.begin(problem)
            else:
                self._absence.end()
                return turn
        if self._local is None:
            return Turn(False, PAUSE_S)
        return await self._local.turn(longest_s)


@dataclass(frozen=True, slots=True)
class SharedCallRates:
    """Makes the rates of sources over one client. `local_share` None: no call while the store is away."""

    client: Client
    local_share: float | None
    absence: Absence

    def __call__(self, source: str, settings: CallRateSettings) -> CallRate:
        """The rate of a source."""
        local = MemoryCallRate(part_of(settings, self.local_share)) if self.local_share else None
        return FallbackCallRate(RedisCallRate(self.client, source, settings), local, self.absence)


def part_of(settings: CallRateSettings, share: float) -> CallRateSettings:
    """What one of several processes may ask alone: fewer calls, or one in a longer time."""
    calls = int(settings.calls * share)
    if calls >= 1:
        return CallRateSettings(
            calls=calls, period_s=settings.period_s, burst=max(1, int(settings.at_once * share))
        )
    return CallRateSettings(calls=1, period_s=min(settings.period_s / (settings.calls * share), 86_400))
