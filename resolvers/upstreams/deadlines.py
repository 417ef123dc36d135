"""Ends calls that last too long: one timer for all of them, where `asyncio.timeout` takes one for each."""

import asyncio
import time
from types import TracebackType
from typing import Final

_NEVER: Final = float("inf")


class Deadlines:
    """The calls that are under way on one event loop, and when the first of them must end."""

    __slots__ = ("_loop", "_timer", "armed_for", "limits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.limits: set[Limit] = set()
        self.armed_for = _NEVER
        self._timer: asyncio.TimerHandle | None = None

    def until(self, at: float) -> "Limit":
        """`with deadlines.until(at):` cancels what is in it at that time of `time.monotonic()`, and raises
        TimeoutError there."""
        return Limit(self, at)

    def close(self) -> None:
        """Watches nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.armed_for = _NEVER

    def arm(self, at: float) -> None:
        """Looks at that time for what is over."""
        self.close()
        self.armed_for = at
        self._timer = self._loop.call_later(at - time.monotonic(), self._look)

    def _look(self) -> None:
        self._timer, self.armed_for = None, _NEVER
        now = time.monotonic()
        for limit in [one for one in self.limits if one.at <= now]:
            self.limits.discard(limit)
            limit.expire()
        if self.limits:
            self.arm(min(one.at for one in self.limits))


class Limit:
    """The end of one call; the same rules as `asyncio.timeout`: a cancellation from elsewhere stays one."""

    __slots__ = ("_cancelling", "_deadlines", "_is_over", "_task", "at")

    def __init__(self, deadlines: Deadlines, at: float) -> None:
        self.at = at
        self._deadlines = deadlines
        self._is_over = False
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task()
        assert task is not None, "a limit is for a task"
        self._cancelling = task.cancelling()
        deadlines = self._deadlines
        deadlines.limits.add(self)
        if self.at < deadlines.armed_for:
            deadlines.arm(self.at)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        # The timer stays: it finds nothing then, or the calls that came since.
        self._deadlines.limits.discard(self)
        if not self._is_over or task is None:
            return
        is_alone = task.uncancel() <= self._cancelling
        if is_alone and kind is asyncio.CancelledError:
            raise TimeoutError from problem

    def expire(self) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
