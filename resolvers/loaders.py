"""Request-scoped dataloaders: what many fields ask in one tick goes out as one batch.

A key holds everything that affects its answer (`Read`, `Search`, `Identify`), so equal keys
are equal questions: they are asked once per request, whatever aliases or paths led to them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiodataloader import DataLoader

from clinical.identifiers import Token
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.upstream import Call, Page, Read, Search, Upstream

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Identify:
    """Which Patient records carry a business identifier, at these places of a source."""

    identifier: Token
    locations: tuple[Location, ...]


class Loaders:
    """One set of loaders for one request; `close` ends what is still under way."""

    def __init__(self, upstreams: Mapping[str, Upstream], call: Call) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        self._reads = {name: self._loader(name, one.read, call) for name, one in upstreams.items()}
        self._searches = {name: self._loader(name, one.search, call) for name, one in upstreams.items()}
        self._counts = {name: self._loader(name, one.count, call) for name, one in upstreams.items()}
        self._identities = {name: self._loader(name, _identify(one), call) for name, one in upstreams.items()}

    async def read(self, source: str, key: Read) -> Resource | None:
        """One resource, or None where the source has none. Raises UpstreamError."""
        found: Resource | None = await self._reads[source].load(key)
        return found

    async def search(self, source: str, key: Search) -> Page:
        """One page of a search. Raises UpstreamError."""
        page: Page = await self._searches[source].load(key)
        return page

    async def count(self, source: str, key: Search) -> int | None:
        """How many a search finds, where the source can say. Raises UpstreamError."""
        total: int | None = await self._counts[source].load(key)
        return total

    async def identify(self, source: str, key: Identify) -> tuple[Resource, ...]:
        """The Patient records with an identifier. Raises UpstreamError."""
        records: tuple[Resource, ...] = await self._identities[source].load(key)
        return records

    def prime(self, record: Resource) -> None:
        """A whole resource that came by another way need not be read again."""
        self._reads[record.source].prime(Read(record.type, record.id, record.location), record)

    def close(self) -> None:
        """Cancels the calls that are still under way: nobody waits for them any more."""
        self._is_closed = True
        for task in self._running:
            task.cancel()

    def _loader(
        self, source: str, ask: Callable[[Sequence[Any], Call], Awaitable[Sequence[Any]]], call: Call
    ) -> "DataLoader[Any, Any]":
        async def load(keys: list[Any]) -> list[Any]:
            task = asyncio.current_task()
            if self._is_closed or task is None:
                return [UpstreamUnavailable(source, "the request was ended")] * len(keys)
            self._running.add(task)
            try:
                return list(await ask(keys, call))
            except UpstreamError as error:
                return [error] * len(keys)
            except asyncio.CancelledError:
                # A waiter must not hang on a batch that was ended.
                return [UpstreamUnavailable(source, "the request was ended")] * len(keys)
            finally:
                self._running.discard(task)

        return DataLoader(load)


def _identify(upstream: Upstream) -> Callable[[Sequence[Identify], Call], Awaitable[Sequence[Any]]]:
    """Groups the questions by places: one call per set of places."""

    async def ask(keys: Sequence[Identify], call: Call) -> Sequence[Any]:
        groups: dict[tuple[Location, ...], list[Token]] = {}
        for key in keys:
            groups.setdefault(key.locations, []).append(key.identifier)
        answers = await asyncio.gather(*(upstream.identify(ids, at, call) for at, ids in groups.items()))
        found = {
            Identify(identifier, at): answer
            for (at, ids), batch in zip(groups.items(), answers, strict=True)
            for identifier, answer in zip(ids, batch, strict=True)
        }
        return [found[key] for key in keys]

    return ask
