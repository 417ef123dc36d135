"""Questions to a source that answers each alone: what fails is an error in its place, what is asked twice is
asked once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Page, Search

Given = TypeVar("Given")
Ask = Callable[[Search], Awaitable[Page]]

_EVERYTHING: Final = 1_000_000


async def answers(asked: Iterable[Awaitable[Given]]) -> Sequence[Given | UpstreamError]:
    """Each answer, or the UpstreamError in its place."""
    return await asyncio.gather(*map(_caught, asked))


async def pages(searches: Sequence[Search], ask: Ask) -> list[Page | UpstreamError]:
    """The page of each search, equal ones asked once."""
    unique = list(dict.fromkeys(searches))
    found = dict(zip(unique, await answers(map(ask, unique)), strict=True))
    return [found[one] for one in searches]


async def counts(searches: Sequence[Search], ask: Ask) -> list[int | UpstreamError | None]:
    """How many rows each search has, by a source whose pages tell it."""
    whole = [
        Search(s.type, s.location, s.filters, s.patient, s.patient_parameter, count=_EVERYTHING)
        for s in searches
    ]
    found = await pages(whole, ask)
    return [one if isinstance(one, UpstreamError) else one.total for one in found]


async def _caught(answer: Awaitable[Given]) -> Given | UpstreamError:
    try:
        return await answer
    except UpstreamError as problem:
        return problem
