"""Searching a FHIR server: one page for each search, identical ones asked once."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from resolvers.resource import Resource
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.fhir_answers import Answer
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_discovery import Discovery
from resolvers.upstreams.fhir_entries import Asked, Entries, ParameterIgnored, read_entries
from resolvers.upstreams.fhir_plain import Decoded, entries_of, plain_entries
from resolvers.upstreams.fhir_query import count_query, search_query
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Call, Page, Search

_PAGES_A_TURN: Final = 10


async def search_all(
    server: FhirServer,
    discovery: Discovery,
    capabilities: Capabilities,
    searches: Iterable[Search],
    call: Call,
) -> dict[Search, Page | UpstreamError]:
    """Every search with its page, or what went wrong."""
    unique = list(dict.fromkeys(searches))
    asks = [_ask(search, server.settings.page_size_max) for search in unique]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    pages: dict[Search, Page | UpstreamError] = {}
    kinds: dict[tuple[Any, ...], Asked] = {}
    for place, (search, answer) in enumerate(zip(unique, answers, strict=True)):
        if place % _PAGES_A_TURN == _PAGES_A_TURN - 1:
            await asyncio.sleep(0)  # a page may be large, and others wait for the loop
        try:
            kind = (search.type, search.location, search.filters, search.sort, search.page)
            asked = kinds.get(kind) or kinds.setdefault(kind, _asked(server, search))
            pages[search] = _page(capabilities, search, asked, answer)
        except UpstreamError as problem:
            if isinstance(problem, ParameterIgnored):
                discovery.forget(search.type, problem.codes)
            pages[search] = problem
    return pages


async def count_all(
    server: FhirServer, capabilities: Capabilities, searches: Iterable[Search], call: Call
) -> dict[Search, int | UpstreamError | None]:
    """Every search with its count; None where the source cannot say it exactly."""
    unique = [one for one in dict.fromkeys(searches) if capabilities.abilities(one.type).counts]
    asks = [Ask("count", search.location, search.type, count_query(search)) for search in unique]
    counts: dict[Search, int | UpstreamError | None] = {}
    for search, answer in zip(unique, await server.ask_all(asks, call, capabilities.has_batch), strict=True):
        try:
            counts[search] = _count(server, search, answer)
        except SearchNotSupported:
            counts[search] = None
        except UpstreamError as problem:
            counts[search] = problem
    return counts


def _ask(search: Search, page_size_max: int) -> Ask:
    if search.page is not None:
        return Ask("search", search.location, page=search.page)
    row = search.shape.row if search.shape is not None else None
    return Ask("search", search.location, search.type, search_query(search, page_size_max), row=row)


def _asked(server: FhirServer, search: Search) -> Asked:
    """A sort counts as sent too: a source that leaves it out gives no page of the newest."""
    codes = frozenset(one.code for one in search.filters) | ({"_sort"} if search.sort else frozenset())
    return Asked(
        server.source,
        search.type,
        search.location,
        server.is_only_place,
        codes if search.page is None else frozenset(),
        search.page,
    )


def _page(capabilities: Capabilities, search: Search, asked: Asked, raw: RawAnswer | UpstreamError) -> Page:
    if isinstance(raw, UpstreamError):
        raise raw
    counts = capabilities.abilities(search.type).counts
    if search.shape is not None and (plain := plain_entries(asked, search.shape, raw)) is not None:
        resources = Decoded(lambda: _resources(search, asked, entries_of(asked, raw), raw))
        return Page(resources, plain.next, plain.total if counts else None, (), plain.page)
    entries = entries_of(asked, raw)
    return Page(
        _resources(search, asked, entries, raw),
        entries.next,
        entries.total if counts else None,
        tuple(entries.problems),
    )


def _resources(search: Search, asked: Asked, entries: Entries, raw: RawAnswer) -> tuple[Resource, ...]:
    source, location, kind, at = asked.source, search.location, search.type, raw.retrieved_at
    return tuple([Resource(source, location, kind, row["id"], row, at) for row in entries.matches])


def _count(server: FhirServer, search: Search, answer: Answer | UpstreamError) -> int | None:
    if isinstance(answer, UpstreamError):
        raise answer
    entries = read_entries(_asked(server, search), answer)
    # Entries mean that `_summary` was ignored; `total` may then be an estimate.
    return None if entries.matches else entries.total
