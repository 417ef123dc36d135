"""How the lists of one level of an operation are asked for, worked out once and kept.

A level are the lists that are asked for together: several of one person, or one of each of some persons. Kept
is how one source is asked for lists of which the caller may see every row, where its first pages may be all
(`resolvers.straight`); a request only fills in whom they are about. What is kept tells nothing of anybody,
and holds while the source is known to be able to do the same.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from permissions.decision import Permissions
from resolvers.connection import OF_THE_PAGE, ROWS, TELLING, Connection
from resolvers.context import RequestContext
from resolvers.field import FieldCall
from resolvers.listing import give_one
from resolvers.outcome import OK, SourceOutcome
from resolvers.persons import Person
from resolvers.reach import reaches_all
from resolvers.shape import Shape
from resolvers.site import Site
from resolvers.straight import first_rows
from resolvers.upstreams.upstream import Declaring, PreparedSearches, Preparing, Upstream

_SITES_MAX: Final = 50
_ROWS_A_TURN: Final = 200
"""Rows of plain pages that are looked at in about a millisecond: fewer are not worth a turn."""

LevelKey = tuple[tuple[Hashable, ...], int, Permissions, int, int]
"""The lists with their arguments, and what else a plan follows from, besides the source."""


class Level(msgspec.Struct):
    """The lists of a level in their order (one: of whomever it is asked for), and what they hold for."""

    sites: tuple[Site, ...]
    searches: PreparedSearches
    upstream: Upstream
    declaring: Declaring
    """The same."""
    declared: object
    shapes: Mapping[str, Shape]


def key_of_level(calls: Sequence[FieldCall]) -> LevelKey | None:
    """The key of some lists' plans; None where they are planned each time."""
    first = calls[0]
    context, arguments, about = first.context, first.arguments, first.about
    if len(context.upstreams) != 1:
        return None
    is_alike = True
    if len(calls) > 1:
        for one in calls:
            if one.arguments is not arguments or one.about is not about or one.selected is not first.selected:
                is_alike = False
                break
    if not is_alike and len(calls) > _SITES_MAX:
        return None
    told: list[tuple[Hashable, ...]] = []
    for one in calls[:1] if is_alike else calls:
        told.append((one.about, one.selected, *one.arguments.items()))  # noqa: PERF401  costs less, for few
    return tuple(told), id(context.shapes), context.permissions, context.first_max, context.pages_max


async def give_as_before(
    key: LevelKey, calls: Sequence[FieldCall], persons: Sequence[Any]
) -> Sequence[Any] | None:
    """The page of each list of a level that was kept, of these persons; None where they are to be planned."""
    context = calls[0].context
    try:
        level: Level | None = context.levels.get(key)
    except TypeError:  # an argument has no hash
        return None
    if level is None or level.shapes is not context.shapes:
        return None
    name = level.upstream.name
    if context.upstreams.get(name) is not level.upstream or level.declaring.declared is not level.declared:
        return None
    patients = _patients(context, level, persons)
    if patients is None:
        return None
    asked = patients if len(level.sites) == len(calls) else list(dict.fromkeys(patients))
    found = await context.loaders.first_pages(name, level.searches, asked)
    if found is None:
        return None
    plains = found.plain
    if len(asked) < len(patients):  # several places lead to one person
        of = dict(zip(asked, plains, strict=True))
        plains = [of[one] for one in patients]
    sites = level.sites if len(level.sites) == len(calls) else level.sites * len(calls)
    note, tally_page, labels = context.disclosures.note, context.tally.page, context.permissions.labels
    turns, noted, rows = context.turns, None, 0
    given: list[Any] = []
    for call, person, patient, site, plain in zip(calls, persons, patients, sites, plains, strict=True):
        if rows > _ROWS_A_TURN:
            rows = 0
            if turns.is_over:
                await turns.take()
        question = site.question
        connection = Connection(question, person, context, None, tells=site.tells, site=site)
        straight = None
        if plain is not None:
            straight = first_rows(question.first, site.shape, f"Patient/{patient}", plain, labels)
        if straight is None or plain is None:
            given.append(give_one(connection, call))
            continue
        count = len(straight.rows)
        rows += count
        if noted is None:  # what came together is as old, and shares one
            noted = SourceOutcome(name, OK, None, plain.retrieved_at)
            context.note(noted)
        connection.straight, connection.has_next, connection.outcomes = straight, straight.has_next, [noted]
        if count and site.gives_rows:
            note(person.id, plain.type, name, count)
        tally_page(call.at, 1, count if site.gives_rows else 0)
        given.append(connection)
    if rows > _ROWS_A_TURN and turns.is_over:
        await turns.take()
    return given


def _patients(context: RequestContext, level: Level, persons: Sequence[Any]) -> list[str] | None:
    """The ids of persons in the source; None where one of them is not one record there, or not all about
    them may be asked for, or they are to be asked for elsewhere."""
    source, location, last = level.upstream.name, level.searches.location, None
    patients: list[str] = []
    id_ = ""
    for person in persons:
        if person is not last:
            if type(person) is not Person or len(person.records) != 1 or person.former:
                return None
            record, outcome, last = person.records[0], person.outcomes.get(source), person
            if record.source != source or record.location is not location:
                return None
            if outcome is not None and outcome.status is not OK:
                return None
            if source in context.closed_to_restricted and person.is_restricted:
                return None
            id_ = record.id
        patients.append(id_)
    return patients


def keep_level(key: LevelKey, calls: Sequence[FieldCall], connections: Sequence[Connection]) -> None:
    """Keeps how a level is asked for, where that is the same for everybody."""
    context = calls[0].context
    (upstream,) = context.upstreams.values()
    declaring: Any = upstream
    if not isinstance(declaring, Declaring) or (declared := declaring.declared) is None:
        return
    if not isinstance(declaring, Preparing) or not all(map(_is_for_everybody, calls, connections)):
        return
    sites = tuple(map(_site, calls[: len(key[0])], connections))
    location = upstream.locations()[0]
    searches = declaring.prepare([replace(one.search, location=location) for one in sites])
    if searches is not None:
        context.levels.keep(key, Level(sites, searches, upstream, declaring, declared, context.shapes))


def _is_for_everybody(call: FieldCall, connection: Connection) -> bool:
    """Whether a list is asked for in the same way whoever it is of, and by the short way."""
    question, plans = connection.question, connection.plans
    if question.codes or question.narrowings or question.requires_complete or connection.admits is not None:
        return False
    if len(plans) != 1 or not plans[0].is_short or not plans[0].is_batched or len(plans[0].searches) != 1:
        return False
    is_paged = not call.selected.isdisjoint(OF_THE_PAGE)
    return connection.person is not None and is_paged and reaches_all(call, question)


def _site(call: FieldCall, connection: Connection) -> Site:
    (plan,), selected = connection.plans, call.selected
    (search,) = plan.searches
    assert search.shape is not None, "the short way needs one"
    return Site(
        connection.question,
        not selected.isdisjoint(TELLING),
        not selected.isdisjoint(ROWS),
        replace(plan, searches=(), records=()),
        replace(search, patient=None),
        search.shape,
    )
