"""`patients(...)`: persons over all sources, each once, in the sources' order of precedence."""

from collections.abc import Sequence
from operator import ge
from typing import Any, Final

from msgspec import structs

from clinical.hidden import has_entered_in_error
from clinical.parameters import parameters
from clinical.search import is_exact
from resolvers.admission import is_labelled, person_node, plain_nodes
from resolvers.cohort import cohort
from resolvers.collapse import Collapsed
from resolvers.connection import TELLING, Connection, require, tell
from resolvers.edge import Edge, edge_of, edges_of
from resolvers.field import FieldCall
from resolvers.listing import plan
from resolvers.matched import matches, search_at
from resolvers.merge import Merge, Taken
from resolvers.merging import open_merge, show_page
from resolvers.ordering import MISSING, Ordering
from resolvers.outcome import OK, SourceOutcome
from resolvers.person_page import PageKey, keep_page, page_as_before
from resolvers.persons import Person
from resolvers.plan import Asked, SourcePlan
from resolvers.question import CHANGED, Question, question_of
from resolvers.reach import reached, told_by
from resolvers.resource import Json, Node, Resource
from resolvers.restriction import withheld_searches
from resolvers.source_first import BY_ID, source_first
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Filter, Page

_TOGETHER: Final = 100
"""Rows whose persons are looked up together where a page is not full yet, or it is asked whether one follows:
many of a later source's persons have been shown, and each round asks every source."""


async def patients(call: FieldCall) -> Connection | None:
    """`patients(...)`: sources in order of precedence, a person once."""
    arguments, of = tuple(call.arguments.items()), call.context
    key = call.selected, arguments, id(of.shapes), of.permissions, of.first_max, of.pages_max
    return await page_as_before(key, call) or await _planned(key, call)


async def _planned(key: PageKey, call: FieldCall) -> Connection | None:
    """The same of a list that is planned anew."""
    if (identifiers := call.arguments.get("identifiers")) is not None:
        return await cohort(call, identifiers)
    context = call.context
    searched = {name: value for name, value in call.arguments.items() if name != "identifiers"}
    question = question_of("Patient", searched, context.first_max)
    sort = call.arguments.get("sort")
    if sort is None and question.changed_since is not None:
        sort = CHANGED
    ordering = source_first(sort, tuple(context.upstreams))
    asked = await reached(call, question, None)
    if asked is None:
        return None
    asked.question = structs.replace(asked.question, ordering=ordering, is_newest_first=False)
    (connection,) = await plan(context, (Asked(asked.question, None, asked.admits),))
    connection.told, connection.tells = told_by(call, question), bool(call.selected & TELLING)
    if asked.person is not None:
        await _load_own(connection)
    elif await _load_straight(connection):
        keep_page(key, call, connection)
    else:
        await _load_merged(connection)
    if connection.question.requires_complete:
        require(context, connection.outcomes)
    connection.disclose(call, connection.searched if asked.person is None else 0)
    tell(context, connection.outcomes, call)
    return connection


async def _load_own(connection: Connection) -> None:
    """A caller limited to a person finds that person, where a record matches."""
    person = await connection.context.own_person()
    connection.outcomes = list(person.outcomes.values())
    # Where no record is known to match, a source that cannot be asked leaves that open.
    unsure = {one.upstream.name: one.outcome for one in connection.plans if one.outcome}
    plans = {one.upstream.name: one for one in connection.plans}
    if connection.question.cursor is not None:
        connection.sealer.open(connection.question.cursor)
        return
    for record in person.records:
        if _is_withheld(connection, person):
            return
        if not _is_told(connection, record):
            continue
        if connection.question.first and matches(plans[record.source], record):
            node = await person_node(connection.context, person, "s", connection.told)
            if node is None:
                return
            connection.edges = [edge_of(record, node, connection.question, connection.sealer)]
            return
    if connection.question.first:
        known = {record.source for record in person.records}
        connection.outcomes = [
            unsure.get(name, outcome) if name in known else outcome
            for name, outcome in person.outcomes.items()
        ]


async def _load_straight(connection: Connection) -> bool:
    """Makes the page of the first page of the only source, where that can be: False where it cannot."""
    question = connection.question
    is_first = question.after is None and not question.ordering.has_text  # a merge packs texts for cursors
    if not is_first or len(connection.plans) != 1 or not connection.plans[0].is_simple:
        return False
    plan, search = connection.plans[0], connection.plans[0].searches[0]
    loaders = connection.context.loaders
    (page,) = await loaders.search_all(plan.upstream.name, (search,), is_batched=plan.is_batched)
    if isinstance(page, UpstreamError):
        return False
    rows = page.resources
    found = [one.json for one in rows]
    if not _is_whole(question, page, found) or not _are_told(connection, rows, found):
        return False
    records = rows[: question.first]
    persons = await connection.context.identity.of_records(records)
    nodes = plain_nodes(connection.context, persons, "s", connection.told)
    if nodes is None and (nodes := await _nodes(connection, records, plan, persons)) is None:
        return False
    outcome = SourceOutcome(plan.upstream.name, OK, None, rows[-1].retrieved_at if rows else None)
    connection.show([*zip(records, nodes, strict=True)], [outcome], len(rows) > question.first)
    return True


async def _nodes(
    connection: Connection, records: Sequence[Resource], plan: SourcePlan, found: Sequence[Any]
) -> list[Node] | None:
    """Each row's person, where each row stands for its person, whom the caller may see; None where not."""
    persons = [one for one in found if isinstance(one, Person)]
    if len(persons) < len(found) or not _are_shown(connection, records, plan, persons):
        return None
    nodes = [await person_node(connection.context, one, "s", connection.told) for one in persons]
    shown = [one for one in nodes if one is not None]
    return shown if len(shown) == len(nodes) else None


def _is_whole(question: Question, page: Page, found: Sequence[Json]) -> bool:
    """Whether the page's rows (`found`) are in order, none to be left out, and more than are asked or all."""
    rows = page.resources
    if page.problems or (page.next is not None and len(rows) <= question.first):
        return False
    return _are_in_order(question.ordering, rows) and not has_entered_in_error(found)


def _are_in_order(ordering: Ordering, resources: Sequence[Resource]) -> bool:
    if ordering.sort == BY_ID:
        ids = [one.id for one in resources]
        return not any(map(ge, ids, ids[1:]))
    places = [(ordering.key(one), one.id) for one in resources]
    return not any(map(ge, places, places[1:])) and not (places and MISSING in places[0][0])


async def _load_merged(connection: Connection) -> None:
    merge = await open_merge(connection, is_by_source=True)
    question = connection.question
    wanted = count = question.first
    edges: list[Edge] = []
    more = False
    while len(edges) < wanted:
        taken = await merge.take(count)
        shown = await _first_sights(connection, taken)
        fresh = [(one, node) for one, node in zip(taken, shown, strict=True) if node is not None]
        more = len(fresh) > wanted - len(edges)
        fresh = fresh[: wanted - len(edges)]
        count = max(wanted - len(edges) - len(fresh), _TOGETHER)
        rows = [one for one, _ in fresh]
        made = await edges_of(rows, question, connection.sealer, connection.context, connection.missed)
        for edge, (_, node) in zip(made, fresh, strict=True):
            edge.node = node
        edges.extend(made)
        if not taken:
            break
    connection.edges = edges[::-1] if question.is_backward else edges
    show_page(connection, has_more=more or await _has_more(connection, merge))


async def _has_more(connection: Connection, merge: Merge | Collapsed) -> bool:
    """Whether a person follows; a row of a later source may be of one that an earlier source has shown."""
    is_plain = not _finds_by_withheld(connection)
    while taken := await merge.take(1):
        row = taken[0].row
        if is_plain and row.rank == 0 and _is_told(connection, row.resource):
            return True
        taken += await merge.take(_TOGETHER - 1)
        if any(await _first_sights(connection, taken)):
            return True
    return False


async def _first_sights(connection: Connection, taken: Sequence[Taken]) -> Sequence[Node | None]:
    """Each row's person as a Patient; None where the caller may not see the person, and where an earlier
    source matched this same query with the person."""
    records = [one.row.resource for one in taken]
    persons = await connection.context.identity.of_records(records)
    pairs = zip(taken, persons, strict=True)
    sights = (_first_sight(connection, one.row.resource, one.row.rank, person) for one, person in pairs)
    if all(one.row.rank == 0 for one in taken):
        return [await sight for sight in sights]  # no other source is asked
    return await together(*sights)


async def _first_sight(
    connection: Connection, record: Resource, rank: int, person: Person | UpstreamError
) -> Node | None:
    if isinstance(person, UpstreamError):
        raise person
    is_told = _is_told(connection, record)
    node = await person_node(connection.context, person, "s", connection.told) if is_told else None
    if node is None or _is_withheld(connection, person):
        return None
    if not _is_shown(record, connection.plans[rank], person):
        return None
    for source in connection.plans[:rank]:
        outcome = person.outcomes.get(source.upstream.name)
        if outcome is not None and outcome.is_unanswered:
            _tell_unsure(connection, source)
        for one in person.records_of(source.upstream.name):
            if _is_told(connection, one) and await _source_matches(connection, source, one):
                return None
    return node


def _are_shown(
    connection: Connection, records: Sequence[Resource], plan: SourcePlan, persons: Sequence[Person]
) -> bool:
    """Whether each row stands for its person, as `_is_shown` has it."""
    if _finds_by_withheld(connection) and [one for one in persons if one.is_restricted]:
        return False
    for record, person in zip(records, persons, strict=True):
        # Most rows are the only record of their person, as identity has found already.
        is_only = record.person_id == person.id and len(person.records) == 1
        if not is_only and not _is_shown(record, plan, person):
            return False
    return True


def _is_shown(record: Resource, plan: SourcePlan, person: Person) -> bool:
    """Whether a row stands for its person, as far as its own source is concerned."""
    if not person.holds(record):
        # It was replaced: found by what only the old record says, the person is shown all the same.
        return not any(matches(plan, one) for one in person.records_of(record.source))
    if len(person.records) == 1:
        return True
    same = person.records_of(record.source)
    return len(same) < 2 or not any(one.id < record.id and matches(plan, one) for one in same)


def _are_told(connection: Connection, records: Sequence[Resource], found: Sequence[Json]) -> bool:
    """Whether the caller may see each of the records, as `_is_told` has it. `found`: what they say."""
    if connection.admits is None:
        return not connection.context.permissions.labels.withhold_any(found, "Patient")
    return all(_is_told(connection, one) for one in records)


def _is_told(connection: Connection, record: Resource) -> bool:
    """Whether the caller may see the record, and so may be told that the query finds it."""
    if is_labelled(connection.context.permissions, record):
        return False
    return connection.admits is None or connection.admits(record)


def _is_withheld(connection: Connection, person: Person) -> bool:
    """Whether finding the person by this query would tell what a record of the person withholds."""
    return _finds_by_withheld(connection) and person.is_restricted


def _finds_by_withheld(connection: Connection) -> bool:
    return not connection.question.codes.isdisjoint(withheld_searches())


def _tell_unsure(connection: Connection, source: SourcePlan) -> None:
    """The source may have matched the query with a person whom a later source shows."""
    for stream in connection.streams[source.upstream.name]:
        stream.note_problem("not every person of later sources could be looked up here; one may come twice")


async def _source_matches(connection: Connection, source: SourcePlan, record: Resource) -> bool:
    """Whether a source matches the query with a record: seen here where that is exact, else asked."""
    if not source.searches or connection.has_failed(source.upstream.name):
        return False
    if not all(keep(record) for keep in source.keeps):
        return False
    known = parameters("Patient")
    if all(is_exact(known[one.code]) and one.modifier is None for one in source.searches[0].filters):
        return matches(source, record)
    only = Filter("_id", (record.id,))
    asked = structs.replace(search_at(source, record), filters=(*source.searches[0].filters, only), count=1)
    try:
        page = await connection.context.loaders.search(source.upstream.name, asked)
    except UpstreamError:
        _tell_unsure(connection, source)
        return False
    return any(one.id == record.id for one in page.resources)
