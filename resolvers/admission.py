"""The second door: which of the resources that have been fetched the caller may see.

A resource is seen where one of the caller's scopes reaches it (whose record it is, and what the scope
narrows to) and no security label withholds it. Withheld resources are null, or missing from their list,
as unknown ones are.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from permissions.decision import Permissions, Reach
from permissions.scopes import Level
from resolvers.context import RequestContext
from resolvers.persons import Person
from resolvers.resource import Json, Node, Resource
from resolvers.visibility import is_in_compartment

Admits = Callable[[Resource], bool]


async def node_of(context: RequestContext, resource: Resource, *, followed: bool) -> Node | None:
    """A resource that was found by id or reference, as far as the caller may see it."""
    if resource.container is not None:
        holder = await node_of(context, resource.container, followed=followed)
        return contained_node(context, resource) if holder is not None else None
    if is_labelled(context.permissions, resource):
        return None
    levels = await _levels(context, resource, context.permissions.reaches("r", resource.type), followed)
    return _node(context.permissions, resource, levels) if levels else None


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
        return Node(shown.json, shown)
    reaches = permissions.reaches(action, "Patient", told)
    own = await context.own_if_known() if any(one.level == "patient" for one in reaches) else None
    for record in records:
        levels = {
            one.level
            for one in reaches
            if (one.level != "patient" or (own is not None and own.id == person.id)) and _holds(one, record)
        }
        if levels:
            return _node(permissions, person.shown_as(record), levels)
    return None


def contained_node(context: RequestContext, resource: Resource) -> Node | None:
    """A resource inside one that the caller may see: its own type must be readable, and its labels allow it.

    Whose it is follows from its holder. Elements that a rule shows of the own record only are not shown: it
    is not looked whose record the holder is.
    """
    permissions = context.permissions
    levels = {one.level for one in permissions.reaches("r", resource.type) if _holds(one, resource)}
    if not levels or is_labelled(permissions, resource):
        return None
    return _node(permissions, resource, levels - {"patient"})


def is_labelled(permissions: Permissions, resource: Resource) -> bool:
    """Whether a security label withholds a resource."""
    return permissions.labels.withhold(resource.json, resource.type)


async def listed_nodes(context: RequestContext, resources: Iterable[Resource]) -> list[Node]:
    """Rows of a list that have been admitted, less the elements that only other scopes permit."""
    listed = list(resources)
    permissions = context.permissions
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
    return not filters or reach.narrowing.holds(resource.json, resource.location.base_url)


def _node(permissions: Permissions, resource: Resource, levels: set[Level]) -> Node:
    masks = permissions.masked(resource.type)
    hidden = {name for name, granted in masks.items() if not granted & levels}
    if hidden:
        kept: Json = {name: value for name, value in resource.json.items() if name not in hidden}
        resource = replace(resource, json=kept)
    return Node(resource.json, resource)


def admits_any(tests: Iterable[Callable[[Resource], Any]]) -> Admits:
    """Whether any of some tests admits a resource."""
    listed = tuple(tests)
    return lambda resource: any(test(resource) for test in listed)
