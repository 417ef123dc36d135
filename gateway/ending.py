"""What ends a request's work before it is done: its deadline, and a client that leaves.

Nearly every request is over before either counts. So nothing is made for it beforehand, no timer and no
task, but an entry in an `Alarm` (a timer for each costs 1.7 us and more, a task that waits 7 us).
"""

import asyncio
from types import TracebackType
from typing import Any, Final

import msgspec
from starlette.types import Receive

from gateway.body import ClientGone
from gateway.errors import DeadlinePassed

WATCHED_AFTER_S: Final = 0.2
"""Only work that takes longer is worth a task that sees its client leave."""


def watched_after_s(deadline_s: float) -> float:
    """When work of such a deadline is to be watched."""
    return min(WATCHED_AFTER_S, deadline_s)


class Alarm:
    """Rings for what is not over within `after_s`, by one timer of the event loop for any number of them."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.due: dict[Ending, float] = {}
        """What is to be rung for and when, in the order of the times, as all wait equally long."""
        self.timer: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Rings for what is due, and has itself called again for what is due later."""
        loop = asyncio.get_running_loop()
        self.timer, now = None, loop.time()
        for ending, due in list(self.due.items()):
            if due > now:
                self.timer = loop.call_at(due, self.ring)
                return
            del self.due[ending]
            ending.ring()


class Ending(msgspec.Struct, eq=False):
    """A block of a task's work that ends where its client leaves (then it raises `ClientGone`) or where its
    deadline passes: `check` says so, by `DeadlinePassed`, where that is to be answered.

    `_receive`: where the client's leaving is heard of, from the alarm on; `_deadline_s`: the time that the
    block may take, no less than the alarm's.
    """

    _alarm: Alarm
    _receive: Receive
    _deadline_s: float
    _why: type[Exception] | None = None
    _task: "asyncio.Task[Any] | None" = None
    _cancelling: int = 0
    _watching: "asyncio.Task[None] | None" = None
    _timer: asyncio.TimerHandle | None = None

    def begin(self) -> "Ending":
        """The block begins. `over` follows, or that it is taken from the alarm before that rings."""
        loop, alarm = asyncio.get_running_loop(), self._alarm
        self._task = task = asyncio.current_task(loop)
        assert task is not None
        self._cancelling = task.cancelling()
        alarm.due[self] = loop.time() + alarm.after_s
        if alarm.timer is None:
            alarm.timer = loop.call_later(alarm.after_s, alarm.ring)
        return self

    def over(self, problem: BaseException | None) -> None:
        """The block has ended, by this exception if any. Raises `ClientGone` and `DeadlinePassed`."""
        self._alarm.due.pop(self, None)
        if self._watching is not None and self._timer is not None:
            self._watching.cancel()
            self._timer.cancel()
        why = self._why
        if why is not None and self._is_mine() and type(problem) is asyncio.CancelledError:
            raise why from None

    def __enter__(self) -> "Ending":
        return self.begin()

    def __exit__(self, _: object, problem: BaseException | None, __: TracebackType | None) -> None:
        self.over(problem)

    def check(self) -> None:
        """Raises `DeadlinePassed` where the block has been cancelled for that."""
        if self._why is DeadlinePassed and self._is_mine():
            raise DeadlinePassed from None

    def ring(self) -> None:
        """The block takes long enough to watch for its client, and its time."""
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._watch())
        self._timer = loop.call_later(self._deadline_s - self._alarm.after_s, self._end, DeadlinePassed)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(ClientGone)

    def _end(self, why: type[Exception]) -> None:
        if self._why is None and self._task is not None:
            self._why = why
            self._task.cancel()

    def _is_mine(self) -> bool:
        """Takes back that the task was cancelled from here. One that somebody else cancelled as well stays
        cancelled, as with asyncio.timeout."""
        self._why = None
        return self._task is not None and self._task.uncancel() <= self._cancelling
