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
from resolvers.upstreams.fhir_kinds import Kinds, asked_by
from resolvers.upstreams.fhir_plain import (
    Kind,
    entries_of,
    page_of,
    plain_page,
    plain_rows,
    resources_of,
)
from resolvers.upstreams.fhir_query import count_query
from resolvers.upstreams.fhir_raw import RawAnswer, TypedAnswers
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
) -> Sequence[Page | UpstreamError]:
    """The page of each search, or what went wrong."""
    if len(searches) == 1:
        kind, ask = kinds.lone(searches[0], capabilities, call.patient_record)
        (answer,) = await server.fetch_all((ask,), call, capabilities.has_batch)
        if kind.row is None and type(answer) is RawAnswer:
            return (odd_page(discovery, kind, answer),)
        return (page_in(discovery, kind, answer),)
    unique = list(dict.fromkeys(searches))
    found, asks = kinds.asks(unique, capabilities, call.patient_record)
    if len(asks) > 1 and (len(asks) > server.settings.bundle_entries_max or not server.is_only_place):
        pages = await _by_groups(server, discovery, found, asks, call, capabilities.has_batch)
    else:
        answers = await server.fetch_all(asks, call, capabilities.has_batch)
        pages = await _pages(discovery, found, answers)
    if len(pages) == len(searches):
        return pages
    of = dict(zip(unique, pages, strict=True))
    return [of[one] for one in searches]


async def _by_groups(
    server: FhirServer,
    discovery: Discovery,
    kinds: Sequence[Kind],
    asks: Sequence[Ask],
    call: Call,
    has_batch: bool,
) -> list[Page | UpstreamError]:
    """The pages of searches that do not go out as one: each group's are made of its own answer."""

    async def asked(places: list[int]) -> list[Page | UpstreamError]:
        answers = await server.fetch_all([asks[place] for place in places], call, has_batch)
        return await _pages(discovery, [kinds[place] for place in places], answers)

    groups = server.groups(asks, has_batch)
    found = await asyncio.gather(*map(asked, groups))
    pages = {
        place: page
        for places, of_group in zip(groups, found, strict=True)
        for place, page in zip(places, of_group, strict=True)
    }
    return [pages[place] for place in range(len(asks))]


async def _pages(
    discovery: Discovery, kinds: Sequence[Kind], answers: Sequence[RawAnswer | UpstreamError]
) -> list[Page | UpstreamError]:
    if type(answers) is TypedAnswers and not answers.whole.is_stale:
        return await _typed_pages(discovery, kinds, answers)
    pages: list[Page | UpstreamError] = []
    for place, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
        if place % _PAGES_A_TURN == _PAGES_A_TURN - 1:
            await asyncio.sleep(0)  # a page may be large, and others wait for the loop
        pages.append(page_in(discovery, kind, answer))
    return pages


async def _typed_pages(
    discovery: Discovery, kinds: Sequence[Kind], answers: TypedAnswers
) -> list[Page | UpstreamError]:
    """The same of answers that have been decoded together."""
    pages: list[Page | UpstreamError] = []
    bundles, at = answers.bundles, answers.whole.retrieved_at
    for first in range(0, len(bundles), _PAGES_A_TURN):
        if first:
            await asyncio.sleep(0)
        some = kinds[first : first + _PAGES_A_TURN]
        made = plain_rows(some, bundles[first : first + _PAGES_A_TURN], at)
        pages += [
            odd_page(discovery, kind, answers[place])
            if plain is None
            else page_of(kind, plain, answers, place)
            for place, (kind, plain) in enumerate(zip(some, made, strict=True), first)
        ]
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
            counts[search] = _count(asked_by(server, search), answer)
        except SearchNotSupported:
            counts[search] = None
        except UpstreamError as problem:
            counts[search] = problem
    return counts


def page_in(discovery: Discovery, kind: Kind, raw: RawAnswer | UpstreamError) -> Page | UpstreamError:
    """The page in an answer, or what is wrong with it."""
    if isinstance(raw, UpstreamError):
        return raw
    return plain_page(kind, raw) or odd_page(discovery, kind, raw)


def odd_page(discovery: Discovery, kind: Kind, raw: RawAnswer) -> Page | UpstreamError:
    """The page of an answer that is not plain, or what is wrong with it."""
    asked = kind.asked
    try:
        entries = entries_of(asked, raw)
    except ParameterIgnored as problem:
        discovery.forget(asked.type, problem.codes)
        return problem
    except UpstreamError as problem:
        return problem
    total = entries.total if kind.is_counted else None
    problems = (*entries.problems, STALE_ANSWER) if raw.is_stale else tuple(entries.problems)
    return Page(resources_of(asked, entries, raw), entries.next, total, problems)


def _count(asked: Asked, answer: Answer | UpstreamError) -> int | None:
    if isinstance(answer, UpstreamError):
        raise answer
    entries = read_entries(asked, answer)
    # Entries mean that `_summary` was ignored; `total` may then be an estimate.
    return None if entries.matches else entries.total
