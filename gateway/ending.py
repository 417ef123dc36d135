"""What ends a request's work before it is done: its deadline, and a client that leaves.

Nearly every request is over before either counts. So nothing is made for it beforehand, no timer and no
task, but an entry in an `Alarm` (a timer for each costs 1.7 us and more, a task that waits 7 us).
"""

import asyncio
from types import TracebackType
from typing import ClassVar, Final

from starlette.types import Receive

from gateway.body import ClientGone
from gateway.errors import DeadlinePassed

WATCHED_AFTER_S: Final = 0.2
"""Only work that takes longer is worth a task that sees its client leave."""


class Alarm:
    """Rings for what is not over within `after_s`, by one timer of the event loop for any number of them."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self.due: dict[Ending, float] = {}
        """What is to be rung for and when, in the order of the times, as all wait equally long."""
        self._timer: asyncio.TimerHandle | None = None

    def set(self, ending: "Ending", loop: asyncio.AbstractEventLoop) -> None:
        """Has it rung in `after_s` seconds, unless it is no longer due then."""
        self.due[ending] = loop.time() + self._after_s
        if self._timer is None:
            self._timer = loop.call_later(self._after_s, self._ring)

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer, now = None, loop.time()
        for ending, due in list(self.due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._ring)
                return
            del self.due[ending]
            ending.ring()


class Ending:
    """A block of a task's work that may be cancelled for one reason, and then raises that reason."""

    __slots__ = ("_alarm", "_cancelling", "_has_come", "_task", "_watching")

    reason: ClassVar[type[Exception]]

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._has_come = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._alarm.set(self, loop)

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._alarm.due.pop(self, None)
        if self._watching is not None:
            self._watching.cancel()
        # A task that somebody else cancelled as well stays cancelled, as with asyncio.timeout.
        if self._has_come and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self.reason from None

    def ring(self) -> None:
        """The block has taken `after_s`."""
        self._has_come = True
        self._task.cancel()


class Deadline(Ending):
    """Ends the block when the alarm rings."""

    __slots__ = ()

    reason = DeadlinePassed


class Leaving(Ending):
    """Ends the block when the client leaves; from the alarm on, that is seen at once."""

    __slots__ = ("_receive",)

    reason = ClientGone

    def __init__(self, alarm: Alarm, receive: Receive) -> None:
        super().__init__(alarm)
        self._receive = receive

    def ring(self) -> None:
        """The block takes long enough to watch for the client."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        super().ring()
