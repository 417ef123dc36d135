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
            limit.expire()
        if self.limits:
            self.arm(min(one.at for one in self.limits))


class Limit:
    """The end of one call of the present task, from now on; the same rules as `asyncio.timeout`: a
    cancellation from elsewhere stays one. `end` follows, whatever becomes of the call."""

    __slots__ = ("_cancelling", "_limits", "_task", "at")

    def __init__(self, deadlines: Deadlines, at: float) -> None:
        task = asyncio.current_task()
        assert task is not None, "a limit is for a task"
        self.at = at
        self._task = task
        self._cancelling = task.cancelling()
        self._limits = deadlines.limits
        deadlines.limits.add(self)
        if at < deadlines.armed_for:
            deadlines.arm(at)

    def end(self, problem: BaseException | None) -> None:
        """The call is over, by this problem if by any. Raises TimeoutError where it is the limit's."""
        # The timer stays: it finds nothing then, or the calls that came since.
        if self in self._limits:
            self._limits.discard(self)
        elif self._task.uncancel() <= self._cancelling and isinstance(problem, asyncio.CancelledError):
            raise TimeoutError from problem

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(problem)

    def expire(self) -> None:
        """Ends the call."""
        self._limits.discard(self)
        self._task.cancel()
