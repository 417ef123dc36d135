"""Searching a FHIR server: one page for each search, identical ones asked once."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from resolvers.outcome import STALE_ANSWER
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.fhir_answers import Answer
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_discovery import Discovery
from resolvers.upstreams.fhir_entries import Asked, ParameterIgnored, read_entries
from resolvers.upstreams.fhir_kinds import Kind, Kinds, asked_by
from resolvers.upstreams.fhir_plain import Decoded, entries_of, plain_entries, resources_of
from resolvers.upstreams.fhir_query import count_query, query_about
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Call, Page, Search

_PAGES_A_TURN: Final = 10


async def search_all(
    server: FhirServer,
    kinds: Kinds,
    discovery: Discovery,
    capabilities: Capabilities,
    searches: Sequence[Search],
    call: Call,
) -> list[Page | UpstreamError]:
    """The page of each search, or what went wrong."""
    unique = list(dict.fromkeys(searches))
    found = kinds.of(unique, capabilities, call)
    asks = [_ask(search, kind) for search, kind in zip(unique, found, strict=True)]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    pages: list[Page | UpstreamError] = []
    for place, (search, kind, answer) in enumerate(zip(unique, found, answers, strict=True)):
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
            counts[search] = _count(asked_by(server, search), answer)
        except SearchNotSupported:
            counts[search] = None
        except UpstreamError as problem:
            counts[search] = problem
    return counts


def _ask(search: Search, kind: Kind) -> Ask:
    if search.page is not None:
        return Ask("search", search.location, page=search.page)
    query = query_about(search, kind.query) if search.patient is not None else kind.query
    return Ask("search", search.location, search.type, query, None, kind.row)


def _page(kind: Kind, raw: RawAnswer | UpstreamError) -> Page:
    if isinstance(raw, UpstreamError):
        raise raw
    asked, shape, is_counted = kind.asked, kind.shape, kind.is_counted
    if shape is not None and not raw.is_stale and (plain := plain_entries(asked, shape, raw)) is not None:
        total = plain.total if is_counted else None
        return Page(Decoded(asked, raw), plain.next, total, (), plain.page)
    entries = entries_of(asked, raw)
    total = entries.total if is_counted else None
    problems = (*entries.problems, STALE_ANSWER) if raw.is_stale else tuple(entries.problems)
    return Page(resources_of(asked, entries, raw), entries.next, total, problems)


def _count(asked: Asked, answer: Answer | UpstreamError) -> int | None:
    if isinstance(answer, UpstreamError):
        raise answer
    entries = read_entries(asked, answer)
    # Entries mean that `_summary` was ignored; `total` may then be an estimate.
    return None if entries.matches else entries.total
