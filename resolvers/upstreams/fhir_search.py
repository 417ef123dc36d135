"""Searching a FHIR server: one page for each search, identical ones asked once."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from resolvers.shape import Shape
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.fhir_answers import Answer
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_discovery import Discovery
from resolvers.upstreams.fhir_entries import Asked, ParameterIgnored, read_entries
from resolvers.upstreams.fhir_plain import Decoded, entries_of, plain_entries, resources_of
from resolvers.upstreams.fhir_query import count_query, query_about, query_rest
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Call, Page, Search

_PAGES_A_TURN: Final = 10


async def search_all(
    server: FhirServer,
    discovery: Discovery,
    capabilities: Capabilities,
    searches: Sequence[Search],
    call: Call,
) -> list[Page | UpstreamError]:
    """The page of each search, or what went wrong."""
    unique = list(dict.fromkeys(searches))
    kinds = _kinds(server, unique, capabilities, call)
    asks = [_ask(search, kind) for search, kind in zip(unique, kinds, strict=True)]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    pages: list[Page | UpstreamError] = []
    for place, (search, kind, answer) in enumerate(zip(unique, kinds, answers, strict=True)):
        if place % _PAGES_A_TURN == _PAGES_A_TURN - 1:
            await asyncio.sleep(0)  # a page may be large, and others wait for the loop
        try:
            pages.append(_page(kind, answer))
        except UpstreamError as problem:
            if isinstance(problem, ParameterIgnored):
                discovery.forget(search.type, problem.codes)
            pages.append(problem)
    if len(pages) == len(searches):
        return pages
    of = dict(zip(unique, pages, strict=True))
    return [of[one] for one in searches]


async def count_all(
    server: FhirServer, capabilities: Capabilities, searches: Iterable[Search], call: Call
) -> dict[Search, int | UpstreamError | None]:
    """Every search with its count; None where the source cannot say it exactly."""
    unique = [one for one in dict.fromkeys(searches) if capabilities.abilities(one.type).counts]
    asks = [Ask("count", search.location, search.type, count_query(search)) for search in unique]
    counts: dict[Search, int | UpstreamError | None] = {}
    for search, answer in zip(unique, await server.ask_all(asks, call, capabilities.has_batch), strict=True):
        try:
            counts[search] = _count(_asked(server, search), answer)
        except SearchNotSupported:
            counts[search] = None
        except UpstreamError as problem:
            counts[search] = problem
    return counts


class _Kind(NamedTuple):
    """What searches have in common that differ in their patient: worked out once for all of them."""

    asked: Asked
    shape: Shape | None
    row: Any
    query: str
    is_counted: bool


def _kinds(
    server: FhirServer, searches: Sequence[Search], capabilities: Capabilities, call: Call
) -> list[_Kind]:
    kinds: list[_Kind] = []
    last: Search | None = None
    for search in searches:
        if last is None or not _are_alike(search, last):
            record = call.patient_record if search.type == "Patient" else dict
            query = "" if search.page else query_rest(search, server.settings.page_size_max)
            is_counted = capabilities.abilities(search.type).counts
            row = search.shape.row if search.shape is not None else None
            kind = _Kind(_asked(server, search, record), search.shape, row, query, is_counted)
        kinds.append(kind)
        last = search
    return kinds


def _are_alike(one: Search, other: Search) -> bool:
    """Whether two searches were made for one list of different patients: they share what they hold."""
    return (
        one.filters is other.filters
        and one.sort is other.sort
        and one.location is other.location
        and one.shape is other.shape
        and one.count == other.count
        and one.type == other.type
        and one.page is other.page is None
    )


def _ask(search: Search, kind: _Kind) -> Ask:
    if search.page is not None:
        return Ask("search", search.location, page=search.page)
    return Ask("search", search.location, search.type, query_about(search, kind.query), None, kind.row)


def _asked(server: FhirServer, search: Search, record: Any = dict) -> Asked:
    """A sort counts as sent too: a source that leaves it out gives no page of the newest."""
    codes = frozenset(one.code for one in search.filters) | ({"_sort"} if search.sort else frozenset())
    return Asked(
        server.source,
        search.type,
        search.location,
        server.is_only_place,
        codes if search.page is None else frozenset(),
        search.page,
        record,
    )


def _page(kind: _Kind, raw: RawAnswer | UpstreamError) -> Page:
    if isinstance(raw, UpstreamError):
        raise raw
    asked, shape, is_counted = kind.asked, kind.shape, kind.is_counted
    if shape is not None and (plain := plain_entries(asked, shape, raw)) is not None:
        total = plain.total if is_counted else None
        return Page(Decoded(asked, raw), plain.next, total, (), plain.page)
    entries = entries_of(asked, raw)
    total = entries.total if is_counted else None
    return Page(resources_of(asked, entries, raw), entries.next, total, tuple(entries.problems))


def _count(asked: Asked, answer: Answer | UpstreamError) -> int | None:
    if isinstance(answer, UpstreamError):
        raise answer
    entries = read_entries(asked, answer)
    # Entries mean that `_summary` was ignored; `total` may then be an estimate.
    return None if entries.matches else entries.total
