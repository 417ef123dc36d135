"""Lists, many at once: planned together, fetched together, each answered as soon as it can be."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from permissions.narrowing import Narrowing
from resolvers.connection import OF_THE_PAGE, ROWS, TELLING, Connection, require, tell
from resolvers.context import RequestContext
from resolvers.field import FieldCall
from resolvers.merging import load_merged
from resolvers.narrowed_shape import are_within
from resolvers.outcome import OK, Answered, SourceOutcome
from resolvers.plan import Asked, SourcePlan, plan_lists
from resolvers.straight import Straight, straight_page, straight_rows, takes_short_way
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Page, Search

_LISTS_A_TURN: Final = 4
_ROWS_A_TURN: Final = 200
"""Rows of plain pages that are looked at in about a millisecond: fewer are not worth a turn."""


async def connect(calls: Sequence[FieldCall], lists: Sequence[Asked]) -> Sequence[Any]:
    """The page of each list that a call asks for; no page where only a count is wanted.

    The lists come together where all may take the short way and their sources take many searches at once;
    one alone waits for no other. Else each is an awaitable of its own: all are asked for in one tick, and
    what a list leads to waits for no other.
    """
    return await give(calls, await plan(calls[0].context, lists))


async def give(calls: Sequence[FieldCall], connections: Sequence[Connection]) -> Sequence[Any]:
    """The same of lists that are planned."""
    context, is_alone = calls[0].context, len(calls) == 1
    found: list[Any] = list(connections)
    paged, is_short = _paged(calls, connections)
    if is_alone and paged:
        try:
            await _load(connections[0])
        except Exception as problem:  # noqa: BLE001  told at the list's field
            return [problem]
    elif is_short and len(paged) > 1:
        is_whole = len(paged) == len(connections)
        await take_short_way(connections if is_whole else [connections[place] for place in paged])
    noted: SourceOutcome | None = None
    for place in paged:
        connection, call = connections[place], calls[place]
        straight, person, outcomes = connection.straight, connection.person, connection.outcomes
        if straight is None and not is_alone:
            found[place] = give_one(connection, call)
        elif (
            straight is None
            or (page := straight.page) is None
            or person is None
            or len(outcomes) > 1
            or connection.question.requires_complete
        ):
            try:
                _give_out(connection, call)
            except Exception as problem:  # noqa: BLE001  told at the list's field
                found[place] = problem
        else:  # the same for a page that is of one source, which has answered, and about one person
            given = 0 if call.selected.isdisjoint(ROWS) else len(straight.rows)
            if given:
                context.disclosures.note(person.id, page.type, page.source, given)
            context.tally.page(call.at, 1, given)
            if outcomes[0] is not noted:  # those that came together share one
                noted = outcomes[0]
                context.note(noted)
    if is_alone and paged and context.turns.is_over:
        await context.turns.take()
    return found


def _paged(calls: Sequence[FieldCall], connections: Sequence[Connection]) -> tuple[list[int], bool]:
    """The places of the lists of which a page is wanted, and whether the short way may lead to all of them
    together. Of the others is told what is missing."""
    paged: list[int] = []
    selected, tells, is_of_page, is_short = None, False, False, True
    for place, (call, connection) in enumerate(zip(calls, connections, strict=True)):
        if call.selected is not selected:
            selected = call.selected
            tells, is_of_page = not selected.isdisjoint(TELLING), not selected.isdisjoint(OF_THE_PAGE)
        connection.tells = tells
        if not is_of_page and not connection.question.requires_complete:
            tell(call.context, [one.outcome for one in connection.plans if one.outcome], call)
            call.context.tally.page(call.at, 0, 0)
            continue
        paged.append(place)
        plans = connection.plans
        if len(plans) != 1 or not plans[0].is_short or not plans[0].is_batched:
            is_short = is_short and takes_short_way(plans, with_others=True)
        if connection.admits is not None and connection.narrowing is None:
            is_short = False
    return paged, is_short


async def plan(context: RequestContext, lists: Sequence[Asked]) -> list[Connection]:
    """The connection of each list with each source's plan, nothing fetched yet."""
    upstreams = context.upstreams
    if len(upstreams) == 1:
        (only,) = upstreams.values()
        of_lists = [[mine] if mine is not None else [] for mine in await plan_lists(only, lists, context)]
    else:
        plans = await together(*[plan_lists(one, lists, context) for one in upstreams.values()])
        of_lists = [[mine for mine in of_one if mine is not None] for of_one in zip(*plans, strict=True)]
    return [
        Connection(one.question, one.person, context, of_list, admits=one.admits, narrowing=one.narrowing)
        for one, of_list in zip(lists, of_lists, strict=True)
    ]


async def take_short_way(connections: Sequence[Connection]) -> None:
    """Makes each page of its sources' first pages, all fetched at once, where these are plain.

    Each list is one that `takes_short_way` names.
    """
    if not connections:
        return
    context = connections[0].context
    turns = context.turns
    if len(context.upstreams) > 1:
        asked = [one for connection in connections for one in connection.plans if one.searches]
        coming, answered = iter(await _first_pages(context, asked)), Answered()
        for place, connection in enumerate(connections):
            if place % _LISTS_A_TURN == 0 and turns.is_over:
                await turns.take()
            _make_of_several(connection, coming, answered)
        return
    first = connections[0].plans[0]
    name, searches = first.upstream.name, [one.plans[0].searches[0] for one in connections]
    pages = await context.loaders.search_all(name, searches, is_batched=first.is_batched)
    outcome, labels, rows = SourceOutcome(name, OK), context.permissions.labels, 0
    for connection, search, page in zip(connections, searches, pages, strict=True):
        if rows > _ROWS_A_TURN:
            rows = 0
            if turns.is_over:
                await turns.take()
        straight = straight_page(connection.question, search, page, labels)
        if straight is None or (plain := straight.page) is None:
            continue
        if connection.narrowing is not None and not _is_within(connection.narrowing, straight):
            continue
        if plain.retrieved_at is not outcome.retrieved_at:  # what came together is as old, and shares one
            outcome = SourceOutcome(plain.source, OK, None, plain.retrieved_at)
        connection.straight, connection.has_next, connection.outcomes = straight, straight.has_next, [outcome]
        rows += len(plain.rows)


async def _first_pages(
    context: RequestContext, asked: Sequence[SourcePlan]
) -> Sequence[Page | UpstreamError]:
    """The page of each plan's one search; an error stands in the place of its page."""
    search_all = context.loaders.search_all
    upstream, is_batched = asked[0].upstream, asked[0].is_batched
    elsewhere = [one for one in asked if one.upstream is not upstream or one.is_batched is not is_batched]
    if not elsewhere:
        searches = [one.searches[0] for one in asked]
        return await search_all(upstream.name, searches, is_batched=is_batched)
    groups: dict[tuple[str, bool], list[Search]] = {}
    for one in asked:
        groups.setdefault((one.upstream.name, one.is_batched), []).append(one.searches[0])
    answers = await together(
        *(search_all(name, ones, is_batched=batched) for (name, batched), ones in groups.items())
    )
    pages = {key: iter(of) for key, of in zip(groups, answers, strict=True)}
    return [next(pages[one.upstream.name, one.is_batched]) for one in asked]


def _make_of_several(
    connection: Connection, pages: Iterator[Page | UpstreamError], answered: Answered
) -> None:
    """Makes the list's page of the next pages, one for each search, where these are plain."""
    asked: list[tuple[Search, Page | BaseException]] = []
    outcomes = []
    for one in connection.plans:
        if not one.searches:
            outcomes.append(one.outcome or answered.at(one.upstream.name, None))
            continue
        page = next(pages)
        asked.append((one.searches[0], page))
        plain = page.plain if isinstance(page, Page) else None
        outcomes.append(answered.at(one.upstream.name, plain.retrieved_at if plain else None))
    labels = connection.context.permissions.labels
    if len(asked) == 1:
        straight = straight_page(connection.question, *asked[0], labels)
    else:
        straight = straight_rows(connection.question, asked, labels)
    if straight is None:
        return
    if connection.narrowing is not None and not _is_within(connection.narrowing, straight):
        return
    connection.straight, connection.has_next = straight, straight.has_next
    connection.outcomes = outcomes


def _is_within(narrowing: Narrowing, straight: Straight) -> bool:
    """Whether the caller's scopes reach every row of the pages."""
    return all(are_within(one, narrowing) for one in straight.every)


async def give_one(connection: Connection, call: FieldCall) -> Connection:
    """One list's page. Raises CursorInvalid, AnswerIncomplete."""
    await _load(connection)
    _give_out(connection, call)
    return connection


async def _load(connection: Connection) -> None:
    """Makes one list's page, the short way where that can be. Raises CursorInvalid."""
    is_open = connection.admits is None or connection.narrowing is not None
    if connection.straight is None and is_open and takes_short_way(connection.plans):
        await take_short_way((connection,))
    if connection.straight is None:
        await load_merged(connection)


def _give_out(connection: Connection, call: FieldCall) -> None:
    """Notes what goes out and what is missing. Raises AnswerIncomplete."""
    if connection.question.requires_complete:
        require(connection.context, connection.outcomes)
    connection.disclose(call, connection.searched)
    tell(connection.context, connection.outcomes, call)
