"""Request-scoped dataloaders: what many fields ask in one tick goes out as one batch.

A key holds everything that affects its answer (`Read`, `Search`, `Identify`), so equal keys
are equal questions: they are asked once per request, whatever aliases or paths led to them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from clinical.identifiers import Token
from resolvers.pace import Pace, PacedLoader
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.upstream import Call, Page, Read, Search, Upstream

Ask = Callable[[Sequence[Any], Call], Awaitable[Sequence[Any]]]
"""A method of an upstream: many questions in, as many answers out."""

LOOKUP_PART: Final = 0.5
"""Of the time left, for finding a person's records: one source that hangs must leave the others' some."""


@dataclass(frozen=True, slots=True)
class Identify:
    """Which Patient records carry a business identifier, at these places of a source."""

    identifier: Token
    locations: tuple[Location, ...]


class Loaders:
    """One set of loaders for one request; `close` ends what is still under way."""

    def __init__(self, upstreams: Mapping[str, Upstream], call: Call) -> None:
        self._call = call
        self._pace = Pace()
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        loaders = self._of_each
        self._reads = loaders(upstreams, lambda one: one.read, is_held=True)
        self._searches = loaders(upstreams, lambda one: one.search, is_held=False)
        self._batched_searches = loaders(upstreams, lambda one: one.search, is_held=True)
        self._counts = loaders(upstreams, lambda one: one.count, is_held=False)
        self._identities = loaders(upstreams, _identify, is_held=True)

    async def read(self, source: str, key: Read) -> Resource | None:
        """One resource, or None where the source has none. Raises UpstreamError."""
        found: Resource | None = await self._reads[source].load(key)
        return found

    async def search(self, source: str, key: Search, *, is_batched: bool = False) -> Page:
        """One page of a search. `is_batched`: the source takes many at once. Raises UpstreamError."""
        loaders = self._batched_searches if is_batched and key.page is None else self._searches
        page: Page = await loaders[source].load(key)
        return page

    def forget(self, source: str, key: Search) -> None:
        """What was answered to a search no longer holds: it is asked again when it is wanted again."""
        for loaders in (self._searches, self._batched_searches):
            loaders[source].clear(key)

    async def count(self, source: str, key: Search) -> int | None:
        """How many a search finds, where the source can say. Raises UpstreamError."""
        total: int | None = await self._counts[source].load(key)
        return total

    def identify(self, source: str, key: Identify) -> Awaitable[tuple[Resource, ...]]:
        """The Patient records with an identifier, once awaited. Raises UpstreamError."""
        return self._identities[source].load(key)

    def prime(self, record: Resource) -> None:
        """A whole resource that came by another way need not be read again."""
        self._reads[record.source].prime(Read(record.type, record.id, record.location), record)

    def close(self) -> None:
        """Cancels the calls that are still under way: nobody waits for them any more."""
        self._is_closed = True
        self._pace.close()
        for task in self._running:
            task.cancel()

    def _of_each(
        self, upstreams: Mapping[str, Upstream], ask_of: Callable[[Upstream], Ask], *, is_held: bool
    ) -> dict[str, PacedLoader]:
        return {
            name: PacedLoader(self._load(name, ask_of(one)), self._pace, is_held=is_held)
            for name, one in upstreams.items()
        }

    def _load(self, source: str, ask: Ask) -> Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]:
        ended = UpstreamUnavailable(source, "the request was ended")

        async def load(keys: list[Any]) -> list[Any]:
            task = asyncio.current_task()
            if self._is_closed or task is None:
                return [ended] * len(keys)
            self._running.add(task)
            self._pace.begin()
            try:
                return list(await ask(keys, self._call))
            except UpstreamError as error:
                return [error] * len(keys)
            except asyncio.CancelledError:
                # A waiter must not hang on a batch that was ended.
                return [ended] * len(keys)
            finally:
                self._pace.end()
                self._running.discard(task)

        return load


def _identify(upstream: Upstream) -> Ask:
    """Groups the questions by places: one call per set of places."""

    async def ask(keys: Sequence[Identify], call: Call) -> Sequence[Any]:
        groups: dict[tuple[Location, ...], list[Token]] = {}
        for key in keys:
            groups.setdefault(key.locations, []).append(key.identifier)
        now = time.monotonic()
        hurried = replace(call, deadline=now + (call.deadline - now) * LOOKUP_PART)
        answers = await asyncio.gather(*(upstream.identify(ids, at, hurried) for at, ids in groups.items()))
        found = {
            Identify(identifier, at): answer
            for (at, ids), batch in zip(groups.items(), answers, strict=True)
            for identifier, answer in zip(ids, batch, strict=True)
        }
        return [found[key] for key in keys]

    return ask
