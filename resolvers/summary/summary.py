"""`Patient.summary`: sections of rows, each source asked once for each type."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from resolvers.connection import TELLING, Connection, tell
from resolvers.context import RequestContext
from resolvers.errors import ArgumentInvalid
from resolvers.field import Batched, FieldCall
from resolvers.given import note_resources
from resolvers.listing import plan
from resolvers.merging import load_merged
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.persons import Person
from resolvers.plan import SourcePlan
from resolvers.question import question_of
from resolvers.reach import reached
from resolvers.resource import Node, Resource
from resolvers.summary import medicines
from resolvers.summary.rows import Preferred, Row
from resolvers.summary.section import PAGE, SECTIONS, Found, Section, arranged, read
from resolvers.upstreams.errors import UpstreamError

FIRST_MAX = 50


class Summary(NamedTuple):
    """A patient's summary; `tells`: the client asks how complete its sections are."""

    patient: Node
    tells: bool


class _Part(NamedTuple):
    """What the sources hold of one type for one section: resources and outcomes, by source."""

    resources: Sequence[Resource]
    outcomes: Mapping[str, SourceOutcome]
    has_more: bool


def summary(call: FieldCall) -> Summary:
    """The resolver of `Patient.summary`: nothing is fetched but for its sections."""
    return Summary(call.parent, "sections" in call.selected)


class Wanted(NamedTuple):
    """What a field tells: the rows of a section, or (None) what every section says; and in whose words."""

    section: str | None
    preferred: Preferred


def rows_of(name: str, preferred: Preferred) -> Batched:
    """The rows of one section."""
    return Batched(_answers, Wanted(name, preferred))


def states(preferred: Preferred) -> Batched:
    """What every section that the caller may see says, with rows or without."""
    return Batched(_answers, Wanted(None, preferred))


async def _answers(calls: Sequence[FieldCall]) -> Sequence[Any]:
    """Sections of any patients, all fetched together."""
    persons = await calls[0].context.identity.of_records([one.parent.patient.resource for one in calls])
    return await asyncio.gather(*map(_answer, calls, persons), return_exceptions=True)


async def _answer(call: FieldCall, person: Person | UpstreamError) -> Any:
    if isinstance(person, UpstreamError):
        raise person
    wanted: Wanted = call.about
    if wanted.section is None:
        return await _states(call, person)
    section = SECTIONS[wanted.section]
    first = _first(call, section)
    made = await _found(call, section, person)
    if made is None:
        return None
    shown: list[Row] = made.rows[:first]
    call.context.tally.page(call.at, made.searched, len(shown))
    note_resources(call.context.disclosures, person.id, [row["_of"] for row in shown])
    return shown


async def _states(call: FieldCall, person: Person) -> list[Found | None]:
    permitted = [one for one in SECTIONS.values() if _is_permitted(call, one)]
    found = list(await asyncio.gather(*(_found(call, one, person) for one in permitted)))
    searched = sum(one.searched for one in found if one is not None)
    call.context.tally.page(call.at, searched, len(found))
    return found


def _first(call: FieldCall, section: Section) -> int:
    first, most = call.arguments.get("first"), min(FIRST_MAX, call.context.first_max)
    if first is None:
        return section.first
    if not 0 <= first <= most:
        raise ArgumentInvalid(f"first: must be between 0 and {most}")
    return int(first)


def _types(context: RequestContext, section: Section) -> list[str]:
    return [one for one in section.types if one in context.served_types]


def _told(context: RequestContext, section: Section, type_: str) -> frozenset[str]:
    """The ruled fields of which the rows of a type tell."""
    others = tuple(f"{one}." for one in section.types if one != type_)
    rules = context.permissions.rules
    return frozenset(one for one in section.tells if one in rules and not one.startswith(others))


def _is_permitted(call: FieldCall, section: Section) -> bool:
    context = call.context
    types = _types(context, section)
    reaches = context.permissions.reaches
    return bool(types) and all(reaches("s", one, _told(context, section, one)) for one in types)


async def _found(call: FieldCall, section: Section, person: Person) -> Found | None:
    """One section of one person; None, and told, where the scopes do not permit it."""
    context, asked = call.context, []
    for type_ in _types(context, section):
        first = await _page_size(context, type_)
        question = question_of(type_, {**section.arguments(), "first": first})
        one = await reached(call, question, person, _told(context, section, type_))
        if one is None:
            return None
        asked.append(one)
    planned, wanted = await plan(context, asked), call.about
    parts = await asyncio.gather(*(_part(context, one) for one in planned))
    outcomes = _worst(one.outcomes for one in parts)
    tells = TELLING if wanted.section is None or call.parent.tells else frozenset()
    tell(context, outcomes, replace(call, selected=tells))
    made = read(section, [one for part in parts for one in part.resources], wanted.preferred)
    named = await medicines.name(call, made.rows, wanted.preferred)
    has_more = any(one.has_more for one in parts)
    rows = arranged(section, made.rows)
    searched = named + sum(one.searched for one in planned)
    return Found(section, rows, outcomes, has_more, searched, made.omitted, made.is_none_asserted)


async def _page_size(context: RequestContext, type_: str) -> int:
    """As many as come in one page of every source, and one less: the last tells whether there are more."""
    holding = [one for one in context.upstreams.values() if type_ in one.types]
    known = await asyncio.gather(*(one.abilities(type_, context.call) for one in holding))
    sizes = (one.page_size_max for one in known if not isinstance(one, UpstreamError))
    return max(1, min((PAGE, *sizes)) - 1)


async def _part(context: RequestContext, planned: Connection) -> _Part:
    """Each source's newest, whatever others have: one that has many must not push out those of the others."""
    asked = [one for one in planned.plans if one.searches]
    pages = [_alone(planned, one) for one in asked]
    await asyncio.gather(*(load_merged(one, is_short=True) for one in pages))
    outcomes = {one.upstream.name: one.outcome for one in planned.plans if one.outcome is not None}
    outcomes |= {page.plans[0].upstream.name: page.outcomes[0] for page in pages}
    resources = [node.resource for page in pages for node in page.nodes]
    return _Part(resources, outcomes, any(page.has_next for page in pages))


def _alone(planned: Connection, one: SourcePlan) -> Connection:
    return Connection(
        planned.question,
        planned.person,
        planned.context,
        [one],
        admits=planned.admits,
        narrowing=planned.narrowing,
    )


def _worst(parts: Iterable[Mapping[str, SourceOutcome]]) -> list[SourceOutcome]:
    """By source, the outcome that leaves most open."""
    found: dict[str, SourceOutcome] = {}
    for part in parts:
        for name, one in part.items():
            known = found.get(name)
            if known is None or (one.is_gap and not known.is_gap) or known.status is SourceStatus.NOT_LINKED:
                found[name] = one
    return list(found.values())
