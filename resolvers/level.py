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
from resolvers.connection import OF_THE_PAGE, TELLING, Connection
from resolvers.context import RequestContext
from resolvers.field import FieldCall
from resolvers.outcome import OK
from resolvers.persons import Person
from resolvers.plan import SourcePlan
from resolvers.question import Question
from resolvers.reach import reaches_all
from resolvers.shape import Shape
from resolvers.upstreams.upstream import Declaring, Search, Upstream

_SITES_MAX: Final = 50

LevelKey = tuple[tuple[Hashable, ...], int, Permissions, int, int]
"""The lists with their arguments, and what else a plan follows from, besides the source."""


class Site(msgspec.Struct):
    """One list of a level, whoever it is of: `plan` without a search, `search` without a patient."""

    question: Question
    tells: bool
    plan: SourcePlan
    search: Search


class Level(msgspec.Struct):
    """The lists of a level in their order (one: of whomever it is asked for), and what they hold for."""

    sites: tuple[Site, ...]
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
    if len(calls) > 1:
        second = calls[1]
        if second.arguments is not arguments or second.about is not about:
            return _key_of_sites(context, calls)
        for one in calls:
            if one.arguments is not arguments or one.about is not about or one.selected is not first.selected:
                return _key_of_sites(context, calls)
    return _key_of_sites(context, (first,))


def _key_of_sites(context: RequestContext, calls: Sequence[FieldCall]) -> LevelKey | None:
    if len(calls) > _SITES_MAX:
        return None
    sites = tuple([(one.about, one.selected, *one.arguments.items()) for one in calls])
    return sites, id(context.shapes), context.permissions, context.first_max, context.pages_max


def planned_before(context: RequestContext, key: LevelKey, persons: Sequence[Any]) -> list[Connection] | None:
    """The lists of a level that was kept, of these persons; None where they are to be planned."""
    try:
        level: Level | None = context.levels.get(key)
    except TypeError:  # an argument has no hash
        return None
    if level is None or level.shapes is not context.shapes:
        return None
    (upstream,) = context.upstreams.values()
    if level.upstream is not upstream or level.declaring.declared is not level.declared:
        return None
    sites = level.sites if len(level.sites) == len(persons) else level.sites * len(persons)
    last = records = location = id_ = None
    made: list[Connection] = []
    for site, person in zip(sites, persons, strict=True):
        if person is not last:
            if type(person) is not Person or not _is_one_record(context, upstream.name, person):
                return None
            last, records = person, person.records
            location, id_ = records[0].location, records[0].id
        search = replace(site.search, location=location, patient=id_)
        plan = replace(site.plan, searches=(search,), records=records)
        made.append(Connection(site.question, person, context, [plan], tells=site.tells))
    return made


def _is_one_record(context: RequestContext, source: str, person: Person) -> bool:
    """Whether a person is one record of the source, where all that is about the person is to be asked for."""
    records = person.records
    if len(records) != 1 or records[0].source != source or person.former:
        return False
    outcome = person.outcomes.get(source)
    if outcome is not None and outcome.status is not OK:
        return False
    return source not in context.closed_to_restricted or not person.is_restricted


def keep_level(key: LevelKey, calls: Sequence[FieldCall], connections: Sequence[Connection]) -> None:
    """Keeps the plans that were made for a level, where they are the same for everybody."""
    context = calls[0].context
    (upstream,) = context.upstreams.values()
    declaring: Any = upstream
    if not isinstance(declaring, Declaring) or (declared := declaring.declared) is None:
        return
    if not all(map(_is_for_everybody, calls, connections)):
        return
    sites = tuple(map(_site, calls[: len(key[0])], connections))
    context.levels.keep(key, Level(sites, upstream, declaring, declared, context.shapes))


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
    (plan,) = connection.plans
    return Site(
        connection.question,
        not call.selected.isdisjoint(TELLING),
        replace(plan, searches=(), records=()),
        replace(plan.searches[0], patient=None),
    )
