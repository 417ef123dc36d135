"""Lists, many at once: planned together, fetched together, each answered as soon as it can be."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from resolvers.connection import OF_THE_PAGE, TELLING, Connection, require, tell
from resolvers.context import RequestContext
from resolvers.errors import AnswerIncomplete
from resolvers.field import FieldCall
from resolvers.merging import load_merged
from resolvers.narrowed_shape import are_within
from resolvers.outcome import Answered
from resolvers.plan import Asked, SourcePlan, plan_lists
from resolvers.straight import has_withheld, straight_page, straight_rows, takes_short_way
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Page, Search

_LISTS_A_TURN: Final = 4


async def connect(calls: Sequence[FieldCall], lists: Sequence[Asked]) -> Sequence[Any]:
    """The page of each list that a call asks for; no page where only a count is wanted.

    The lists come together where all may take the short way and their sources take many searches at once;
    one alone waits for no other. Else each is an awaitable of its own: all are asked for in one tick, and
    what a list leads to waits for no other.
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
    if len(paged) > 1:
        with_others = [connections[place] for place in paged]
        if all([_is_short(one, with_others=True) for one in with_others]):  # noqa: C419  a generator costs more
            await take_short_way(with_others)
    if len(calls) == 1 and paged:
        return [await _alone(connections[0], calls[0])]
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
    if len(plans) == 1:
        of_lists = [[mine] if mine is not None else [] for mine in plans[0]]
    else:
        of_lists = [[mine for mine in of_one if mine is not None] for of_one in zip(*plans, strict=True)]
    return [
        Connection(one.question, one.person, context, of_list, admits=one.admits, narrowing=one.narrowing)
        for one, of_list in zip(lists, of_lists, strict=True)
    ]


async def take_short_way(connections: Sequence[Connection]) -> None:
    """Makes each page of its sources' first pages, all fetched at once, where these are plain."""
    if not connections:
        return
    context = connections[0].context
    asked = [one for connection in connections for one in connection.plans if one.searches]
    pages = iter(await _first_pages(context, asked))
    turns, answered = context.turns, Answered()
    for place, connection in enumerate(connections):
        if place % _LISTS_A_TURN == 0 and turns.is_over:
            await turns.take()
        _make_straight(connection, pages, answered)


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


def _make_straight(connection: Connection, pages: Iterator[Page | UpstreamError], answered: Answered) -> None:
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
    if len(asked) == 1:
        straight = straight_page(connection.question, *asked[0])
    else:
        straight = straight_rows(connection.question, asked)
    if straight is None or has_withheld(connection.context.permissions.labels, straight):
        return
    narrowing = connection.narrowing
    if narrowing is not None and not all(are_within(one, narrowing) for one in straight.every):
        return
    connection.straight, connection.has_next = straight, straight.has_next
    connection.outcomes = outcomes


async def _alone(connection: Connection, call: FieldCall) -> Connection | Exception:
    """The only list's page, or why there is none."""
    try:
        await _page(connection, call)
    except Exception as problem:  # noqa: BLE001  told at the list's field
        return problem
    turns = connection.context.turns
    if turns.is_over:
        await turns.take()
    return connection


async def _page(connection: Connection, call: FieldCall) -> Connection:
    """One list's page, the short way where that can be. Raises CursorInvalid."""
    if _is_short(connection):
        await take_short_way((connection,))
    if connection.straight is None:
        await load_merged(connection)
    _give_out(connection, call)
    return connection


def _is_short(connection: Connection, *, with_others: bool = False) -> bool:
    """Whether the short way may lead to the list, and has not been tried."""
    if connection.admits is not None and connection.narrowing is None:
        return False
    return connection.straight is None and takes_short_way(connection.plans, with_others=with_others)


def _give_out(connection: Connection, call: FieldCall) -> None:
    """Notes what goes out and what is missing. Raises AnswerIncomplete."""
    if connection.question.requires_complete:
        require(connection.context, connection.outcomes)
    connection.disclose(call, connection.searched)
    tell(connection.context, connection.outcomes, call)
