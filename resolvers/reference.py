"""`Reference.resource`: where a reference leads, within the configured sources only.

Relative references stay at the place they were read from; absolute ones are followed where their
base is a place of a configured source, and never to any other host. A versioned reference leads to
the current version. A reference without an address (an identifier alone) leads nowhere: null.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

from clinical.references import ParsedReference, parse_reference
from resolvers.admission import contained_node, node_of
from resolvers.context import RequestContext
from resolvers.errors import ReferenceNotFound, RequestError
from resolvers.field import Batched, FieldCall
from resolvers.given import give
from resolvers.lookup import contained_in, may_read
from resolvers.patients import show
from resolvers.persons import Person
from resolvers.resource import Location, Node, Resource
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Read


async def _follow_all(calls: Sequence[FieldCall]) -> Sequence[Any]:
    """The resource that each Reference names, or null; ReferenceNotFound or UpstreamError in its place."""
    context = calls[0].context
    found: list[Any] = [_started(call) for call in calls]
    reads: dict[str, list[int]] = {}
    for place, one in enumerate(found):
        if isinstance(one, _Asked):
            reads.setdefault(one.source, []).append(place)
    loaders = context.loaders
    answers = await together(
        *(
            loaders.read_all(source, [found[place].read for place in places])
            for source, places in reads.items()
        )
    )
    for (source, places), of_source in zip(reads.items(), answers, strict=True):
        for place, answer in zip(places, of_source, strict=True):
            found[place] = answer if answer is not None else _absent(source)
    await _show_all(calls, found)
    for call, one in zip(calls, found, strict=True):
        if isinstance(one, Node):
            give(call, one)
    return found


follow = Batched(_follow_all, apart=lambda parent: parent.resource.source)
"""`Reference.resource`. What one source refers to does not wait for another's."""


class _Asked(NamedTuple):
    source: str
    read: Read


def _started(call: FieldCall) -> Node | _Asked | ReferenceNotFound | None:
    """What is known at once of a reference: where it leads, or that it leads nowhere."""
    text = call.parent.element.get("reference")
    if not isinstance(text, str) or not text:
        return None
    holder: Resource = call.parent.resource
    parsed = parse_reference(text)
    try:
        if parsed.kind == "contained":
            return _contained(call, holder, parsed)
        source, location = _place(call.context, holder, parsed)
        if parsed.type is None or parsed.id is None or parsed.type not in call.context.served_types:
            raise ReferenceNotFound("the reference leads to a type that is not served", holder.source)
    except ReferenceNotFound as problem:
        return problem
    if not may_read(call, parsed.type):
        return None
    return _Asked(source, Read(parsed.type, parsed.id, location))


def _absent(source: str) -> ReferenceNotFound:
    return ReferenceNotFound("the reference leads to a resource that its source does not have", source)


async def _show_all(calls: Sequence[FieldCall], found: list[Any]) -> None:
    """Puts a node in the place of each resource that the caller may see, null where the caller may not."""
    places = [place for place, one in enumerate(found) if isinstance(one, Resource)]
    patients = [place for place in places if found[place].type == "Patient"]
    records = [found[place] for place in patients]
    persons = await calls[0].context.identity.of_records(records) if records else ()
    for place, person in zip(patients, persons, strict=True):
        found[place] = person
    for place in places:
        one, call = found[place], calls[place]
        if isinstance(one, Person):
            found[place] = await _caught(show(call, one, followed=True))
        elif isinstance(one, Resource):
            found[place] = await _caught(node_of(call.context, one, followed=True))


async def _caught(showing: Awaitable[Any]) -> Any:
    try:
        return await showing
    except (UpstreamError, RequestError) as problem:
        return problem


def _contained(call: FieldCall, holder: Resource, parsed: ParsedReference) -> Node | None:
    """Raises ReferenceNotFound."""
    root = holder.container or holder
    if parsed.id is None:
        return Node(root.json, root) if may_read(call, root.type) else None
    found = contained_in(root, parsed.id, call.context.served_types)
    if found is None:
        raise ReferenceNotFound("the contained resource is not there, or of a type not served", holder.source)
    return contained_node(call.context, found) if may_read(call, found.type) else None


def _place(context: RequestContext, holder: Resource, parsed: ParsedReference) -> tuple[str, Location]:
    """The source and place that a reference means. Raises ReferenceNotFound."""
    if parsed.kind == "relative":
        return holder.source, holder.location
    if parsed.kind == "absolute" and parsed.base is not None:
        wanted = parsed.base.rstrip("/")
        for name, upstream in context.upstreams.items():
            for location in upstream.locations():
                if location.base_url.rstrip("/") == wanted:
                    return name, location
    raise ReferenceNotFound("the reference leads outside the configured sources", holder.source)
