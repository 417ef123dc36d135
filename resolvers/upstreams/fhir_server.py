"""Asking a FHIR server: one question, many questions in Bundles or side by side, and long ones by form."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from multidict import istr

from clinical.codec import encode_json
from resolvers.resource import Location
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.fhir_answers import Answer, issues
from resolvers.upstreams.fhir_raw import RawAnswer, raw_answer, typed_answers
from resolvers.upstreams.settings import CapabilitySettings
from resolvers.upstreams.upstream import Call

_JSON: Final = "application/fhir+json"
_FORM: Final = "application/x-www-form-urlencoded"
_LARGE_BYTES: Final = 250_000
"""A body that takes a millisecond to decode, or a few: others have their turns before."""
_NO_BATCH_STATUSES: Final = frozenset((400, 404, 405, 415, 422, 501))


class Ask(msgspec.Struct, frozen=True):
    """One interaction: `path` and `query` below the base URL (both percent-encoded), or a page's own address.

    A query is a search of the type `path`; a path without query is a read or a search for everything.
    """

    operation: str
    location: Location
    path: str = ""
    query: str = ""
    page: str | None = None
    row: Any = None
    """The struct of the rows that are wanted of a searchset; None: they are wanted whole."""

    @property
    def relative(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


class _Request(msgspec.Struct, gc=False, kw_only=True):
    method: str = "GET"
    url: str


class _Entry(msgspec.Struct, gc=False):
    request: _Request


class _Batch(msgspec.Struct, gc=False, kw_only=True):
    """A Bundle of questions (R4 http.html 3.1.0.11)."""

    resource_type: str = msgspec.field(default="Bundle", name="resourceType")
    type: str = "batch"
    entry: list[_Entry]


class FhirServer:
    """One FHIR source, in all its places.

    `without_id_lists`: the types for which `_id=a,b,c` turned out not to work.
    """

    def __init__(
        self, exchange: Exchange, settings: CapabilitySettings, locations: Sequence[Location]
    ) -> None:
        self.source = exchange.source
        self.settings = settings
        self.is_only_place = len(locations) == 1
        self._exchange = exchange
        strict = {"Prefer": "handling=strict"} if settings.is_strict else {}
        self._headers = {
            place: _named({"Accept": _JSON, **strict, **dict(place.headers)}) for place in locations
        }
        self.without_id_lists: set[str] = set()
        self._refuses_bundles = False

    async def fetch(self, ask: Ask, call: Call) -> RawAnswer:
        """One answer, not yet decoded. Raises UpstreamError where there is none."""
        headers = self._headers[ask.location]
        base = ask.location.base_url
        if self._is_long(ask) and self.settings.post_search == "form":
            question = Question(
                ask.operation,
                f"{base}/{ask.path}/_search",
                {**headers, "Content-Type": _FORM},
                "POST",
                ask.query.encode(),
            )
        else:
            relative = ask.relative
            url = ask.page or (f"{base}/{relative}" if relative else base)
            question = Question(ask.operation, url, headers)
        return raw_answer(self.source, await self._exchange.send(question, call))

    async def ask(self, ask: Ask, call: Call) -> Answer:
        """One answer. Raises UpstreamError where there is none, or one that is no JSON."""
        return (await self.fetch(ask, call)).answer

    async def ask_all(self, asks: Sequence[Ask], call: Call, has_batch: bool) -> list[Answer | UpstreamError]:
        """As `fetch_all`, decoded; what is no JSON is an error too."""
        return [_decoded(answer) for answer in await self.fetch_all(asks, call, has_batch)]

    async def fetch_all(
        self, asks: Sequence[Ask], call: Call, has_batch: bool
    ) -> list[RawAnswer | UpstreamError]:
        """As many answers, in order: in batch Bundles where the server takes them, else side by side."""
        groups = self._groups(asks, has_batch)
        if len(groups) == 1:
            return list(await self._answers(asks, call, has_batch))
        answers: list[RawAnswer | UpstreamError | None] = [None] * len(asks)

        async def answer(places: list[int]) -> None:
            group = [asks[place] for place in places]
            for place, found in zip(places, await self._answers(group, call, has_batch), strict=True):
                answers[place] = found

        await asyncio.gather(*map(answer, groups))
        return [answer for answer in answers if answer is not None]

    async def _answers(
        self, group: Sequence[Ask], call: Call, has_batch: bool
    ) -> Sequence[RawAnswer | UpstreamError]:
        """Those of asks that go together. A lone one needs no Bundle, unless it fits no address otherwise."""
        fits = not self._is_long(group[0]) or self.settings.post_search == "form" or not has_batch
        if len(group) == 1 and (fits or self._refuses_bundles):
            return [await self._one(group[0], call)]
        return await self._batched(group, call)

    def _is_long(self, ask: Ask) -> bool:
        if not ask.query:
            return False
        return len(ask.location.base_url) + len(ask.path) + len(ask.query) + 2 > self.settings.url_length_max

    def _groups(self, asks: Sequence[Ask], has_batch: bool) -> list[list[int]]:
        """Which of the asks go together. Next links are opaque addresses, so they go alone."""
        if len(asks) == 1 or not has_batch or self._refuses_bundles:
            return [[place] for place in range(len(asks))]
        if 0 < len(asks) <= self.settings.bundle_entries_max and _have_one_place(asks):
            return [list(range(len(asks)))]
        groups: list[list[int]] = []
        open_groups: dict[str, list[int]] = {}
        for place, ask in enumerate(asks):
            group = None if ask.page else open_groups.get(ask.location.base_url)
            if group is None or len(group) == self.settings.bundle_entries_max:
                group = []
                groups.append(group)
                if not ask.page:
                    open_groups[ask.location.base_url] = group
            group.append(place)
        return groups

    async def _batched(self, asks: Sequence[Ask], call: Call) -> Sequence[RawAnswer | UpstreamError]:
        location = asks[0].location
        entries = [_Entry(_Request(url=ask.relative)) for ask in asks]
        question = Question(
            "batch",
            location.base_url,
            {**self._headers[location], "Content-Type": _JSON},
            "POST",
            encode_json(_Batch(entry=entries)),
        )
        try:
            answer = raw_answer(self.source, await self._exchange.send(question, call))
            if answer.status in _NO_BATCH_STATUSES and not _is_throttled(answer.answer):
                self._refuses_bundles = True
                return await self.fetch_all(asks, call, has_batch=False)
            if len(answer.body) > _LARGE_BYTES and call.turns is not None:
                await call.turns.take()
            return typed_answers(answer, [ask.row for ask in asks])
        except UpstreamError as problem:
            return [problem] * len(asks)

    async def _one(self, ask: Ask, call: Call) -> RawAnswer | UpstreamError:
        try:
            return await self.fetch(ask, call)
        except UpstreamError as problem:
            return problem


def _named(headers: Mapping[str, str]) -> Mapping[str, str]:
    """With names that aiohttp need not put in lower case for each call."""
    return {istr(name): value for name, value in headers.items()}


def _decoded(answer: RawAnswer | UpstreamError) -> Answer | UpstreamError:
    if isinstance(answer, UpstreamError):
        return answer
    try:
        return answer.answer
    except UpstreamError as problem:
        return problem


def _have_one_place(asks: Sequence[Ask]) -> bool:
    place = asks[0].location
    for ask in asks:  # noqa: SIM110  a generator costs more than all of the rest
        if ask.location is not place or ask.page:
            return False
    return True


def _is_throttled(answer: Answer) -> bool:
    return any(meaning in ("throttled", "rejected") for _, meaning in issues(answer.outcome))
