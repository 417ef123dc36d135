"""Large answers give way: no request keeps the event loop for long while others wait.

All requests of a process share the turns. Work that goes on piece by piece asks between two pieces whether
the present turn of the loop has lasted long enough; then it goes on in a later one, after what came in
meanwhile has had a turn of its own.
"""

import asyncio
import time
from typing import Final

TURN_S: Final = 0.005


class Turns:
    """The time for which pieces of work may follow each other in one turn of the event loop."""

    def __init__(self, longest_s: float = TURN_S) -> None:
        self._longest_s = longest_s
        self._ends = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_over(self) -> bool:
        """Whether the next piece has to wait for a turn: then `take` comes before it. A turn of the loop in
        which nobody has worked yet need not be waited for: it is taken by asking."""
        now = time.monotonic()
        if now < self._ends:
            return False
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return True
        self._loop = loop
        self._ends = now + self._longest_s
        # What came in during this turn runs in the next one, and what waits here only after that.
        loop.call_soon(loop.call_soon, self._end)
        return False

    async def take(self) -> None:
        """Goes on at once where this turn of the loop has not been worked in yet, else in a later one."""
        while self.is_over:  # noqa: ASYNC110  it is the loop itself that is waited for
            await asyncio.sleep(0)

    def _end(self) -> None:
        """The loop has come round twice."""
        self._loop, self._ends = None, 0.0
