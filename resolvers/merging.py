"""The long way to a page: every source's rows as a stream, each looked at closely, merged in one order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from clinical.dates import EARLIEST
from clinical.hidden import hidden_test
from resolvers.changed import says_when_changed
from resolvers.collapse import Collapsed, resumes_at
from resolvers.connection import Connection
from resolvers.edge import edges_of
from resolvers.errors import CursorInvalid
from resolvers.merge import Merge
from resolvers.ordering import Place
from resolvers.outcome import STALE_ANSWER, SourceOutcome, SourceStatus
from resolvers.plan import SourcePlan, outcome_of
from resolvers.question import CHANGED, Question
from resolvers.resource import Resource
from resolvers.stream import Admit, Stream
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.upstream import Filter, Search
from resolvers.visibility import is_about

_MARGIN: Final = timedelta(days=2)
_MISSED: Final = "the source missed an earlier page; its rows that belong before this page are not given"


async def load_merged(connection: Connection, *, is_short: bool = False) -> None:
    """Fills the connection with its page; `is_short`: with what the first page of each source that sorts has
    of it. Raises CursorInvalid."""
    rows = await open_merge(connection)
    question = connection.question
    streams = [one for of_source in connection.streams.values() for one in of_source]
    for one in streams:
        one.is_short = is_short
    taken = await rows.take(question.first)
    has_more = await rows.has_more()
    show_page(connection, has_more=has_more or any(one.has_left for one in streams))
    if question.is_backward:
        taken.reverse()
    connection.edges = await edges_of(
        taken, question, connection.sealer, connection.context, connection.missed
    )


def show_page(connection: Connection, *, has_more: bool) -> None:
    """Notes what lies around a page that has been read, and how each source did its part."""
    if connection.question.is_backward:
        connection.has_more_before = has_more
        connection.has_next = connection.question.before is not None
    else:
        connection.has_next = has_more
    connection.outcomes = outcomes_after(connection)


async def open_merge(connection: Connection, *, is_by_source: bool = False) -> Merge | Collapsed:
    """The rows of a connection's sources in order, gone on from its cursor. Raises CursorInvalid.

    `is_by_source`: all rows of a source come before those of the next.
    """
    question, start = connection.question, await _start(connection)
    streams = {
        plan.upstream.name: _streams(plan, rank, connection, start)
        for rank, plan in enumerate(connection.plans)
    }
    connection.streams = streams
    every = [stream for of_source in streams.values() for stream in of_source]
    if is_by_source and question.is_backward:
        every.reverse()
    marks = {one.id: start.marks[one.id] for one in every if one.id in start.marks} if start else {}
    if start is not None:
        for one in every:
            one.resume(start.begins, marks.get(one.id))
    merge = connection.merge = Merge(every, connection.context.loaders, marks, is_by_source=is_by_source)
    if not question.collapses:
        return merge
    after, is_single = (start.after, start.is_single) if start else (None, False)
    return Collapsed(merge, after, is_single=is_single, is_backward=question.is_backward)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a cursor stands: `after` which place rows are given, and from where on they have to be read."""

    after: Place
    begins: Place
    marks: Mapping[str, str]
    is_single: bool


async def _start(connection: Connection) -> _Start | None:
    """Where the page begins; None: with the first row."""
    connection.missed = connection.unasked
    question, cursors = connection.question, connection.context.cursors
    if question.cursor is None:
        return None
    position = connection.sealer.open(question.cursor)
    connection.missed |= connection.sealer.missed(position)
    names = [plan.upstream.name for plan in connection.plans]
    if position.source not in names:
        raise CursorInvalid("after: the cursor's source is no longer configured; start again without it")
    ordering = question.direction
    key = ordering.load(await cursors.unpack_key(position.key))
    place = ordering.place_of(key, names.index(position.source), position.id)
    begins = resumes_at(position, place, ordering) if question.collapses else place
    return _Start(place, begins, await cursors.unpack(position.marks), position.is_single)


def outcomes_after(connection: Connection) -> list[SourceOutcome]:
    """How each source did its part of what has been read."""
    streams, merge = connection.streams, connection.merge
    assert merge is not None
    outcomes = [_outcome(plan, streams[plan.upstream.name], merge) for plan in connection.plans]
    return [
        replace(one, status=SourceStatus.PARTIAL, message=_MISSED, code="UPSTREAM_UNAVAILABLE")
        if one.status is SourceStatus.OK and one.source in connection.missed and plan.searches
        else one
        for one, plan in zip(outcomes, connection.plans, strict=True)
    ]


def _streams(plan: SourcePlan, rank: int, connection: Connection, start: _Start | None) -> list[Stream]:
    streams, question = [], connection.question
    for search, record in zip(plan.searches, plan.records, strict=True):
        asked, is_sorted = search, plan.is_sorted
        if question.is_backward and plan.is_sorted:
            asked, is_sorted = _from_end(search, plan, question, start)
        stream = Stream(
            plan.upstream.name,
            rank,
            asked,
            question.direction,
            is_sorted=is_sorted,
            is_sorted_by_id=plan.is_sorted_by_id and is_sorted,
            is_batched=plan.is_batched,
            is_backward=question.is_backward,
            pages_max=plan.pages_max,
        )
        stream.admit = _admission(plan, connection, record)
        stream.problems.extend(plan.problems)
        streams.append(stream)
    return streams


def _from_end(
    search: Search, plan: SourcePlan, question: Question, start: _Start | None
) -> tuple[Search, bool]:
    """How a source is asked for a list from its end, and whether it then sorts: what comes before a row of a
    date is asked for from about that date on; what comes before an undated row takes a whole walk."""
    abilities, ordering = plan.abilities, question.direction
    if start is None or abilities is None:
        return search, True
    if ordering.is_undated(start.after[0]):
        return replace(search, sort=(), count=abilities.page_size_max), False
    found = question.ordering.newer_than(question.ordering.load(ordering.dump(start.after[0])))
    if found is None or found[0] not in abilities.parameters or found[1] - EARLIEST < _MARGIN:
        return search, True
    # A day is another day in another time zone: the margin's rows are left out again by their place.
    since = (found[1] - _MARGIN).isoformat(timespec="seconds").replace("+00:00", "Z")
    return replace(search, filters=(*search.filters, Filter(found[0], (f"ge{since}",)))), True


def _admission(plan: SourcePlan, connection: Connection, record: Resource | None) -> Admit:
    """All that a row must satisfy. A row about somebody else is a fault of the source, and is told."""
    question, admits = connection.question, connection.admits
    withhold = connection.context.permissions.labels.withhold
    known = plan.abilities.parameters if plan.abilities else frozenset()
    is_hidden = None if question.shows_hidden else hidden_test(question.type)
    is_dated_here = question.changed_since is not None and CHANGED not in known

    def admit(resource: Resource, stream: Stream) -> bool:
        if resource.type != question.type:
            return False
        if record is not None and not is_about(resource, record):
            stream.note_problem("the source sent a resource that is not about this patient; it is left out")
            return False
        if is_dated_here and not _counts_as_dated(resource, stream):
            return False
        if is_hidden is not None and is_hidden(resource.json):
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


def _counts_as_dated(resource: Resource, stream: Stream) -> bool:
    """Whether a record tells when it changed; counted, as it is not known of others whether they have."""
    is_dated = says_when_changed(resource)
    stream.counts_changed[not is_dated] += 1
    return is_dated


def _undated_outcome(source: str, streams: Sequence[Stream]) -> SourceOutcome | None:
    """What is told of a source that neither searches by when records changed, nor says so in all of them."""
    dated, undated = (sum(one.counts_changed[at] for one in streams) for at in (0, 1))
    if not undated:
        return None
    if not dated:
        return outcome_of(SearchNotSupported(source, "the source does not tell when its records changed"))
    message = "some records do not tell when they changed; they are left out"
    return SourceOutcome(source, SourceStatus.PARTIAL, message, code="SEARCH_NOT_SUPPORTED")


def _outcome(plan: SourcePlan, streams: Sequence[Stream], merge: Merge) -> SourceOutcome:
    name = plan.upstream.name
    if plan.outcome is not None:
        return plan.outcome
    failures = [merge.failures[one.id] for one in streams if one.id in merge.failures]
    times = [one.retrieved_at for one in streams if one.retrieved_at]
    retrieved_at: datetime = max(times) if times else datetime.now(UTC)
    answered = any(one.has_answered for one in streams)
    if failures and (not answered or isinstance(failures[0], SearchNotSupported)):
        return outcome_of(failures[0])
    if (undated := _undated_outcome(name, streams)) is not None:
        return replace(undated, retrieved_at=retrieved_at)
    problems = [problem for one in streams for problem in one.problems]
    if failures or problems:
        first: Any = failures[0] if failures else None
        if first is None and set(problems) == {STALE_ANSWER}:
            return SourceOutcome(name, SourceStatus.STALE, STALE_ANSWER, retrieved_at, "UPSTREAM_UNAVAILABLE")
        message = first.message if first else problems[0]
        code = first.code if first else "UPSTREAM_INVALID_RESPONSE"
        return SourceOutcome(name, SourceStatus.PARTIAL, message, retrieved_at, code)
    return SourceOutcome(name, SourceStatus.OK, None, retrieved_at)
