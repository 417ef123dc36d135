"""`Reference.resource`: where a reference leads, within the configured sources only.

Relative references stay at the place they were read from; absolute ones are followed where their
base is a place of a configured source, and never to any other host. A versioned reference leads to
the current version. A reference without an address (an identifier alone) leads nowhere: null.
"""

from clinical.references import ParsedReference, parse_reference
from resolvers.context import RequestContext
from resolvers.errors import ReferenceNotFound
from resolvers.field import FieldCall
from resolvers.given import give
from resolvers.lookup import admit, contained_in
from resolvers.patients import show
from resolvers.resource import Location, Node, Resource
from resolvers.upstreams.upstream import Read


async def follow(call: FieldCall) -> Node | None:
    """The resource that a Reference names, or null. Raises ReferenceNotFound, UpstreamError."""
    return give(call.context.disclosures, await _followed(call))


async def _followed(call: FieldCall) -> Node | None:
    text = call.parent.element.get("reference")
    if not isinstance(text, str) or not text:
        return None
    holder: Resource = call.parent.resource
    parsed = parse_reference(text)
    if parsed.kind == "contained":
        return await _contained(call, holder, parsed)
    source, location = _place(call.context, holder, parsed)
    if parsed.type is None or parsed.id is None or parsed.type not in call.context.served_types:
        raise ReferenceNotFound("the reference leads to a type that is not served", holder.source)
    found = await call.context.loaders.read(source, Read(parsed.type, parsed.id, location))
    if found is None:
        raise ReferenceNotFound("the reference leads to a resource that its source does not have", source)
    return await _shown(call, found)


async def _contained(call: FieldCall, holder: Resource, parsed: ParsedReference) -> Node | None:
    root = holder.container or holder
    if parsed.id is None:
        return Node(root.json, root)
    found = contained_in(root, parsed.id, call.context.served_types)
    if found is None:
        raise ReferenceNotFound("the contained resource is not there, or of a type not served", holder.source)
    return Node(found.json, found)


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


async def _shown(call: FieldCall, found: Resource) -> Node | None:
    if found.type == "Patient":
        person = await call.context.identity.of_record(found)
        return await show(call, person, followed=True)
    if not await admit(call.context, found, followed=True):
        return None
    return Node(found.json, found)
