"""The long way to a page: every source's rows as a stream, each looked at closely, merged in one order."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from resolvers.connection import Connection
from resolvers.edge import edges_of
from resolvers.errors import CursorInvalid
from resolvers.hidden import is_entered_in_error
from resolvers.merge import Merge
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.plan import SourcePlan, outcome_of
from resolvers.resource import Resource
from resolvers.stream import Admit, Stream
from resolvers.visibility import is_about


async def load_merged(connection: Connection) -> None:
    """Fills the connection with its page. Raises CursorInvalid."""
    merge = await open_merge(connection)
    taken = await merge.take(connection.question.first)
    connection.has_next = await merge.has_more()
    connection.outcomes = outcomes_after(connection, merge)
    connection.edges = await edges_of(taken, connection.question, connection.sealer, connection.context)


async def open_merge(connection: Connection) -> Merge:
    """The merge of a connection's streams, gone on from its cursor. Raises CursorInvalid."""
    context, _question = connection.context, connection.question
    connection.streams = {
        plan.upstream.name: _streams(plan, rank, connection) for rank, plan in enumerate(connection.plans)
    }
    await _resume(connection, connection.streams)
    every = [stream for of_source in connection.streams.values() for stream in of_source]
    connection.merge = Merge(every, context.loaders)
    return connection.merge


def outcomes_after(connection: Connection, merge: Merge) -> list[SourceOutcome]:
    """How each source did its part."""
    streams = connection.streams
    return [_outcome(plan, streams[plan.upstream.name], merge) for plan in connection.plans]


def _streams(plan: SourcePlan, rank: int, connection: Connection) -> list[Stream]:
    streams, question = [], connection.question
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
        stream.admit = _admission(plan, connection, record)
        stream.problems.extend(plan.problems)
        streams.append(stream)
    return streams


def _admission(plan: SourcePlan, connection: Connection, record: Resource | None) -> Admit:
    """All that a row must satisfy. A row about somebody else is a fault of the source, and is told."""
    question, admits = connection.question, connection.admits
    withhold = connection.context.permissions.labels.withhold

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
        if not all(test(resource) for test in plan.keeps):
            return False
        # A person's rows are looked at as the person's, with all of the person's records.
        if question.type == "Patient":
            return True
        return not withhold(resource.json, resource.type) and (admits is None or admits(resource))

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
