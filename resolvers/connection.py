"""A list over all sources: planned, merged, counted, and honest about what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from resolvers.context import LocatedError, RequestContext
from resolvers.cursor import Position
from resolvers.edge import Edge, Sealer, edge_of, edges_of
from resolvers.errors import CursorInvalid
from resolvers.field import FieldCall
from resolvers.given import note_resources, note_rows
from resolvers.hidden import is_entered_in_error
from resolvers.merge import Merge
from resolvers.outcome import Completeness, SourceOutcome, SourceStatus, completeness
from resolvers.persons import Person
from resolvers.plan import SourcePlan, outcome_of, plan_sources
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.straight import Straight, key_of, straight_rows, takes_short_way
from resolvers.stream import Admit, Stream
from resolvers.together import settled, together
from resolvers.upstreams.errors import (
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.upstream import Page, Search
from resolvers.visibility import is_about

TELLING = frozenset({"completeness", "sources"})
_ROWS = frozenset({"edges", "nodes"})
_OF_THE_PAGE = TELLING | _ROWS | {"pageInfo"}


_ERRORS = {
    kind.code: kind
    for kind in (
        UpstreamTimeout,
        UpstreamUnavailable,
        UpstreamRejected,
        UpstreamThrottled,
        UpstreamInvalidResponse,
        SearchNotSupported,
    )
}


def gap_error(outcome: SourceOutcome) -> UpstreamError:
    """A source's gap as an error, for a caller who did not ask how complete the list is."""
    kind = _ERRORS.get(outcome.code or "", UpstreamUnavailable)
    return kind(outcome.source, outcome.message or f"the source's part is {outcome.status.value.lower()}")


@dataclass(slots=True)
class Connection:
    """One page of a merged list: `edges` once the long way has been taken, else `straight`."""

    question: Question
    person: Person | None
    context: RequestContext
    plans: list[SourcePlan]
    straight: Straight | None = None
    outcomes: list[SourceOutcome] = field(default_factory=list)
    has_next: bool = False
    streams: dict[str, list[Stream]] = field(default_factory=dict)
    merge: Merge | None = None
    tells: bool = True
    """Whether the caller asked how complete the list is."""
    _edges: list[Edge] | None = None
    _shown: Sequence[tuple[Resource, Node]] = ()
    sealer: Sealer = field(init=False)

    def __post_init__(self) -> None:
        self.sealer = Sealer(self.question, self.person, self.context)

    @property
    def edges(self) -> list[Edge]:
        """The rows with their cursors."""
        if self._edges is None:
            made = (edge_of(record, node, self.question, self.sealer) for record, node in self._shown)
            self._edges = list(made)
        return self._edges

    @edges.setter
    def edges(self, edges: list[Edge]) -> None:
        self._edges = edges

    @property
    def nodes(self) -> list[Node]:
        """The rows."""
        if self._edges is None:
            return [node for _, node in self._shown]
        return [edge.node for edge in self._edges]

    def show(
        self, rows: Sequence[tuple[Resource, Node]], outcomes: list[SourceOutcome], has_next: bool
    ) -> None:
        """Makes this a page of records that no merge has gone through, each with the node that it is."""
        self._shown, self.outcomes, self.has_next = rows, outcomes, has_next

    @property
    def completeness(self) -> Completeness:
        """Whether every source that can hold the type answered in full."""
        return completeness(self.outcomes)

    @property
    def has_strays(self) -> bool:
        """Whether a source sent rows that it was not asked for; its counts are then of no use."""
        return any(one.has_strays for of_source in self.streams.values() for one in of_source)

    def has_failed(self, source: str) -> bool:
        """Whether any of the source's searches failed so far."""
        failures = self.merge.failures if self.merge else {}
        return any(one.id in failures for one in self.streams.get(source, ()))

    def outcomes_after(self, merge: Merge) -> list[SourceOutcome]:
        """How each source did its part."""
        return [_outcome(plan, self.streams[plan.upstream.name], merge) for plan in self.plans]

    def take(self, straight: Straight | None, outcomes: list[SourceOutcome]) -> None:
        """Makes this the page that the short way gave; None: it gave none."""
        if straight is not None:
            self.straight, self.has_next, self.outcomes = straight, straight.has_next, outcomes

    def cursor(self, index: int) -> str | None:
        """The cursor of the page's first (0) or last (-1) row; None where there is no row."""
        if self.straight is None:
            return self.edges[index].cursor if self.edges else None
        if not self.straight.rows:
            return None
        row, page = self.straight.rows[index], self.straight.pages[index]
        ordering = self.question.ordering
        return self.sealer.seal(Position(ordering.dump(key_of(row, ordering)), page.source, row.id_, {}))

    def disclose(self, selected: frozenset[str]) -> None:
        """Notes the rows that are given out."""
        if not selected & _ROWS:
            return
        noted, person_id = self.context.disclosures, self.person.id if self.person else None
        if self.straight is not None:
            note_rows(noted, person_id, self.straight)
        else:
            note_resources(noted, person_id, [node.resource for node in self.nodes])


async def connect(
    calls: Sequence[FieldCall], question: Question, persons: Sequence[Person | None]
) -> Sequence[Connection | BaseException]:
    """The pages that a list field asks for at its places: each about a person, or over all (None).

    No page where only a count is wanted.
    """
    call = calls[0]
    connections = await plan(call.context, question, persons)
    for connection in connections:
        connection.tells = bool(call.selected & TELLING)
    if not call.selected & _OF_THE_PAGE:
        for one, connection in zip(calls, connections, strict=True):
            tell(call.context, [plan.outcome for plan in connection.plans if plan.outcome], one)
        return connections
    return await _load_pages(connections, calls)


async def plan(
    context: RequestContext, question: Question, persons: Sequence[Person | None]
) -> list[Connection]:
    """The connection about each person with each source's plan, nothing fetched yet."""
    holders = [one for one in context.upstreams.values() if question.type in one.types]
    plans = await together(*(plan_sources(one, question, persons, context) for one in holders))
    return [
        Connection(question, person, context, list(mine))
        for person, mine in zip(persons, zip(*plans, strict=True) if plans else repeat(()), strict=False)
    ]


async def _load_pages(
    connections: Sequence[Connection], calls: Sequence[FieldCall]
) -> Sequence[Connection | BaseException]:
    """Fills each connection with its page, the short way where that can be."""
    short = [one for one in connections if takes_short_way(one.question, one.plans)]
    await _take_short_way(short)
    long = [(one, call) for one, call in zip(connections, calls, strict=True) if one.straight is None]
    problems = await settled(*(_load_page(one, call) for one, call in long))
    failed = {id(one): problem for (one, _), problem in zip(long, problems, strict=True) if problem}
    for one, call in zip(connections, calls, strict=True):
        if one.straight is not None:
            one.disclose(call.selected)
            tell(one.context, one.outcomes, call)
    return [failed.get(id(one), one) for one in connections]


async def _take_short_way(connections: Sequence[Connection]) -> None:
    """Makes each page of its sources' first pages, all fetched at once, where these are plain."""
    searches: dict[tuple[str, bool], list[Search]] = {}
    for connection in connections:
        for plan in connection.plans:
            searches.setdefault((plan.upstream.name, plan.is_batched), []).extend(plan.searches)
    loaders = connections[0].context.loaders if connections else None
    asked = [(key, ones) for key, ones in searches.items() if ones]
    answers = await together(
        *(loaders.search_all(name, ones, is_batched=batched) for (name, batched), ones in asked if loaders)
    )
    pages = {key[0]: iter(found) for (key, _), found in zip(asked, answers, strict=True)}
    for connection in connections:
        found = {
            plan.upstream.name: (plan.searches[0], next(pages[plan.upstream.name]))
            for plan in connection.plans
            if plan.searches
        }
        straight = straight_rows(connection.question, list(found.values()))
        outcomes = [_plain_outcome(plan, found.get(plan.upstream.name)) for plan in connection.plans]
        connection.take(straight, outcomes)


async def _load_page(connection: Connection, call: FieldCall) -> None:
    merge = await open_merge(connection)
    taken = await merge.take(connection.question.first)
    connection.has_next = await merge.has_more()
    connection.outcomes = connection.outcomes_after(merge)
    connection.edges = await edges_of(taken, connection.question, connection.sealer, connection.context)
    connection.disclose(call.selected)
    tell(connection.context, connection.outcomes, call)


async def open_merge(connection: Connection) -> Merge:
    """The merge of a connection's streams, gone on from its cursor."""
    context, question = connection.context, connection.question
    connection.streams = {
        plan.upstream.name: _streams(plan, rank, question, context)
        for rank, plan in enumerate(connection.plans)
    }
    await _resume(connection, connection.streams)
    every = [stream for of_source in connection.streams.values() for stream in of_source]
    connection.merge = Merge(every, context.loaders)
    return connection.merge


def tell(context: RequestContext, outcomes: Sequence[SourceOutcome], call: FieldCall) -> None:
    """Says what is missing where the client looks: in the list, or else as an error (docs/errors.md)."""
    for outcome in outcomes:
        context.note(outcome)
        is_gap = outcome.status not in (SourceStatus.OK, SourceStatus.NOT_LINKED)
        if is_gap and not call.selected & TELLING:
            context.errors.append(LocatedError(gap_error(outcome), call.path))


def _streams(plan: SourcePlan, rank: int, question: Question, context: RequestContext) -> list[Stream]:
    streams = []
    for search, record in zip(plan.searches, plan.records, strict=True):
        stream = Stream(
            plan.upstream.name,
            rank,
            search,
            question.ordering,
            is_sorted=plan.is_sorted,
            is_sorted_by_id=plan.is_sorted_by_id,
            is_batched=plan.is_batched,
            pages_max=plan.pages_max,
        )
        stream.admit = _admission(plan, question, record)
        stream.problems.extend(plan.problems)
        streams.append(stream)
    return streams


def _admission(plan: SourcePlan, question: Question, record: Resource | None) -> Admit:
    """All that a row must satisfy. A row about somebody else is a fault of the source, and is told."""

    def admit(resource: Resource, stream: Stream) -> bool:
        if resource.type != question.type:
            return False
        if record is not None and not is_about(resource, record):
            stream.note_problem("the source sent a resource that is not about this patient; it is left out")
            return False
        if not question.shows_errors and is_entered_in_error(resource.json):
            return False
        if not all(test(resource) for test in plan.checks):
            stream.has_strays = True
            return False
        return all(test(resource) for test in plan.keeps)

    return admit


async def _resume(connection: Connection, streams: Mapping[str, Sequence[Stream]]) -> None:
    if connection.question.after is None:
        return
    cursors = connection.context.cursors
    position = cursors.open(connection.question.after, connection.sealer.bound_to)
    names = list(streams)
    if position.source not in names:
        raise CursorInvalid("after: the cursor's source is no longer configured; start again without it")
    key = connection.question.ordering.load(await cursors.unpack_key(position.key))
    place = (key, names.index(position.source), position.id)
    marks = await cursors.unpack(position.marks)
    for stream in (one for of_source in streams.values() for one in of_source):
        stream.resume(place, marks.get(stream.id))


def _plain_outcome(plan: SourcePlan, asked: tuple[Search, Page | BaseException] | None) -> SourceOutcome:
    """How a source did its part that gave a plain page, or was not asked."""
    if plan.outcome is not None:
        return plan.outcome
    plain = asked[1].plain if asked is not None and isinstance(asked[1], Page) else None
    return SourceOutcome(plan.upstream.name, SourceStatus.OK, None, plain.retrieved_at if plain else None)


def _outcome(plan: SourcePlan, streams: Sequence[Stream], merge: Merge) -> SourceOutcome:
    name = plan.upstream.name
    if plan.outcome is not None:
        return plan.outcome
    failures = [merge.failures[one.id] for one in streams if one.id in merge.failures]
    times = [one.retrieved_at for one in streams if one.retrieved_at]
    retrieved_at: datetime = max(times) if times else datetime.now(UTC)
    answered = any(one.has_answered for one in streams)
    if failures and not answered:
        return outcome_of(failures[0])
    problems = [problem for one in streams for problem in one.problems]
    if failures or problems:
        first: Any = failures[0] if failures else None
        message = first.message if first else problems[0]
        code = first.code if first else "UPSTREAM_INVALID_RESPONSE"
        return SourceOutcome(name, SourceStatus.PARTIAL, message, retrieved_at, code)
    return SourceOutcome(name, SourceStatus.OK, None, retrieved_at)
