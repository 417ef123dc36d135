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
LARGE_BYTES: Final = 250_000
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


class _Request(msgspec.Struct, gc=False):
    method: str
    url: str


class _Entry(msgspec.Struct, gc=False):
    request: _Request


class _Batch(msgspec.Struct, gc=False, kw_only=True):
    """A Bundle of questions (R4 http.html 3.1.0.11)."""

    resource_type: str = msgspec.field(default="Bundle", name="resourceType")
    type: str = "batch"
    entry: list[_Entry]


def batch_parts(asks: Sequence[Ask]) -> tuple[str, list[str], str]:
    """A Bundle of questions in parts: what stands before its entries, these, and what stands after them; a
    comma parts them."""
    entries = [
        encode_json(_Entry(_Request("GET", f"{one.path}?{one.query}" if one.query else one.path))).decode()
        for one in asks
    ]
    before, _, after = encode_json(_Batch(entry=[])).decode().partition("[]")
    return f"{before}[", entries, f"]{after}"


class FhirServer:
    """One FHIR source, in all its places.

    `without_id_lists`: the types for which `_id=a,b,c` turned out not to work; `refuses_bundles`: it turned
    out to take no Bundles of questions. `headers`, `bundle_headers`: of a question, of a Bundle of them.
    """

    def __init__(
        self, exchange: Exchange, settings: CapabilitySettings, locations: Sequence[Location]
    ) -> None:
        self.source = exchange.source
        self.settings = settings
        self.is_only_place = len(locations) == 1
        longest = max([len(place.base_url) for place in locations], default=0)
        self._room = settings.url_length_max - longest - 2
        """How long path and query may be together to fit into an address at each of the places."""
        self._is_form = settings.post_search == "form"
        self.exchange = exchange
        strict = {"Prefer": "handling=strict"} if settings.is_strict else {}
        self.headers = {
            place: _named({"Accept": _JSON, **strict, **dict(place.headers)}) for place in locations
        }
        self.bundle_headers = {
            place: headers | {istr("Content-Type"): _JSON} for place, headers in self.headers.items()
        }
        self.without_id_lists: set[str] = set()
        self.refuses_bundles = False

    async def fetch(self, ask: Ask, call: Call) -> RawAnswer:
        """One answer, not yet decoded. Raises UpstreamError where there is none."""
        return raw_answer(self.source, await self.exchange.send(self.question(ask), call))

    def question(self, ask: Ask) -> Question:
        """What is sent for one."""
        headers, base = self.headers[ask.location], ask.location.base_url
        if self._is_form and self._is_long(ask):
            url, body = f"{base}/{ask.path}/_search", ask.query.encode()
            return Question(ask.operation, url, {**headers, "Content-Type": _FORM}, "POST", body)
        relative = f"{ask.path}?{ask.query}" if ask.query else ask.path
        return Question(ask.operation, ask.page or (f"{base}/{relative}" if relative else base), headers)

    async def ask(self, ask: Ask, call: Call) -> Answer:
        """One answer. Raises UpstreamError where there is none, or one that is no JSON."""
        return (await self.fetch(ask, call)).answer

    async def ask_all(self, asks: Sequence[Ask], call: Call, has_batch: bool) -> list[Answer | UpstreamError]:
        """As `fetch_all`, decoded; what is no JSON is an error too."""
        return [_decoded(answer) for answer in await self.fetch_all(asks, call, has_batch)]

    async def fetch_all(
        self, asks: Sequence[Ask], call: Call, has_batch: bool
    ) -> Sequence[RawAnswer | UpstreamError]:
        """As many answers, in order: in batch Bundles where the server takes them, else side by side."""
        is_batched = has_batch and not self.refuses_bundles
        if len(asks) == 1:
            ask = asks[0]
            path, query = ask.path, ask.query
            if query and ask.page is None and len(path) + len(query) <= self._room:
                place = ask.location
                question = Question(ask.operation, f"{place.base_url}/{path}?{query}", self.headers[place])
            elif self._is_form or not is_batched or not self._is_long(ask):
                question = self.question(ask)
            else:
                return await self._batched(asks, call)
            try:
                return (raw_answer(self.source, await self.exchange.send(question, call)),)
            except UpstreamError as problem:
                return (problem,)
        if is_batched and 0 < len(asks) <= self.settings.bundle_entries_max:
            place = asks[0].location
            for ask in asks:
                if ask.location is not place or ask.page:
                    break
            else:
                return await self._batched(asks, call)
        return await self._by_groups(asks, call, has_batch)

    async def _by_groups(
        self, asks: Sequence[Ask], call: Call, has_batch: bool
    ) -> Sequence[RawAnswer | UpstreamError]:
        """The same of asks that do not go out as one."""
        answers: list[RawAnswer | UpstreamError | None] = [None] * len(asks)

        async def answer(places: list[int]) -> None:
            group = [asks[place] for place in places]
            is_lone = len(group) == 1
            asking = self.fetch_all(group, call, has_batch) if is_lone else self._batched(group, call)
            for place, found in zip(places, await asking, strict=True):
                answers[place] = found

        await asyncio.gather(*map(answer, self.groups(asks, has_batch)))
        return [answer for answer in answers if answer is not None]

    def _is_long(self, ask: Ask) -> bool:
        """Whether a query fits into no address; a page's own address stands in its place."""
        length = len(ask.path) + len(ask.query)
        if length <= self._room or not ask.query or ask.page is not None:
            return False
        return len(ask.location.base_url) + length + 2 > self.settings.url_length_max

    def groups(self, asks: Sequence[Ask], has_batch: bool) -> list[list[int]]:
        """Which of the asks go together. Next links are opaque addresses, so they go alone."""
        if not has_batch or self.refuses_bundles:
            return [[place] for place in range(len(asks))]
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
        entries = [
            _Entry(_Request("GET", f"{one.path}?{one.query}" if one.query else one.path)) for one in asks
        ]
        try:
            answer = await self.batch(encode_json(_Batch(entry=entries)), location, call)
            if answer is None:
                return await self.fetch_all(asks, call, has_batch=False)
            return typed_answers(answer, [ask.row for ask in asks])
        except UpstreamError as problem:
            return [problem] * len(asks)

    async def batch(self, body: bytes, location: Location, call: Call) -> RawAnswer | None:
        """The answer to a Bundle of questions; None where the server turns out to take none. Raises
        UpstreamError."""
        if self.refuses_bundles:
            return None
        question = Question("batch", location.base_url, self.bundle_headers[location], "POST", body)
        answer = raw_answer(self.source, await self.exchange.send(question, call))
        return answer if await self.has_taken(answer, call) else None

    async def has_taken(self, answer: RawAnswer, call: Call) -> bool:
        """Whether this is the answer of a server that takes Bundles of questions. Comes before a large one is
        decoded. Raises UpstreamError."""
        if answer.status in _NO_BATCH_STATUSES and not _is_throttled(answer.answer):
            self.refuses_bundles = True
            return False
        if len(answer.body) > LARGE_BYTES and call.turns is not None:
            await call.turns.take()
        return True


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """With names that aiohttp need not put in lower case for each call."""
    return {istr(name): value for name, value in headers.items()}


def _decoded(answer: RawAnswer | UpstreamError) -> Answer | UpstreamError:
    if isinstance(answer, UpstreamError):
        return answer
    try:
        return answer.answer
    except UpstreamError as problem:
        return problem


def _is_throttled(answer: Answer) -> bool:
    return any(meaning in ("throttled", "rejected") for _, meaning in issues(answer.outcome))
