"""What ends a request's work before it is done: its deadline, and a client that leaves.

Nearly every request is over before either counts. So nothing is made for it beforehand, no timer and no
task, but an entry in an `Alarm` (a timer for each costs 1.7 us and more, a task that waits 7 us).
"""

import asyncio
from types import TracebackType
from typing import Any, ClassVar, Final

import msgspec
from starlette.types import Receive

from gateway.body import ClientGone
from gateway.errors import DeadlinePassed

WATCHED_AFTER_S: Final = 0.2
"""Only work that takes longer is worth a task that sees its client leave."""


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
    """A block of a task's work that may be cancelled for one reason, and then raises that reason. `_receive`:
    where the client's leaving is heard of."""

    _alarm: Alarm
    _receive: Receive | None = None
    _has_come: bool = False
    _watching: "asyncio.Task[None] | None" = None
    _task: "asyncio.Task[Any] | None" = None
    _cancelling: int = 0

    reason: ClassVar[type[Exception]]

    def __enter__(self) -> None:
        loop, alarm = asyncio.get_running_loop(), self._alarm
        self._task = task = asyncio.current_task(loop)
        assert task is not None
        self._cancelling = task.cancelling()
        alarm.due[self] = loop.time() + alarm.after_s
        if alarm.timer is None:
            alarm.timer = loop.call_later(alarm.after_s, alarm.ring)

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._alarm.due.pop(self, None)
        if self._watching is not None:
            self._watching.cancel()
        # A task that somebody else cancelled as well stays cancelled, as with asyncio.timeout.
        if self._has_come and self._task is not None:
            is_mine = self._task.uncancel() <= self._cancelling
            if is_mine and kind is asyncio.CancelledError:
                raise self.reason from None

    def ring(self) -> None:
        """The block has taken `after_s`."""
        self._has_come = True
        if self._task is not None:
            self._task.cancel()


class Deadline(Ending):
    """Ends the block when the alarm rings."""

    reason = DeadlinePassed


class Leaving(Ending):
    """Ends the block when the client leaves; from the alarm on, that is seen at once."""

    reason = ClientGone

    def ring(self) -> None:
        """The block takes long enough to watch for the client."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        assert self._receive is not None
        while (await self._receive())["type"] != "http.disconnect":
            pass
        Ending.ring(self)
