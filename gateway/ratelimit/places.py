"""Waiting a moment for a place among the operations that run at a time.

Most operations are over in a fraction of a second. So who finds no place waits for one a little while, and is
refused only where the operations that run take long: then `Retry-After` may honestly be long too.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.ratelimit.limiter import Refusal, Reservation

WAITS_MAX_S: Final = 1.0
FIRST_TRY_S: Final = 0.01
LAST_TRY_S: Final = 0.16

Ask = Callable[[], Awaitable[Reservation | Refusal]]


class Queue:
    """Who waits for a place, by budget: as many as may run at a time."""

    def __init__(self, waits_max_s: float = WAITS_MAX_S) -> None:
        self._waits_max_s = waits_max_s
        self._waiting: Counter[str] = Counter()

    async def place(self, key: str, most: int, refusal: Refusal, ask: Ask) -> Reservation | Refusal:
        """The outcome of asking again and again, until another reason is given or the time is over."""
        if self._waiting[key] >= most:
            return refusal
        self._waiting[key] += 1
        try:
            return await self._ask(refusal, ask)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _ask(self, refusal: Refusal, ask: Ask) -> Reservation | Refusal:
        loop = asyncio.get_running_loop()
        outcome: Reservation | Refusal = refusal
        ends, pause_s = loop.time() + self._waits_max_s, FIRST_TRY_S
        while is_full(outcome) and loop.time() < ends:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_TRY_S)
            outcome = await ask()
        return outcome


def is_full(outcome: Reservation | Refusal) -> bool:
    """Whether only a place is missing."""
    return isinstance(outcome, Refusal) and outcome.reason == "concurrency"
