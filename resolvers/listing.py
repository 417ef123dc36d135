"""Lists, many at once: planned together, fetched together, each answered as soon as it can be."""

from collections.abc import Sequence
from typing import Any, Final

from resolvers.connection import OF_THE_PAGE, TELLING, Connection, require, tell
from resolvers.context import RequestContext
from resolvers.errors import AnswerIncomplete
from resolvers.field import FieldCall
from resolvers.merging import load_merged
from resolvers.narrowed_shape import are_within
from resolvers.outcome import Answered
from resolvers.plan import Asked, plan_lists
from resolvers.straight import has_withheld, straight_page, straight_rows, takes_short_way
from resolvers.together import together
from resolvers.upstreams.upstream import Page, Search

_LISTS_A_TURN: Final = 4


async def connect(calls: Sequence[FieldCall], lists: Sequence[Asked]) -> Sequence[Any]:
    """The page of each list that a call asks for; no page where only a count is wanted.

    The lists come together where all may take the short way and their sources take many searches at once.
    Else each is an awaitable of its own: all are asked for in one tick, and what a list leads to waits for
    no other.
    """
    context = calls[0].context
    connections = await plan(context, lists)
    found: list[Any] = list(connections)
    paged = []
    for place, connection in enumerate(connections):
        selected = calls[place].selected
        connection.tells = not selected.isdisjoint(TELLING)
        if selected.isdisjoint(OF_THE_PAGE) and not connection.question.requires_complete:
            tell(context, [one.outcome for one in connection.plans if one.outcome], calls[place])
            context.tally.page(calls[place].at, 0, 0)
        else:
            paged.append(place)
    if len(paged) > 1 and all(map(_comes_with_others, [connections[place] for place in paged])):
        await take_short_way([connections[place] for place in paged])
    for place in paged:
        connection = connections[place]
        if connection.straight is None:
            found[place] = _page(connection, calls[place])
            continue
        try:
            _give_out(connection, calls[place])
        except AnswerIncomplete as problem:
            found[place] = problem
    return found


async def plan(context: RequestContext, lists: Sequence[Asked]) -> list[Connection]:
    """The connection of each list with each source's plan, nothing fetched yet."""
    plans = await together(*[plan_lists(one, lists, context) for one in context.upstreams.values()])
    return [
        Connection(
            one.question,
            one.person,
            context,
            [mine for mine in of_one if mine is not None],
            admits=one.admits,
            narrowing=one.narrowing,
        )
        for one, of_one in zip(lists, zip(*plans, strict=True), strict=True)
    ]


async def take_short_way(connections: Sequence[Connection]) -> None:
    """Makes each page of its sources' first pages, all fetched at once, where these are plain."""
    if not connections:
        return
    searches: dict[tuple[str, bool], list[Search]] = {}
    for connection in connections:
        for one in connection.plans:
            if one.searches:
                searches.setdefault((one.upstream.name, one.is_batched), []).extend(one.searches)
    context = connections[0].context
    answers = await together(
        *(
            context.loaders.search_all(name, ones, is_batched=batched)
            for (name, batched), ones in searches.items()
        )
    )
    pages = {key: iter(of) for key, of in zip(searches, answers, strict=True)}
    turns, labels, answered = context.turns, context.permissions.labels, Answered()
    for place, connection in enumerate(connections):
        if place % _LISTS_A_TURN == 0 and turns.is_over:
            await turns.take()
        asked: list[tuple[Search, Page | BaseException]] = []
        outcomes = []
        for one in connection.plans:
            if not one.searches:
                outcomes.append(one.outcome or answered.at(one.upstream.name, None))
                continue
            page = next(pages[one.upstream.name, one.is_batched])
            asked.append((one.searches[0], page))
            plain = page.plain if isinstance(page, Page) else None
            outcomes.append(answered.at(one.upstream.name, plain.retrieved_at if plain else None))
        if len(asked) == 1:
            straight = straight_page(connection.question, *asked[0])
        else:
            straight = straight_rows(connection.question, asked)
        if straight is None or has_withheld(labels, straight):
            continue
        narrowing = connection.narrowing
        if narrowing is not None and not all(are_within(one, narrowing) for one in straight.every):
            continue
        connection.straight, connection.has_next = straight, straight.has_next
        connection.outcomes = outcomes


async def _page(connection: Connection, call: FieldCall) -> Connection:
    """One list's page, the short way where that can be. Raises CursorInvalid."""
    if _is_short(connection):
        await take_short_way((connection,))
    if connection.straight is None:
        await load_merged(connection)
    _give_out(connection, call)
    return connection


def _comes_with_others(connection: Connection) -> bool:
    if not _is_short(connection):
        return False
    for one in connection.plans:  # noqa: SIM110  a generator costs more than all of the rest
        if one.searches and not one.is_batched:
            return False
    return True


def _is_short(connection: Connection) -> bool:
    """Whether the short way may lead to the list, and has not been tried."""
    if connection.admits is not None and connection.narrowing is None:
        return False
    return connection.straight is None and takes_short_way(connection.plans)


def _give_out(connection: Connection, call: FieldCall) -> None:
    """Notes what goes out and what is missing. Raises AnswerIncomplete."""
    if connection.question.requires_complete:
        require(connection.context, connection.outcomes)
    connection.disclose(call, connection.searched)
    tell(connection.context, connection.outcomes, call)
