"""Lists, many at once: planned together, fetched together, each answered as soon as it can be."""

from collections.abc import Sequence
from typing import Any

from resolvers.connection import OF_THE_PAGE, TELLING, Connection, tell
from resolvers.context import RequestContext
from resolvers.field import FieldCall
from resolvers.merging import load_merged
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.plan import Asked, SourcePlan, plan_lists
from resolvers.straight import straight_rows, takes_short_way
from resolvers.together import together
from resolvers.upstreams.upstream import Page, Search


async def connect(calls: Sequence[FieldCall], lists: Sequence[Asked]) -> Sequence[Any]:
    """The page of each list that a call asks for; no page where only a count is wanted.

    The lists come together where all may take the short way and their sources take many searches at once.
    Else each is an awaitable of its own: all are asked for in one tick, and what a list leads to waits for
    no other.
    """
    connections = await plan(calls[0].context, lists)
    found: list[Any] = list(connections)
    paged = []
    for place, (call, connection) in enumerate(zip(calls, connections, strict=True)):
        connection.tells = bool(call.selected & TELLING)
        if call.selected & OF_THE_PAGE:
            paged.append(place)
        else:
            tell(call.context, [one.outcome for one in connection.plans if one.outcome], call)
    if len(paged) > 1 and all(_comes_with_others(connections[place]) for place in paged):
        await take_short_way([connections[place] for place in paged])
    for place in paged:
        connection, call = connections[place], calls[place]
        if connection.straight is None:
            found[place] = _page(connection, call)
        else:
            _give_out(connection, call)
    return found


async def plan(context: RequestContext, lists: Sequence[Asked]) -> list[Connection]:
    """The connection of each list with each source's plan, nothing fetched yet."""
    plans = await together(*(plan_lists(one, lists, context) for one in context.upstreams.values()))
    return [
        Connection(question, person, context, [one for one in mine if one is not None])
        for (question, person), mine in zip(lists, zip(*plans, strict=True), strict=True)
    ]


async def take_short_way(connections: Sequence[Connection]) -> None:
    """Makes each page of its sources' first pages, all fetched at once, where these are plain."""
    if not connections:
        return
    searches: dict[tuple[str, bool], list[Search]] = {}
    for connection in connections:
        for one in connection.plans:
            searches.setdefault((one.upstream.name, one.is_batched), []).extend(one.searches)
    loaders = connections[0].context.loaders
    asked = [(name, batched, ones) for (name, batched), ones in searches.items() if ones]
    answers = await together(
        *(loaders.search_all(name, ones, is_batched=batched) for name, batched, ones in asked)
    )
    pages = {(name, batched): iter(of) for (name, batched, _), of in zip(asked, answers, strict=True)}
    turns = connections[0].context.turns
    for connection in connections:
        if turns.is_over:
            await turns.take()
        given = [
            (one, one.searches[0], next(pages[one.upstream.name, one.is_batched]))
            for one in connection.plans
            if one.searches
        ]
        straight = straight_rows(connection.question, [(search, page) for _, search, page in given])
        if straight is not None:
            at = {one.upstream.name: page for one, _, page in given}
            connection.take(straight, [_outcome(one, at.get(one.upstream.name)) for one in connection.plans])


async def _page(connection: Connection, call: FieldCall) -> Connection:
    """One list's page, the short way where that can be. Raises CursorInvalid."""
    if _is_short(connection):
        await take_short_way((connection,))
    if connection.straight is None:
        await load_merged(connection)
    _give_out(connection, call)
    return connection


def _comes_with_others(connection: Connection) -> bool:
    return _is_short(connection) and all(one.is_batched for one in connection.plans if one.searches)


def _is_short(connection: Connection) -> bool:
    return connection.straight is None and takes_short_way(connection.question, connection.plans)


def _give_out(connection: Connection, call: FieldCall) -> None:
    connection.disclose(call.selected)
    tell(connection.context, connection.outcomes, call)


def _outcome(one: SourcePlan, page: Page | BaseException | None) -> SourceOutcome:
    """How a source did its part that gave a plain page, or was not asked."""
    if one.outcome is not None:
        return one.outcome
    plain = page.plain if isinstance(page, Page) else None
    return SourceOutcome(one.upstream.name, SourceStatus.OK, None, plain.retrieved_at if plain else None)
