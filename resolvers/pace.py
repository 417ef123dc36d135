"""When a batch goes out: at once while nothing else is under way, else a little later and fuller.

Branches of one operation end at different times: a slow source's rows come late, and what they
refer to would trickle out in many small batches. A batch of a source that can batch is therefore
held while other calls of the request are under way, the longer the more batches have gone before.
So a level of an operation costs few calls, and no branch waits long for an unrelated one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiodataloader import DataLoader, Loader, dispatch_queue

HOLDS_S = (0.005, 0.05, 1.0)
"""How long the first, the second and every later batch is held at most, in seconds."""

_TICKS = 3
"""Turns of the loop in which siblings may still join a batch that goes out at once."""


class Pace:
    """Knows what a request has under way."""

    def __init__(self) -> None:
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._under_way == 0

    def begin(self) -> None:
        """A call goes out."""
        self._under_way += 1
        self._idle.clear()

    def end(self) -> None:
        """A call is over."""
        self._under_way -= 1
        if self._under_way == 0:
            self._idle.set()

    def after_hold(self, turn: int | None, send: Callable[[], None]) -> None:
        """Calls `send` when its turn has come.

        `turn` counts the batches that a loader has sent while others were under way; None is never held.
        """
        task = asyncio.ensure_future(self._after_hold(turn, send))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def close(self) -> None:
        """Sends nothing more."""
        for task in self._waiting:
            task.cancel()

    async def _after_hold(self, turn: int | None, send: Callable[[], None]) -> None:
        for _ in range(_TICKS):
            await asyncio.sleep(0)
        if turn is not None and not self.is_idle:
            await self._hold(HOLDS_S[min(turn, len(HOLDS_S) - 1)])
        send()

    async def _hold(self, longest_s: float) -> None:
        try:
            async with asyncio.timeout(longest_s):
                while self._under_way:
                    await self._idle.wait()
                    # What the last answer set off may itself want to join.
                    for _ in range(_TICKS):
                        await asyncio.sleep(0)
        except TimeoutError:
            return


class PacedLoader(DataLoader[Any, Any]):
    """A dataloader whose batches go out at the request's pace."""

    def __init__(
        self, load: Callable[[list[Any]], Coroutine[Any, Any, list[Any]]], pace: Pace, *, is_held: bool
    ) -> None:
        super().__init__(load)
        self._pace = pace
        self._turn = 0
        self._is_held = is_held

    def do_resolve_reject(self, key: Any, future: "asyncio.Future[Any]") -> None:
        """Queues a key; the first of a batch sets its clock."""
        self._queue.append(Loader(key=key, future=future))
        if len(self._queue) == 1:
            self._pace.after_hold(self._turn if self._is_held else None, self._send)

    def _send(self) -> None:
        self._turn = 0 if self._pace.is_idle else self._turn + 1
        dispatch_queue(self)
