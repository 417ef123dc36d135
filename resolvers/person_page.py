"""The first page of `patients(...)`, asked for as it was before: how is worked out once and kept.

Kept is how the only source is asked for persons of whom the caller may see everything, where it gives them in
their order and nothing is left to be tested. What is kept tells nothing of anybody, and holds while the
source is known to be able to do the same. A page with anything odd about it is left to
`resolvers.patient_list`: what has been asked is not asked again.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import msgspec

from clinical.hidden import has_entered_in_error
from permissions.decision import Permissions
from resolvers.connection import ROWS, Connection
from resolvers.field import FieldCall
from resolvers.outcome import OK, SourceOutcome
from resolvers.persons import Person
from resolvers.plan import SourcePlan
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.shape import Shape
from resolvers.source_first import BY_ID
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Declaring, Upstream

PageKey = tuple[frozenset[str], tuple[Hashable, ...], int, Permissions, int, int]
"""What is asked for of the page, the list's arguments, and what else its plan follows from."""

_PLAIN: Final = frozenset({"first", "sort"})
"""Arguments that tell nothing of anybody."""


class PersonSite(msgspec.Struct):
    """How a list of persons is asked for, and what that holds for. `told`, `tells`: as `Connection` has it;
    `gives_rows`: the caller asks for its rows."""

    question: Question
    plans: tuple[SourcePlan]
    told: frozenset[str]
    tells: bool
    gives_rows: bool
    upstream: Upstream
    declaring: Declaring
    """The same."""
    declared: object
    shapes: Mapping[str, Shape]


async def page_as_before(key: PageKey, call: FieldCall) -> Connection | None:
    """The page of a list that was kept; None where it takes more to make it."""
    context = call.context
    try:
        site: PersonSite | None = context.levels.get(key)
    except TypeError:  # an argument has no hash
        return None
    if site is None or site.shapes is not context.shapes or site.declaring.declared is not site.declared:
        return None
    (plan,), name = site.plans, site.upstream.name
    if len(context.upstreams) != 1 or context.upstreams.get(name) is not site.upstream:
        return None
    (page,) = await context.loaders.search_all(name, plan.searches, is_batched=plan.is_batched)
    if isinstance(page, UpstreamError) or page.problems:
        return None
    rows, first, last = page.resources, site.question.first, ""
    if page.next is not None and len(rows) <= first:
        return None
    withhold, found = context.permissions.labels.withhold, []
    for row in rows:
        json = row.json
        if row.id <= last:
            return None
        if type(meta := json.get("meta")) is dict and "security" in meta and withhold(json, "Patient"):
            return None
        last = row.id
        found.append(json)
    if has_entered_in_error(found):
        return None
    records = rows[:first]
    shown: list[tuple[Resource, Node]] = []
    note = context.disclosures.note
    persons = await context.identity.of_records(records)
    for record, person in zip(records, persons, strict=True):
        if type(person) is not Person or not person.is_plain:
            return None
        (one,) = person.records
        if not person.is_unlabelled and withhold(one.json, "Patient"):
            return None
        shown.append((record, Node(one.json, one)))
    if site.gives_rows:
        for _, (_, one) in shown:
            note(one.person_id, "Patient", one.source)
    outcome = SourceOutcome(name, OK, None, rows[-1].retrieved_at if rows else None)
    context.note(outcome)
    context.tally.page(call.at, 1, len(shown) if site.gives_rows else 0)
    connection = Connection(site.question, None, context, site.plans, told=site.told, tells=site.tells)
    connection.show(shown, [outcome], len(rows) > first)
    return connection


def keep_page(key: PageKey, call: FieldCall, connection: Connection) -> None:
    """Keeps how a list is asked for whose page has been made of its source's first, where that is the same
    for everybody who may see as much."""
    context, question = call.context, connection.question
    (plan,) = connection.plans
    declaring: Any = plan.upstream
    if not call.arguments.keys() <= _PLAIN or question.ordering.sort != BY_ID or len(plan.searches) != 1:
        return
    if len(context.upstreams) != 1 or not isinstance(declaring, Declaring):
        return
    if (declared := declaring.declared) is None or connection.admits is not None:
        return
    if context.permissions.sees_all("s", "Patient", connection.told):
        told, tells, gives_rows = connection.told, connection.tells, not call.selected.isdisjoint(ROWS)
        holds_for = plan.upstream, declaring, declared, context.shapes
        context.levels.keep(key, PersonSite(question, (plan,), told, tells, gives_rows, *holds_for))
