"""Finding the Patient records that carry business identifiers (R4 search.html 3.1.1.4.10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clinical.identifiers import Token
from resolvers.outcome import STALE_ANSWER
from resolvers.resource import Location, Resource
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.fhir_bundles import NOT_FITTING, searchset_decoder
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_plain import entries_of, resources_of
from resolvers.upstreams.fhir_query import (
    chunks,
    identifier_query,
    lone_identifier_query,
    token_text,
    token_texts,
)
from resolvers.upstreams.fhir_raw import RawAnswer, raw_answer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.fhir_walk import walk
from resolvers.upstreams.patients import stating
from resolvers.upstreams.upstream import Call

Found = tuple[Resource, ...] | UpstreamError

_IDENTIFIER = frozenset(("identifier",))
_QUERY_ROOM = 300
_FOUND = 200
_ANY = "0"
_CODE_ROOM = 64
_SYSTEMS_KEPT = 100
_NONE_OR_ONE = (None, 1)
"""Totals of a search that has found one record and says so, or does not count."""


class LoneLookup(msgspec.Struct, eq=False):
    """The search for the records that carry one identifier, at one place: how it is asked is worked out once
    for each system of identifiers. `capabilities`: as long as the source can do what it can do now."""

    capabilities: Capabilities
    _server: FhirServer
    _location: Location
    _max_pages: int
    _is_registered_once: bool
    _exchange: Exchange
    _source: str
    _headers: Mapping[str, str]
    _after: str
    """What stands after the code in an address."""
    _before: dict[str | None, str] = {}
    """What stands before the code in an address, by system; empty where it is too long to be an address."""

    async def find(self, token: Token, call: Call) -> Sequence[Found]:
        """As `identify_all`, with one identifier at one place."""
        code = token.code
        before = self._before.get(token.system)
        if before is None:
            before = self._prepared(token.system)
        if not before or not code or len(code) > _CODE_ROOM or not code.isascii() or not code.isalnum():
            return await self._asked(token, call)
        question = Question("identify", f"{before}{code}{self._after}", self._headers)
        try:
            answer = raw_answer(self._source, await self._exchange.send(question, call))
        except UpstreamError as problem:
            return (problem,)
        found = _plainly_found(answer, self._location, token, call.patient_record)
        return (found,) if found is not None else await self._asked(token, call, answer)

    def _prepared(self, system: str | None) -> str:
        base, length_max = self._location.base_url, self._server.settings.url_length_max
        before = f"{base}/Patient?identifier={token_text(Token(system, _ANY))[:-1]}" if system else ""
        if len(before) + _CODE_ROOM + len(self._after) > length_max:
            before = ""
        if len(self._before) >= _SYSTEMS_KEPT:
            self._before.clear()
        self._before[system] = before
        return before

    async def _asked(self, token: Token, call: Call, answer: RawAnswer | None = None) -> Sequence[Found]:
        """The same in the usual way, where nothing has been answered yet, or something odd."""
        server = self._server
        query = lone_identifier_query(token, server.settings.page_size_max)
        ask = Ask("identify", self._location, "Patient", query)
        answers: Sequence[RawAnswer | UpstreamError] = () if answer is None else (answer,)
        answers = answers or await server.fetch_all([ask], call, self.capabilities.has_batch)
        only = _whole(server, ask, answers[0], call)
        if only is not None:
            return stating((token,), only)
        groups, pages = [{query: token}], self._max_pages
        return await _found(server, (token,), groups, [ask], answers, call, pages, self._is_registered_once)


def lone_lookup(
    server: FhirServer, capabilities: Capabilities, location: Location, max_pages: int, is_once: bool
) -> LoneLookup:
    """How a source is asked for one identifier at a place. `is_once`: as `is_registered_once` there."""
    after = f"&_count={server.settings.page_size_max}"
    kept = (server.exchange, server.source, server.headers[location], after)
    return LoneLookup(capabilities, server, location, max_pages, is_once, *kept)


async def identify_all(
    server: FhirServer,
    capabilities: Capabilities,
    tokens: Sequence[Token],
    locations: Sequence[Location],
    call: Call,
    max_pages: int,
    is_registered_once: bool = False,
) -> Sequence[Found]:
    """For every token the records that carry it at these places.

    A place that did not answer in full makes the answer an error, as a record it holds would be missed
    silently; unless a person has but one record in the source, and it was found.
    """
    page_size = server.settings.page_size_max
    groups = _groups(server, capabilities, tokens)
    if len(groups) == len(locations) == 1:
        asks = [Ask("identify", locations[0], "Patient", identifier_query(list(groups[0]), page_size))]
        answers = await server.fetch_all(asks, call, capabilities.has_batch)
        only = _whole(server, asks[0], answers[0], call)
        if only is not None:
            return stating(tokens, only)
        return await _found(server, tokens, groups, asks, answers, call, max_pages, is_registered_once)
    asks = [
        Ask("identify", place, "Patient", identifier_query(list(group), page_size))
        for place in locations
        for group in groups
    ]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    return await _found(
        server, tokens, groups * len(locations), asks, answers, call, max_pages, is_registered_once
    )


async def _found(
    server: FhirServer,
    tokens: Sequence[Token],
    groups: Sequence[dict[str, Token]],
    asks: Sequence[Ask],
    answers: Sequence[RawAnswer | UpstreamError],
    call: Call,
    max_pages: int,
    is_registered_once: bool,
) -> Sequence[Found]:
    """What the answers, and the pages that follow, say of each token. `groups`: which of them each ask was
    for."""
    settled = await together(
        *(_records(server, ask, answer, call, max_pages) for ask, answer in zip(asks, answers, strict=True))
    )
    records: dict[Token, list[Resource]] = {token: [] for token in tokens}
    failures: dict[Token, UpstreamError] = {}
    is_stale = any(isinstance(one, RawAnswer) and one.is_stale for one in answers)
    for group, result in zip(groups, settled, strict=True):
        if isinstance(result, UpstreamError):
            for token in group.values():
                failures.setdefault(token, result)
            continue
        for token, stated in zip(group.values(), stating(list(group.values()), result), strict=True):
            records[token] += stated
            if is_stale and not stated:  # who is not in an old answer may be there now
                failures.setdefault(token, UpstreamUnavailable(server.source, STALE_ANSWER))
    return [
        failures[token]
        if token in failures and not (is_registered_once and records[token])
        else tuple(records[token])
        for token in tokens
    ]


def _groups(
    server: FhirServer, capabilities: Capabilities, tokens: Sequence[Token]
) -> list[dict[str, Token]]:
    """The identifiers that are asked for together, each by its text."""
    settings = server.settings
    by_text = dict(zip(token_texts(tokens), tokens, strict=True))
    takes_long = capabilities.has_batch or settings.post_search == "form"
    length_max = 1_000_000 if takes_long else settings.url_length_max - _QUERY_ROOM
    count = len(by_text)
    if 0 < count <= settings.identifier_count_max and sum(map(len, by_text)) + count <= length_max:
        return [by_text]
    return [
        {text: by_text[text] for text in texts}
        for texts in chunks(by_text, settings.identifier_count_max, length_max)
    ]


def _plainly_found(
    answer: RawAnswer, place: Location, token: Token, record: Any
) -> tuple[Resource, ...] | None:
    """The one record that a fresh answer holds, where nothing is odd about it and the record states the
    identifier as it was asked for, which has system and code; None where it takes a closer look to tell.
    `record`: the type of what is read of it."""
    body, system, code = answer.body, token.system, token.code
    if answer.status != _FOUND or answer.is_stale:
        return None
    try:
        if not body.isascii():
            str(body, "utf-8")
        bundle = searchset_decoder(record).decode(body)
        (entry,) = bundle.entry
        row = entry.resource
        id_ = row["id"]
        if bundle.total not in _NONE_OR_ONE or type(id_) is not str or not id_:
            return None
        for link in bundle.link:
            if link.relation != "self" or "?identifier=" not in link.url:
                return None
        for one in row["identifier"]:
            if one["value"] == code and one["system"] == system and row["resourceType"] == "Patient":
                return (Resource(answer.source, place, "Patient", id_, row, answer.retrieved_at),)
    except (*NOT_FITTING, KeyError, TypeError, ValueError):  # not one, or not as FHIR has it
        pass
    return None


def _whole(
    server: FhirServer, ask: Ask, answer: RawAnswer | UpstreamError, call: Call
) -> tuple[Resource, ...] | None:
    """The records of a fresh answer that is the whole of a search; None where more must be asked or said."""
    if isinstance(answer, UpstreamError) or answer.is_stale:
        return None
    asked = Asked(
        server.source, ask.path, ask.location, server.is_only_place, _IDENTIFIER, record=call.patient_record
    )
    try:
        entries = entries_of(asked, answer)
    except UpstreamError:
        return None
    if entries.next or entries.problems:
        return None
    return resources_of(asked, entries, answer)


async def _records(
    server: FhirServer, ask: Ask, answer: RawAnswer | UpstreamError, call: Call, max_pages: int
) -> list[Resource] | UpstreamError:
    if isinstance(answer, UpstreamError):
        return answer
    try:
        whole = await walk(server, ask, answer, call, max_pages, _IDENTIFIER, record=call.patient_record)
    except UpstreamError as problem:
        return problem
    if whole.problems:
        return UpstreamInvalidResponse(server.source, whole.problems[0])
    return [
        Resource(server.source, ask.location, "Patient", row["id"], row, source.retrieved_at, source.is_stale)
        for row, source in whole.found
    ]
