"""Settlements on their way to the store: off the way of the response, and again where the store was away."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from gateway.ratelimit.limiter import Reservation, StoreUnavailable

log = logging.getLogger(__name__)

TOGETHER: Final = 16
AGAIN_AFTER_S: Final = 0.25
WAITING_MAX: Final = 10_000


class _Settlement(msgspec.Struct, frozen=True):
    reservation: Reservation
    actual: int
    until: float


class Settlements:
    """What is still to be settled. One that cannot be told before its reservation is given back anyway is
    dropped, and so is the oldest where too many wait."""

    def __init__(self, send: Callable[[Reservation, int], Awaitable[object]]) -> None:
        self._send = send
        self._waiting: deque[_Settlement] = deque(maxlen=WAITING_MAX)
        self._worker: asyncio.Task[None] | None = None

    def add(self, reservation: Reservation, actual: int) -> None:
        """Settles it soon."""
        until = time.monotonic() + reservation.tier.hold_ms / 1000
        self._waiting.append(_Settlement(reservation, actual, until))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def close(self, within_s: float) -> None:
        """Waits for what is on its way."""
        if self._worker is None:
            return
        await asyncio.wait([self._worker], timeout=within_s)
        if self._worker is not None:
            self._worker.cancel()
            log.warning("%d settlements were lost: the store does not answer", len(self._waiting))

    async def _work(self) -> None:
        try:
            while self._waiting:
                together = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                failed = [one for one in await self._sent(together) if one.until > time.monotonic()]
                if failed:
                    self._waiting.extendleft(reversed(failed))
                    await asyncio.sleep(AGAIN_AFTER_S)
        finally:
            self._worker = None

    async def _sent(self, together: list[_Settlement]) -> list[_Settlement]:
        """Those that did not arrive."""
        if len(together) == 1:
            return together if await self._failed(together[0]) else []
        failed = await asyncio.gather(*map(self._failed, together))
        return [one for one, has_failed in zip(together, failed, strict=True) if has_failed]

    async def _failed(self, one: _Settlement) -> bool:
        try:
            await self._send(one.reservation, one.actual)
        except StoreUnavailable:
            return True
        return False
