"""One resource by its global id: `node`, `nodes`, `observation(id:)`.

Unknown, withheld and foreign ids answer alike: null.
"""

import asyncio
from collections.abc import Awaitable, Callable

from resolvers.admission import node_of
from resolvers.context import RequestContext
from resolvers.errors import ArgumentInvalid
from resolvers.field import FieldCall
from resolvers.given import give
from resolvers.ids import PERSON, RecordId, parse_record_id
from resolvers.patients import show
from resolvers.records import find_record
from resolvers.resource import Node, Resource


async def node(call: FieldCall) -> Node | None:
    """`node(id)`: any resource, under the same rules as any other path to it."""
    return give(call, await _node(call, call.arguments["id"]))


async def nodes(call: FieldCall) -> list[Node | BaseException | None]:
    """`nodes(ids)`: in the order asked; one that fails does not cost the others."""
    ids = call.arguments["ids"]
    if len(ids) > call.context.first_max:
        raise ArgumentInvalid(f"ids: at most {call.context.first_max} at once")
    found = await asyncio.gather(*(_node(call, one, "@") for one in ids), return_exceptions=True)
    for place, one in enumerate(found):
        if not isinstance(one, BaseException):
            give(call, one, place)
    return list(found)


def by_id(resource_type: str) -> Callable[[FieldCall], Awaitable[Node | None]]:
    """The resolver of `observation(id)` and its like: null also for an id of another type, unasked."""

    async def fetch(call: FieldCall) -> Node | None:
        id_ = call.arguments["id"]
        record_id = parse_record_id(id_)
        if record_id is None or (record_id.type != resource_type and not record_id.contained):
            return None
        found = await _node(call, id_)
        is_of_type = found is not None and found.resource.type == resource_type
        return give(call, found if is_of_type else None)

    return fetch


def may_read(call: FieldCall, resource_type: str, *below: str) -> bool:
    """Whether the scopes permit to read a type by id; told once for each selection where they do not."""
    if call.context.permissions.reaches("r", resource_type):
        return True
    call.context.deny((*call.path, *below), resource_type)
    return False


async def _node(call: FieldCall, id_: str, *below: str) -> Node | None:
    type_ = _type_of(id_)
    if type_ is None or not may_read(call, type_, *below):
        return None
    record_id = parse_record_id(id_)
    if record_id is None or (type_ == "Patient" and not record_id.contained):
        return await show(call, await call.context.identity.of_id(id_))
    resource = await find(call.context, record_id)
    if resource is None or not may_read(call, resource.type, *below):
        return None
    return await node_of(call.context, resource, followed=False)


def _type_of(id_: str) -> str | None:
    """The type that a global id names, as far as the id says it; None for what is no id."""
    if id_.startswith(f"{PERSON}/"):
        return "Patient"
    record_id = parse_record_id(id_)
    return record_id.type if record_id is not None else None


async def find(context: RequestContext, record_id: RecordId) -> Resource | None:
    """A resource by its parts. Raises UpstreamError."""
    upstream = context.upstreams.get(record_id.source)
    if upstream is None or record_id.type not in context.served_types:
        return None
    found = await find_record(context.loaders, upstream, record_id.type, record_id.id)
    if found is None or record_id.contained is None:
        return found
    return contained_in(found, record_id.contained, context.served_types)


def contained_in(holder: Resource, id_: str, served_types: frozenset[str]) -> Resource | None:
    """A contained resource by its id within its holder."""
    entries = holder.json.get("contained")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("id") != id_:
            continue
        kind = entry.get("resourceType")
        if isinstance(kind, str) and kind in served_types:
            return holder.holding(kind, id_, entry)
    return None
