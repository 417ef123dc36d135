"""Request-scoped dataloaders: what many fields ask in one tick goes out as one batch.

A key holds everything that affects its answer (`Read`, `Search`), so equal keys are equal questions: they
are asked once per request, whatever aliases or paths led to them. Identifiers are looked for at some places
of a source: each such set of places has a loader of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.pace import Pace
from resolvers.resource import Location, Resource
from resolvers.source_loader import Ask, SourceLoader
from resolvers.together import together
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Call, Page, Read, Search, Upstream

SEARCHES: Final = ("search", "batched search")
LOOKUP_PART: Final = 0.5
"""Of the time left, for finding a person's records: one source that hangs must leave the others' some."""


Records = tuple[Resource, ...]
"""The Patient records with an identifier."""


def _places(
    upstream: Upstream, every: tuple[Location, ...], found: Resource | None, principal: Principal
) -> tuple[Location, ...]:
    """Where a source is asked for a person of whom a record was found, or none."""
    places = every if found is None else upstream.locate(found, principal)
    # The same places in the same order are one batch, however likely each is for this person.
    return every if set(places) == set(every) else tuple(places)


class Loaders:
    """One set of loaders for one request, each made when it is first needed; `close` ends what is still
    under way."""

    def __init__(self, upstreams: Mapping[str, Upstream], call: Call, turns: Turns) -> None:
        self.turns = turns
        self._upstreams = upstreams
        self._call = call
        self._pace = Pace(asyncio.current_task())
        self._made: dict[tuple[str, _Kind], SourceLoader] = {}
        self._primed: list[Resource] = []

    def narrow(self, patient_record: Any) -> None:
        """Has what is read of Patients decoded, and nothing else of them. Comes before any question."""
        self._call = replace(self._call, patient_record=patient_record)

    async def read(self, source: str, key: Read) -> Resource | None:
        """One resource, or None where the source has none. Raises UpstreamError."""
        found: Resource | None = await self._reads(source).one(key)
        return found

    def read_all(
        self, source: str, keys: Sequence[Read]
    ) -> Awaitable[Sequence[Resource | UpstreamError | None]]:
        """Many at once; an error stands in the place of its answer."""
        return self._reads(source).all(keys)

    async def search(self, source: str, key: Search, *, is_batched: bool = False) -> Page:
        """One page of a search. `is_batched`: the source takes many at once. Raises UpstreamError."""
        page: Page = await self._searches(source, is_batched and key.page is None).one(key)
        return page

    def search_all(
        self, source: str, keys: Sequence[Search], *, is_batched: bool
    ) -> Awaitable[Sequence[Page | UpstreamError]]:
        """The first pages of many searches at once; an error stands in the place of its page."""
        return self._searches(source, is_batched).all(keys)

    def forget(self, source: str, key: Search) -> None:
        """What was answered to a search no longer holds: it is asked again when it is wanted again."""
        for is_batched in (False, True):
            self._searches(source, is_batched).forget(key)

    async def count(self, source: str, key: Search) -> int | None:
        """How many a search finds, where the source can say. Raises UpstreamError."""
        total: int | None = await self._loader(source, "count").one(key)
        return total

    async def identify(self, upstream: Upstream, identifier: Token) -> Records:
        """The Patient records with an identifier, at every place. Raises UpstreamError."""
        found: Records = await self._loader(upstream.name, upstream.locations()).one(identifier)
        return found

    def identify_all(
        self, upstream: Upstream, wanted: Mapping[Token, Resource | None], principal: Principal
    ) -> Awaitable[Sequence[Records | UpstreamError]]:
        """Those with many identifiers, each asked for with the record that states it, if any; an error stands
        in the place of its answer."""
        every = upstream.locations()
        if len(every) == 1:
            return self._loader(upstream.name, every).all(tuple(wanted))
        places = {token: _places(upstream, every, found, principal) for token, found in wanted.items()}
        return self._identify_at(upstream.name, places)

    async def _identify_at(
        self, source: str, places: Mapping[Token, tuple[Location, ...]]
    ) -> list[Records | UpstreamError]:
        """Each identifier at its own places: one call per set of places."""
        groups: dict[tuple[Location, ...], list[Token]] = {}
        for token, at in places.items():
            groups.setdefault(at, []).append(token)
        answers = await together(*(self._loader(source, at).all(group) for at, group in groups.items()))
        found = {
            token: answer
            for group, batch in zip(groups.values(), answers, strict=True)
            for token, answer in zip(group, batch, strict=True)
        }
        return [found[token] for token in places]

    @property
    def unanswered_searches(self) -> int:
        """How many searches were begun of which nothing has come."""
        return sum(one.unanswered for (_, kind), one in self._made.items() if kind in SEARCHES)

    def prime(self, *records: Resource) -> None:
        """Resources that came by another way need not be read again."""
        self._primed += records

    async def let_go(self, turns: Turns) -> None:
        """Frees what was loaded bit by bit; nothing is loaded after it."""
        for loader in self._made.values():
            await loader.let_go(turns)

    def close(self) -> None:
        """Cancels the calls that are still under way: nobody waits for them any more."""
        self._pace.close()
        for loader in self._made.values():
            loader.close()

    def _reads(self, source: str) -> SourceLoader:
        for record in self._primed:
            key = Read(record.type, record.id, record.location)
            self._loader(record.source, "read").prime(key, record)
        self._primed.clear()
        return self._loader(source, "read")

    def _searches(self, source: str, is_batched: bool) -> SourceLoader:
        return self._loader(source, "batched search" if is_batched else "search")

    def _loader(self, source: str, kind: "_Kind") -> SourceLoader:
        made = self._made.get((source, kind))
        if made is None:
            ask, is_held = _asks(self._upstreams[source], kind)
            made = SourceLoader(source, ask, self._call, self._pace, is_held=is_held)
            self._made[source, kind] = made
        return made


_Kind = str | tuple[Location, ...]
"""What a loader asks for: a name, or the places at which it looks for identifiers."""


def _asks(upstream: Upstream, kind: _Kind) -> tuple[Ask, bool]:
    """The upstream's method, and whether its batches are held for more questions to come."""
    if isinstance(kind, tuple):
        return partial(_identify, upstream, kind), True
    match kind:
        case "batched search":
            return upstream.search, True
        case "search":
            return upstream.search, False
        case "read":
            return upstream.read, True
        case _:
            return upstream.count, False


def _identify(
    upstream: Upstream, places: tuple[Location, ...], identifiers: Sequence[Token], call: Call
) -> Awaitable[Sequence[Records | UpstreamError]]:
    now = time.monotonic()
    hurried = replace(call, deadline=now + (call.deadline - now) * LOOKUP_PART)
    return upstream.identify(identifiers, places, hurried)
