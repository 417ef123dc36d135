"""One person's Observations of some codes over time: the latest, and numbers over all of them.

Both walk the same merged list as `observations` does, with the same two doors, page after page, and keep
none. A walk that ends early is told as in a list: the source is PARTIAL.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from resolvers.admission import listed_nodes
from resolvers.connection import Connection, tell
from resolvers.errors import ArgumentInvalid
from resolvers.field import FieldCall
from resolvers.given import note_resources
from resolvers.listing import plan
from resolvers.merging import open_merge, outcomes_after
from resolvers.outcome import Completeness, SourceOutcome, SourceStatus, completeness
from resolvers.question import FIRST_MAX, question_of
from resolvers.reach import reached
from resolvers.resource import Node
from resolvers.series_tally import BucketSize, SeriesTally

ROWS_MAX: Final = 50_000
"""Observations of one walk."""

_TYPE: Final = "Observation"
_FEW: Final = 5
_ZONE_LONGEST: Final = 64
_NOT_YET: Final = frozenset({"registered", "cancelled", "entered-in-error"})
_CUT = "more rows than the gateway counts in one series"


@dataclass(slots=True)
class Series:
    """What a walk found, and how every source did its part."""

    outcomes: list[SourceOutcome]
    latest: Node | None = None
    tally: SeriesTally | None = None

    @property
    def completeness(self) -> Completeness:
        """Whether this is all there is, as far as the caller may see."""
        return completeness(self.outcomes)


async def latest_observation(call: FieldCall) -> Series | None:
    """The newest dated Observation with one of the codes that has, or will not lose, its result."""
    walk = await _open(call, _FEW)
    if walk is None:
        return None
    found = None
    async for nodes in walk.pages():
        found = next((one for one in nodes if one.element.get("status") not in _NOT_YET), None)
        if found is not None:
            break
    if found is not None and not _is_dated(found):
        found = None  # undated rows come last: none is known to be the latest
    if found is not None:
        walk.give([found])
    walk.note(walk.sources)
    return Series(walk.close(), latest=found)


async def observation_stats(call: FieldCall) -> Series | None:
    """Count, least, most and mean of the values with one of the codes, by unit and by bucket."""
    size: Any = call.arguments.get("bucket")
    tally = SeriesTally(None if size is None else BucketSize(size), _zone(call.arguments.get("timeZone")))
    walk = await _open(call, FIRST_MAX)
    if walk is None:
        return None
    async for nodes in walk.pages():
        for one in nodes:
            tally.add(one.element)
        walk.give(nodes)
        walk.note(walk.searches)  # at each page: a walk that is given up has cost what it read
    walk.note(walk.searches)
    return Series(walk.close(), tally=tally)


async def _open(call: FieldCall, page_size: int) -> "_Walk | None":
    """The walk, None (and told) where the caller's scopes permit none of it."""
    person = await call.context.identity.of_record(call.parent.resource)
    asked = {name: call.arguments.get(name) for name in ("code", "date")}
    question = question_of(_TYPE, {"first": page_size, **asked})
    found = await reached(call, question, person)
    if found is None:
        return None
    (connection,) = await plan(call.context, (found,))
    for one in connection.plans:  # whole rows: a list beside this one may need fewer elements
        one.searches = [replace(search, shape=None) for search in one.searches]
    return _Walk(call, connection)


class _Walk:
    """A merged list, read to where it is left."""

    def __init__(self, call: FieldCall, connection: Connection) -> None:
        self._call = call
        self._connection = connection
        self._is_cut = False

    @property
    def sources(self) -> int:
        """How many sources are searched."""
        return self._connection.searched

    @property
    def searches(self) -> int:
        """How many pages the sources have been asked for."""
        return sum(one.searches for of_source in self._connection.streams.values() for one in of_source)

    def note(self, searches: int) -> None:
        """Notes what the walk has cost so far."""
        self._call.context.tally.page(self._call.at, searches, 0)

    async def pages(self) -> AsyncIterator[Sequence[Node]]:
        """The rows as nodes, a few at a time."""
        context, size = self._call.context, self._connection.question.first
        merge = await open_merge(self._connection)
        for stream in (one for of_source in self._connection.streams.values() for one in of_source):
            stream.forgets = True
        for _ in range(0, ROWS_MAX, size):
            taken = await merge.take(size)
            yield await listed_nodes(context, [one.row.resource for one in taken])
            if len(taken) < size:
                return
            if context.turns.is_over:
                await context.turns.take()
        self._is_cut = await merge.has_more()

    def give(self, nodes: Sequence[Node]) -> None:
        """Notes the rows that what is answered was made of."""
        person = self._connection.person
        resources = [one.resource for one in nodes]
        note_resources(self._call.context.disclosures, person.id if person else None, resources)

    def close(self) -> list[SourceOutcome]:
        """How every source did its part; what is missing is told."""
        assert self._connection.merge is not None
        outcomes = outcomes_after(self._connection)
        if self._is_cut:
            outcomes = [_cut(one) for one in outcomes]
        tell(self._call.context, outcomes, self._call)
        return outcomes


def _cut(outcome: SourceOutcome) -> SourceOutcome:
    if outcome.status is not SourceStatus.OK:
        return outcome
    return replace(outcome, status=SourceStatus.PARTIAL, message=_CUT, code="UPSTREAM_INVALID_RESPONSE")


def _is_dated(node: Node) -> bool:
    return any(name.startswith("effective") for name in node.element)


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    try:
        if len(name) <= _ZONE_LONGEST:
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        pass  # no such zone; a text that is no zone's name at all
    raise ArgumentInvalid("timeZone: not a time zone, such as Europe/London")
