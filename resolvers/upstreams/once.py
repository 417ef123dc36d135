"""Fetches that a request needs more than once are made once: whoever asks again gets the same answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from resolvers.upstreams.errors import UpstreamTimeout
from resolvers.upstreams.upstream import Call, OneRequest

Given = TypeVar("Given")


class OncePerRequest(Generic[Given]):
    """What was fetched for each request, kept for as long as the request lives."""

    def __init__(self) -> None:
        self._requests: WeakKeyDictionary[OneRequest, dict[Hashable, _Flight[Given]]] = WeakKeyDictionary()

    async def get(self, call: Call, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, Given]]) -> Given:
        """The answer to `key`, fetched where nobody has asked for it in this request.

        Raises what `fetch` raises, to everybody who asks; but a fetch that had less time than this call has
        is made again where it was too slow.
        """
        flights = self._requests.setdefault(call.request, {})
        while True:
            flight = flights.get(key)
            if flight is None or flight.is_given_up:
                flight = flights[key] = _Flight(asyncio.ensure_future(fetch()), call.deadline)
            try:
                return await flight.landed()
            except UpstreamTimeout:
                if flight.deadline >= call.deadline:
                    raise
                if flights.get(key) is flight:
                    del flights[key]


class _Flight(Generic[Given]):
    """One fetch under way; it is given up as soon as nobody waits for it any more."""

    def __init__(self, task: "asyncio.Task[Given]", deadline: float) -> None:
        self.deadline = deadline
        self._task = task
        self._waiting = 0

    @property
    def is_given_up(self) -> bool:
        """Whether it was cancelled, or is about to be."""
        return self._task.cancelled() or self._task.cancelling() > 0

    async def landed(self) -> Given:
        """Its result."""
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._task.cancel()
