"""When a batch goes out: at once while nothing else is under way, else a little later and fuller.

Branches of one operation end at different times: a slow source's rows come late, and what they
refer to would trickle out in many small batches. A batch of a source that can batch is therefore
held while other calls of the request are under way, the longer the more batches have gone before.
So a level of an operation costs few calls, and no branch waits long for an unrelated one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from aiodataloader import DataLoader, Loader, dispatch_queue

HOLDS_S = (0.005, 0.05, 1.0)
"""How long the first, the second and every later batch is held at most, in seconds."""

_TICKS = 3
"""Turns of the loop in which siblings may still join a batch that goes out at once."""


class Pace(msgspec.Struct, eq=False):
    """Knows what a request has under way, and ends it. `idle` is set when nothing is `under_way`, where
    somebody waits for that.

    `own`: the task that the request runs in. While it runs, no branch of the request does, so nobody could
    join what it asks for: that goes out at once, and is counted there without `begin` and `end`.
    """

    own: "asyncio.Task[Any] | None" = None
    under_way: int = 0
    is_closed: bool = False
    idle: asyncio.Event | None = None
    tasks: "set[asyncio.Task[Any]]" = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self.under_way == 0

    def begin(self, task: "asyncio.Task[Any] | None") -> None:
        """A call goes out; `end` follows. `task`: whose end is the call's, and nothing else's.

        Raises CancelledError where no call may go out any more.
        """
        if self.is_closed:
            raise asyncio.CancelledError
        if task is not None:
            self.tasks.add(task)
        self.under_way += 1

    def end(self, task: "asyncio.Task[Any] | None") -> None:
        """A call is over."""
        if task is not None:
            self.tasks.discard(task)
        self.under_way -= 1
        if self.under_way == 0 and self.idle is not None:
            self.idle.set()

    def after_hold(self, turn: int | None, send: Callable[[], None]) -> None:
        """Calls `send` when its turn has come.

        `turn` counts the batches that a loader has sent while others were under way; None is never held.
        """
        asyncio.get_running_loop().call_soon(self._tick, _TICKS, turn, send)

    def close(self) -> None:
        """Ends what is under way, and sends nothing more."""
        self.is_closed = True
        for task in self.tasks:
            task.cancel()

    def _tick(self, left: int, turn: int | None, send: Callable[[], None]) -> None:
        if left > 1:
            asyncio.get_running_loop().call_soon(self._tick, left - 1, turn, send)
        elif turn is None or self.is_idle:
            send()
        elif not self.is_closed:
            task = asyncio.ensure_future(self._after_hold(HOLDS_S[min(turn, len(HOLDS_S) - 1)], send))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _after_hold(self, longest_s: float, send: Callable[[], None]) -> None:
        self.idle = self.idle or asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while self.under_way:
                    self.idle.clear()
                    await self.idle.wait()
                    # What the last answer set off may itself want to join.
                    for _ in range(_TICKS):
                        await asyncio.sleep(0)
        send()


class PacedLoader(DataLoader[Any, Any]):
    """A dataloader whose batches go out at the request's pace. Every key is a question of its own."""

    def __init__(
        self, load: Callable[[list[Any]], Coroutine[Any, Any, list[Any]]], pace: Pace, *, is_held: bool
    ) -> None:
        super().__init__(load, cache=False)
        self._pace = pace
        self._turn = 0
        self._is_held = is_held

    def do_resolve_reject(self, key: Any, future: "asyncio.Future[Any]") -> None:
        """Queues a key; the first of a batch sets its clock."""
        self._queue.append(Loader(key=key, future=future))
        if len(self._queue) == 1:
            self._pace.after_hold(self._turn if self._is_held else None, self._send)

    def drop(self, answer: Callable[[Any], Any]) -> None:
        """Gives an answer to every key that has not gone out."""
        queue, self._queue = self._queue, []
        for one in queue:
            if not one.future.done():
                one.future.set_result(answer(one.key))

    def _send(self) -> None:
        self._turn = 0 if self._pace.is_idle else self._turn + 1
        if self._queue:
            dispatch_queue(self)
