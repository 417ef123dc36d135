"""The second door: which of the resources that have been fetched the caller may see.

A resource is seen where one of the caller's scopes reaches it (whose record it is, and what the scope
narrows to) and no security label withholds it. Withheld resources are null, or missing from their list,
as unknown ones are.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from permissions.decision import Permissions, Reach
from permissions.narrowing import Narrowing
from permissions.scopes import Level
from resolvers.context import RequestContext
from resolvers.link_memory import is_inactive
from resolvers.persons import Person
from resolvers.refill import refilled
from resolvers.resource import Json, Node, Resource
from resolvers.restricted_source import is_closed
from resolvers.restriction import is_restricted, without_whereabouts
from resolvers.upstreams.errors import UpstreamError
from resolvers.visibility import is_in_compartment

Admits = Callable[[Resource], bool]

_HOLDING: Final = ("contained", "entry", "parameter")
"""Elements that hold whole resources."""


async def node_of(context: RequestContext, resource: Resource, *, followed: bool) -> Node | None:
    """A resource that was found by id or reference, as far as the caller may see it."""
    if resource.container is not None:
        holder = await node_of(context, resource.container, followed=followed)
        return contained_node(context, resource) if holder is not None else None
    if is_labelled(context.permissions, resource) or await is_closed(context, resource):
        return None
    await _find_out_own(context, (resource,))
    levels = await _levels(context, resource, context.permissions.reaches("r", resource.type), followed)
    return _node(context.permissions, resource, levels) if levels else None


def plain_nodes(
    context: RequestContext, persons: Sequence[Person | UpstreamError], action: str, told: frozenset[str]
) -> list[Node] | None:
    """Plain persons whom the caller may see in whole; None where it takes `person_node` to tell of one.

    A plain person is one record: no other lends it anything (`resolvers.refill`).
    """
    if [one for one in persons if type(one) is not Person or not one.is_plain]:
        return None
    records = [one.records[0] for one in persons]  # type: ignore[union-attr]
    permissions = context.permissions
    if not permissions.sees_all(action, "Patient", told):
        return None
    if permissions.labels.withhold_any([one.json for one in records], "Patient"):
        return None
    return [Node(one.json, one) for one in records]


def plain_node(
    context: RequestContext, person: Person, action: str, told: frozenset[str] = frozenset()
) -> Node | None:
    """A plain person whom the caller may see in whole; None where it takes `person_node` to tell."""
    permissions = context.permissions
    if not person.is_plain or not permissions.sees_all(action, "Patient", told):
        return None
    record = person.records[0]
    return None if permissions.labels.withhold(record.json, "Patient") else Node(record.json, record)


async def person_node(
    context: RequestContext, person: Person, action: str, told: frozenset[str] = frozenset()
) -> Node | None:
    """A person as a Patient, None where the caller may not see the person.

    `action`: `r` by id or reference, `s` by search. `told`: fields of which finding the person tells.
    """
    permissions = context.permissions
    withhold = permissions.labels.withhold
    records = [one for one in person.records if not withhold(one.json, "Patient")]
    if permissions.sees_all(action, "Patient", told) and len(records) == len(person.records):
        shown = person.shown
        node = Node(shown.json, shown)
        if person.conflicts or context.identity.linking.refill:
            return _completed(context, person, node, (Node(one.json, one) for one in records))
        return node
    reaches = permissions.reaches(action, "Patient", told)
    own = await context.own_if_known() if any(one.level == "patient" for one in reaches) else None
    is_own = own is not None and own.id == person.id
    seen = (
        _node(permissions, person.shown_as(record), levels)
        for record in records
        if (
            levels := {
                one.level for one in reaches if (one.level != "patient" or is_own) and _holds(one, record)
            }
        )
    )
    first = next(seen, None)
    return _completed(context, person, first, seen) if first is not None else None


def _completed(context: RequestContext, person: Person, shown: Node, others: Iterable[Node]) -> Node:
    """The Patient as it is shown: with what other records lend it, and a warning where some are in doubt."""
    context.warn_of_conflicts(person.conflicts)
    elements = context.identity.linking.refill
    if not elements or person.is_restricted:
        return shown
    lenders = (
        one for one in others if not is_inactive(one.resource) and one.resource.key != shown.resource.key
    )
    made = refilled(shown, lenders, elements)
    context.element_sources[made.node.resource] = made.sources
    for source in {one.source for one in made.sources} - {shown.resource.source}:
        context.disclosures.note(person.id, "Patient", source)
    return made.node


def contained_node(context: RequestContext, resource: Resource) -> Node | None:
    """A resource inside one that the caller may see: its own type must be readable, and its labels allow it.

    Whose it is follows from its holder, which may be seen by a scope of another level.
    """
    permissions = context.permissions
    if is_labelled(permissions, resource):
        return None
    own = context.own_found
    is_own = own is not None and is_in_compartment(resource, own, followed=True)
    reaches = permissions.reaches("r", resource.type)
    levels = {one.level for one in reaches if (is_own or one.level != "patient") and _holds(one, resource)}
    if resource.type == "Patient" and is_restricted(resource):
        resource = without_whereabouts(resource)
    return _node(permissions, resource, levels) if levels else None


async def _find_out_own(context: RequestContext, resources: Iterable[Resource]) -> None:
    """Has it known who the token's patient is, where that decides on what lies inside of some resources."""
    levels = context.permissions.levels
    if "patient" not in levels or len(levels) == 1:
        return
    if any(name in one.json for one in resources for name in _HOLDING):
        with suppress(UpstreamError):
            await context.own_if_known()


def is_labelled(permissions: Permissions, resource: Resource) -> bool:
    """Whether a security label withholds a resource."""
    return permissions.labels.withhold(resource.json, resource.type)


async def listed_nodes(context: RequestContext, resources: Iterable[Resource]) -> list[Node]:
    """Rows of a list that have been admitted, less the elements that only other scopes permit."""
    listed = list(resources)
    permissions = context.permissions
    await _find_out_own(context, listed)
    if not listed or not permissions.masked(listed[0].type):
        return [Node(one.json, one) for one in listed]
    reaches = permissions.reaches("s", listed[0].type)
    return [_node(permissions, one, await _levels(context, one, reaches, followed=False)) for one in listed]


async def _levels(
    context: RequestContext, resource: Resource, reaches: Iterable[Reach], followed: bool
) -> set[Level]:
    """The levels of the scopes that reach a resource."""
    levels: set[Level] = set()
    for one in reaches:
        if not _holds(one, resource):
            continue
        if one.level == "patient":
            own = await context.own_if_known()
            if own is None or not is_in_compartment(resource, own, followed=followed):
                continue
        levels.add(one.level)
    return levels


def _holds(reach: Reach, resource: Resource) -> bool:
    filters = reach.narrowing.filters
    return not filters or _is_within(reach.narrowing, resource)


def _node(permissions: Permissions, resource: Resource, levels: set[Level]) -> Node:
    hidden = {
        name
        for name, whole in permissions.masked(resource.type).items()
        if not whole & levels and not any(_is_shown(permissions, resource, name, one) for one in levels)
    }
    if hidden:
        kept: Json = {name: value for name, value in resource.json.items() if name not in hidden}
        resource = replace(resource, json=kept)
    return Node(resource.json, resource)


def _is_shown(permissions: Permissions, resource: Resource, name: str, level: Level) -> bool:
    return permissions.shows(
        f"{resource.type}.{name}", level, resource.type, lambda narrowing: _is_within(narrowing, resource)
    )


def _is_within(narrowing: Narrowing, resource: Resource) -> bool:
    return narrowing.holds(resource.json, resource.location.base_url, resource.source)


def admits_any(tests: Iterable[Callable[[Resource], Any]]) -> Admits:
    """Whether any of some tests admits a resource."""
    listed = tuple(tests)
    return lambda resource: any(test(resource) for test in listed)
