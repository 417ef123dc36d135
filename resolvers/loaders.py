"""Request-scoped dataloaders: what many fields ask in one tick goes out as one batch.

A key holds everything that affects its answer (`Read`, `Search`), so equal keys are equal questions: they
are asked once per request, whatever aliases or paths led to them. Identifiers are looked for at some places
of a source: each such set of places has a loader of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.pace import Pace
from resolvers.resource import Location, Resource
from resolvers.source_loader import Ask, SourceLoader
from resolvers.together import together
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import (
    Call,
    FirstPages,
    Page,
    PreparedSearches,
    Read,
    Search,
    Upstream,
)

SEARCHES: Final = ("search", "batched search")
"""By whether the source takes many at once."""
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


def _pace_of_own() -> Pace:
    return Pace(asyncio.current_task())


class Loaders(msgspec.Struct, eq=False):
    """One set of loaders for one request, each made when it is first needed; `close` ends what is still
    under way."""

    _upstreams: Mapping[str, Upstream]
    _call: Call
    turns: Turns
    _pace: Pace = msgspec.field(default_factory=_pace_of_own)
    _made: "dict[tuple[str, _Kind], SourceLoader]" = {}
    _primed: list[Resource] = []
    _prepared: list[tuple[str, FirstPages]] = []
    _is_unasked: bool = True
    """Whether no identifier has been looked for."""
    _lone: "tuple[str, _Kind, Token, Records | UpstreamError] | None" = None
    """The source and place of the identifier that was looked for by itself, and what came of it."""
    _coming: int = 0

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

    async def first_pages(
        self, source: str, searches: PreparedSearches, patients: Sequence[str]
    ) -> FirstPages | None:
        """The same of prepared searches about patients. None: they are to be asked in the usual way, as the
        source does not take them together, or some may have been asked before, or be asked meanwhile."""
        pace, count = self._pace, len(patients)
        if asyncio.current_task() is not pace.own or pace.is_closed:
            return None
        if (self._made or self._prepared) and not self._is_new(source, searches.types):
            return None
        self._coming += count
        pace.under_way += 1
        try:
            found = await searches.fetch(patients, self._call)
        finally:
            pace.under_way -= 1
            if pace.idle is not None and pace.under_way == 0:
                pace.idle.set()
        self._coming -= count
        if found is not None:
            self._prepared.append((source, found))
        return found

    def _is_new(self, source: str, types: frozenset[str]) -> bool:
        """Whether nothing of these types has been searched for."""
        made = self._made.get((source, SEARCHES[True]))
        asked: Iterable[Any] = () if made is None else made.asked
        for search in asked:
            if search.type in types:
                return False
        return all(types.isdisjoint(found.types) for name, found in self._prepared if name == source)

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

    async def identify_all(
        self, upstream: Upstream, wanted: Mapping[Token, Resource | None], principal: Principal
    ) -> Sequence[Records | UpstreamError]:
        """Those with many identifiers, each asked for with the record that states it, if any; an error stands
        in the place of its answer."""
        every, pace, source = upstream.locations(), self._pace, upstream.name
        if len(every) > 1:
            places = {token: _places(upstream, every, found, principal) for token, found in wanted.items()}
            return await self._identify_at(source, places)
        if not self._is_unasked or len(wanted) > 1 or asyncio.current_task() is not pace.own:
            return await self._loader(source, every).all(tuple(wanted))
        (token,) = wanted  # nobody has asked for one yet, nor can anybody while this is under way
        self._is_unasked = False
        now, call = time.monotonic(), self._call
        hurried = replace(call, deadline=now + (call.deadline - now) * LOOKUP_PART)
        pace.under_way += 1
        try:
            (answer,) = await upstream.identify((token,), every, hurried)
        except UpstreamError as error:
            answer = error
        finally:
            pace.under_way -= 1
            if pace.idle is not None and pace.under_way == 0:
                pace.idle.set()
        self._lone = (source, every, token, answer)
        return (answer,)

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
        made = [one.unanswered for (_, kind), one in self._made.items() if kind in SEARCHES]
        return sum(made) + self._coming

    def prime(self, *records: Resource) -> None:
        """Resources that came by another way need not be read again."""
        self._primed += records

    async def let_go(self, turns: Turns) -> None:
        """Frees what was loaded bit by bit; nothing is loaded after it."""
        for loader in self._made.values():
            await loader.let_go(turns)
        for _, found in self._prepared:
            await found.let_go(turns)

    def close(self) -> None:
        """Cancels the calls that are still under way: nobody waits for them any more."""
        pace = self._pace
        pace.is_closed, self._is_unasked = True, False
        if pace.tasks:
            pace.close()
        for loader in self._made.values():
            loader.close()

    def _reads(self, source: str) -> SourceLoader:
        for record in self._primed:
            key = Read(record.type, record.id, record.location)
            self._loader(record.source, "read").prime(key, record)
        self._primed.clear()
        return self._loader(source, "read")

    def _searches(self, source: str, is_batched: bool) -> SourceLoader:
        loader = self._loader(source, SEARCHES[is_batched])
        if self._prepared and is_batched:  # what came of prepared searches need not be asked
            for found in [found for name, found in self._prepared if name == source]:
                for search, page in found.answers():
                    loader.prime(search, page)
            self._prepared = [one for one in self._prepared if one[0] != source]
        return loader

    def _loader(self, source: str, kind: "_Kind") -> SourceLoader:
        made = self._made.get((source, kind))
        if made is not None:
            return made
        upstream, is_held = self._upstreams[source], True
        ask: Ask
        if isinstance(kind, tuple):
            ask, self._is_unasked = partial(_identify, upstream, kind), False
        elif kind == "read":
            ask = upstream.read
        else:
            ask = upstream.count if kind == "count" else upstream.search
            is_held = kind == SEARCHES[True]  # what goes out one by one is not held for more to come
        made = SourceLoader(source, ask, self._call, self._pace, is_held=is_held)
        self._made[source, kind] = made
        if self._lone is not None and self._lone[:2] == (source, kind):
            made.prime(*self._lone[2:])  # need not be asked again
        return made


_Kind = str | tuple[Location, ...]
"""What a loader asks for: a name, or the places at which it looks for identifiers."""


def _identify(
    upstream: Upstream, places: tuple[Location, ...], identifiers: Sequence[Token], call: Call
) -> Awaitable[Sequence[Records | UpstreamError]]:
    now = time.monotonic()
    hurried = replace(call, deadline=now + (call.deadline - now) * LOOKUP_PART)
    return upstream.identify(identifiers, places, hurried)
