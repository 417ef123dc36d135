"""`totalCount`: how many rows there are over all sources, or null where that cannot be said exactly."""

import asyncio
from collections.abc import Iterator

from msgspec.structs import replace

from resolvers.connection import Connection
from resolvers.field import FieldCall
from resolvers.hidden import hidden_filter
from resolvers.outcome import Completeness, completeness
from resolvers.plan import LABELS, SourcePlan, outcome_of
from resolvers.restriction import withheld_searches
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Filter, Search


async def total_count(call: FieldCall) -> int | None:
    """The sum of the sources' counts, less what is hidden, and what security labels withhold.

    Null where a source cannot count, the gateway filters, one row may come from two sources
    (patients), duplicates are collapsed, or a source is missing. Raises UpstreamError where a count
    fails and the caller does not ask how complete the list is.
    """
    connection: Connection = call.parent
    if connection.lookups is not None:
        return len(connection.nodes)
    try:
        return await _total(connection, call)
    except UpstreamError as error:
        call.context.note(outcome_of(error))
        if not connection.tells:
            raise
        return None


async def _total(connection: Connection, call: FieldCall) -> int | None:
    plans = connection.plans
    known = [*connection.outcomes, *(plan.outcome for plan in plans if plan.outcome)]
    if completeness(known) is Completeness.PARTIAL or connection.has_strays or connection.question.collapses:
        return None
    asked = [plan for plan in plans if plan.searches]
    if not all(plan.is_counted and plan.counts_hidden and not plan.keeps for plan in asked):
        return None
    is_labelled = bool(connection.context.permissions.labels.codes(connection.question.type))
    if connection.admits is not None or (is_labelled and not all(plan.counts_labelled for plan in asked)):
        return None
    if connection.question.type == "Patient" and not _counts_persons(connection, asked):
        return None
    call.context.tally.page(call.at, len({plan.upstream.name for plan in asked}), 0)
    signed = [(sign, plan, search) for plan in asked for sign, search in _counts(connection, plan)]
    loaders = call.context.loaders
    counts = await asyncio.gather(*(loaders.count(plan.upstream.name, one) for _, plan, one in signed))
    total = 0
    for (sign, _, _), count in zip(signed, counts, strict=True):
        if count is None:
            return None
        total += sign * count
    return total


def _counts_persons(connection: Connection, asked: list[SourcePlan]) -> bool:
    """Whether counted records are the persons listed: one place has them, the caller may see all, and
    none is left out because the query would tell what the person's record withholds."""
    is_one_place = len(connection.plans) == 1 and all(len(plan.searches) == 1 for plan in asked)
    tells_withheld = connection.question.codes & withheld_searches()
    return is_one_place and not connection.context.permissions.is_own_only and not tells_withheld


def _counts(connection: Connection, plan: SourcePlan) -> Iterator[tuple[int, Search]]:
    """What to count, and whether it adds or takes away."""
    hidden = None if connection.question.shows_hidden else hidden_filter(connection.question.type)
    labels = connection.context.permissions.labels.codes(connection.question.type)
    # By the code alone: a label that names no system withholds too.
    codes = tuple(dict.fromkeys(one.rpartition("|")[2] for one in labels))
    withheld = Filter(LABELS, codes) if codes else None
    for search in plan.searches:
        bare = replace(search, sort=(), count=0)
        yield 1, bare
        for sign, filters in _subtracted(hidden, withheld):
            yield sign, replace(bare, filters=(*bare.filters, *filters))


def _subtracted(hidden: Filter | None, withheld: Filter | None) -> Iterator[tuple[int, tuple[Filter, ...]]]:
    """What to take away; what is both would be taken away twice."""
    for one in (hidden, withheld):
        if one is not None:
            yield -1, (one,)
    if hidden is not None and withheld is not None:
        yield 1, (hidden, withheld)
