"""A list over all sources: planned, merged, counted, and honest about what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from resolvers.context import LocatedError, RequestContext
from resolvers.cursor import Position
from resolvers.errors import CursorInvalid
from resolvers.field import FieldCall
from resolvers.hidden import is_entered_in_error
from resolvers.identity import Person
from resolvers.merge import Merge, Taken
from resolvers.outcome import Completeness, SourceOutcome, SourceStatus, completeness
from resolvers.plan import SourcePlan, outcome_of, plan_source
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.stream import Keep, Row, Stream
from resolvers.together import together
from resolvers.upstreams.errors import (
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.visibility import is_about

TELLING = frozenset({"completeness", "sources"})
_OF_THE_PAGE = TELLING | {"edges", "nodes", "pageInfo"}


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
class Edge:
    """One row of a page, with what its cursor is made of."""

    node: Node
    row: Row
    marks: Mapping[str, str]
    connection: "Connection"
    key: list[Any] | None = None
    """The sort key as the cursor holds it, where that is not what `Ordering.dump` gives."""

    @property
    def cursor(self) -> str:
        """Where to go on after this row."""
        return self.connection.cursor_at(self)


@dataclass(slots=True)
class Connection:
    """One page of a merged list. `edges` is filled by `load_page`."""

    question: Question
    person: Person | None
    context: RequestContext
    bound_to: bytes
    plans: list[SourcePlan]
    edges: list[Edge] = field(default_factory=list)
    outcomes: list[SourceOutcome] = field(default_factory=list)
    has_next: bool = False
    streams: dict[str, list[Stream]] = field(default_factory=dict)
    merge: Merge | None = None
    tells: bool = True
    """Whether the caller asked how complete the list is."""

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

    def edge_of(self, resource: Resource, node: Node) -> Edge:
        """An edge that no merge made."""
        row = Row((self.question.ordering.key(resource), 0, resource.id), resource, None, "")
        return Edge(node, row, {}, self)

    def outcomes_after(self, merge: Merge) -> list[SourceOutcome]:
        """How each source did its part."""
        return [_outcome(plan, self.streams[plan.upstream.name], merge) for plan in self.plans]

    def cursor_at(self, edge: Edge) -> str:
        """The cursor of a row."""
        row = edge.row
        source = row.resource.source
        key = edge.key or self.question.ordering.dump(row.key)
        position = Position(key, source, row.resource.id, edge.marks)
        return self.context.cursors.seal(position, self.bound_to)


async def connect(call: FieldCall, question: Question, person: Person | None) -> Connection:
    """The page that a list field asks for, about a person or over all; no page where only a count is."""
    connection = await plan(call.context, question, person)
    connection.tells = bool(call.selected & TELLING)
    if call.selected & _OF_THE_PAGE:
        await _load_page(connection, call)
    else:
        tell(call.context, [one.outcome for one in connection.plans if one.outcome], call)
    return connection


async def plan(context: RequestContext, question: Question, person: Person | None) -> Connection:
    """The connection with each source's plan, nothing fetched yet."""
    holders = [one for one in context.upstreams.values() if question.type in one.types]
    plans = await together(*(plan_source(one, question, person, context) for one in holders))
    principal = context.principal
    owner = (principal.issuer, principal.client, principal.subject, person.id if person else None)
    return Connection(question, person, context, question.fingerprint(repr(owner)), list(plans))


async def _load_page(connection: Connection, call: FieldCall) -> None:
    merge = await open_merge(connection)
    taken = await merge.take(connection.question.first)
    connection.has_next = await merge.has_more()
    connection.outcomes = connection.outcomes_after(merge)
    connection.edges = await edges_of(connection, taken)
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
        stream.keep = _keep(plan, question, record, stream)
        stream.problems.extend(plan.problems)
        streams.append(stream)
    return streams


def _keep(plan: SourcePlan, question: Question, record: Resource | None, stream: Stream) -> Keep:
    """All that a row must satisfy. A row about somebody else is a fault of the source, and is told."""

    def keep(resource: Resource) -> bool:
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

    return keep


async def _resume(connection: Connection, streams: Mapping[str, Sequence[Stream]]) -> None:
    if connection.question.after is None:
        return
    cursors = connection.context.cursors
    position = cursors.open(connection.question.after, connection.bound_to)
    names = list(streams)
    if position.source not in names:
        raise CursorInvalid("after: the cursor's source is no longer configured; start again without it")
    key = connection.question.ordering.load(await cursors.unpack_key(position.key))
    place = (key, names.index(position.source), position.id)
    marks = await cursors.unpack(position.marks)
    for stream in (one for of_source in streams.values() for one in of_source):
        stream.resume(place, marks.get(stream.id))


async def edges_of(connection: Connection, taken: Sequence[Taken]) -> list[Edge]:
    """Rows as edges; page marks that are too long for a cursor go to the cache."""
    cursors, ordering = connection.context.cursors, connection.question.ordering
    packed: dict[int, Mapping[str, str]] = {}
    edges = []
    for one in taken:
        if id(one.marks) not in packed:
            packed[id(one.marks)] = await cursors.pack(one.marks)
        key = await cursors.pack_key(ordering.dump(one.row.key)) if ordering.has_text else None
        node = Node(one.row.resource.json, one.row.resource)
        edges.append(Edge(node, one.row, packed[id(one.marks)], connection, key))
    return edges


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
