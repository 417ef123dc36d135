"""Attachments: the address that a client gets for one, and the way back from there through both doors.

`Attachment.url` is never the source's own address. When the client asks at the gateway's, the resource that
names the attachment is read again for whoever asks now.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from clinical.compartment import patient_references
from clinical.references import parse_reference
from permissions.needs import type_needs
from resolvers.admission import contained_node, node_of, person_node
from resolvers.attachment_ids import AttachmentId, digest
from resolvers.context import RequestContext
from resolvers.errors import FieldUnauthorized, ReferenceNotFound
from resolvers.field import FieldCall
from resolvers.resource import Json, Location, Node, Resource
from resolvers.upstreams.attachment import Download, HoldsAttachments, attachment_address
from resolvers.upstreams.errors import UpstreamInvalidResponse
from resolvers.upstreams.upstream import Read

ATTACHMENT: Final = "Attachment"
RESOURCE: Final = "Resource"
CONTENT: Final = frozenset({"Attachment.url", "Attachment.data"})
"""The fields that give an attachment's content: what is fetched needs what either of them needs."""

ElementTypes = Mapping[str, Mapping[str, str]]
"""For each type, its elements that are objects, with their types; `Resource` where a whole resource lies."""


class Attached(NamedTuple):
    """One attachment of a resource, with the coordinates on the way to it."""

    element: Json
    coordinates: frozenset[str]


class Found(NamedTuple):
    """An attachment that the caller may have: the resource that names it, and where it is fetched."""

    node: Node
    element: Json
    upstream: HoldsAttachments
    address: str
    location: Location


def url(call: FieldCall) -> str | None:
    """The resolver of `Attachment.url`. Raises ReferenceNotFound where the gateway does not fetch from what
    the source names, which is then not shown either, and UpstreamInvalidResponse."""
    element, holder = call.parent
    told: Any = element.get("url")
    if told is None or told == "":
        return None
    root = _root(holder)
    if type(told) is not str:
        raise UpstreamInvalidResponse(root.source, "url: not the shape that FHIR gives it")
    upstream: object = call.context.upstreams.get(root.source)
    if not isinstance(upstream, HoldsAttachments) or attachment_address(told, root.location) is None:
        raise ReferenceNotFound("the attachment lies where this gateway does not fetch from", root.source)
    named = AttachmentId(root.source, digest(root.location.base_url), root.type, root.id, digest(told))
    return call.context.attachments.address(named)


async def find(context: RequestContext, types: ElementTypes, id_: str) -> Found:
    """The attachment that an id names, as far as the caller may have it.

    Raises ReferenceNotFound: unknown, withheld and foreign ones alike; FieldUnauthorized where the scopes
    permit nobody's; AccessForbidden, UpstreamError.
    """
    named = context.attachments.open(id_)
    if named is None or named.type not in context.served_types:
        raise not_found()
    permissions = context.permissions
    if not permissions.reaches("r", named.type):
        raise FieldUnauthorized(named.type, [one.told() for one in type_needs("r", named.type)])
    node, location = await _holder(context, named)
    upstream: object = context.upstreams[named.source]
    element = _permitted(context, [one for one in _attached(context, types, node) if _is_named(one, named)])
    address = attachment_address(element["url"], location)
    if address is None or not isinstance(upstream, HoldsAttachments):
        raise not_found()
    return Found(node, element, upstream, address, location)


async def opened(context: RequestContext, found: Found, accept: str, max_bytes: int) -> Download:
    """The data of an attachment, once what the source says with them withholds them neither.

    `accept`: the media types that are wanted, as HTTP says them. Raises ReferenceNotFound, UpstreamError.
    """
    download = await found.upstream.open_attachment(
        found.address, found.location, accept, max_bytes, context.call
    )
    if download is None:
        raise not_found()
    try:
        if not await _is_permitted(context, found, download):
            raise not_found()
    except BaseException:
        await download.close()
        raise
    return download


async def _is_permitted(context: RequestContext, found: Found, download: Download) -> bool:
    """Whether the labels of the Binary allow it, and its `securityContext`: treat it as if it was this other
    resource (R4 binary.html). Nothing is added where that is the resource that names it, or its patient."""
    if download.binary is not None and context.permissions.labels.withhold(download.binary, "Binary"):
        return False
    told = download.security_context
    if told is None or told == "":
        return True
    if not isinstance(told, str):
        return False
    holder = _root(found.node.resource)
    parsed, base = parse_reference(told), holder.location.base_url
    if parsed.type is None or parsed.id is None or (parsed.base or base).rstrip("/") != base.rstrip("/"):
        return False
    about = {parse_reference(one).local for one in patient_references(holder.json)}
    if parsed.local in {f"{holder.type}/{holder.id}", *about}:
        return True
    if parsed.type == "Patient" or parsed.type not in context.served_types:
        return False
    named = AttachmentId(holder.source, digest(base), parsed.type, parsed.id, b"")
    return await _record(context, named, holder.location) is not None


def not_found() -> ReferenceNotFound:
    """The one answer to every id that leads nowhere for this caller."""
    return ReferenceNotFound("There is no such attachment.")


async def _holder(context: RequestContext, named: AttachmentId) -> tuple[Node, Location]:
    """The resource that names the attachment, as far as the caller may see it, and its place."""
    upstream = context.upstreams.get(named.source)
    places = upstream.locations() if upstream is not None and named.type in upstream.types else ()
    place = next((one for one in places if digest(one.base_url) == named.place), None)
    if place is None:
        raise not_found()
    node = await (_patient(context, named) if named.type == "Patient" else _record(context, named, place))
    if node is None or node.resource.location.base_url != place.base_url:
        raise not_found()
    return node, place


async def _patient(context: RequestContext, named: AttachmentId) -> Node | None:
    """The person as shown: less what a restricted record withholds, and by no other record than was named."""
    person = await context.identity.of_id(f"{named.source}/Patient/{named.id}")
    node = await person_node(context, person, "r") if person is not None else None
    is_same = node is not None and (node.resource.source, node.resource.id) == (named.source, named.id)
    return node if is_same else None


async def _record(context: RequestContext, named: AttachmentId, place: Location) -> Node | None:
    resource = await context.loaders.read(named.source, Read(named.type, named.id, place))
    # The gateway gave the id where it showed the resource: a Practitioner is followed to, never found.
    return await node_of(context, resource, followed=True) if resource is not None else None


def _is_named(one: Attached, named: AttachmentId) -> bool:
    told = one.element.get("url")
    return type(told) is str and digest(told) == named.url


def _permitted(context: RequestContext, candidates: list[Attached]) -> Json:
    """The first that no rule of the policy denies. Raises ReferenceNotFound, FieldUnauthorized."""
    permissions, first = context.permissions, None
    for one in candidates:
        denied = permissions.denied(one.coordinates)
        if not denied:
            return one.element
        first = first or min(denied)
    if first is None:
        raise not_found()
    rule = permissions.rules.of(first)
    raise FieldUnauthorized(first, rule.required() if rule is not None else ())


def _attached(context: RequestContext, types: ElementTypes, node: Node) -> Iterator[Attached]:
    """Every attachment in a resource, and in the resources inside it that the caller may see."""
    pending = [(node.resource.type, node.element, node.resource, CONTENT)]
    while pending:
        kind, element, holder, passed = pending.pop()
        if kind == ATTACHMENT:
            yield Attached(element, passed)
        elements = types.get(kind, {})
        for name, value in element.items():
            inner = elements.get(name)
            if inner is None:
                continue
            coordinates = passed | {f"{kind}.{name}"}
            for one in value if type(value) is list else (value,):
                if type(one) is not dict:
                    continue
                if inner != RESOURCE:
                    pending.append((inner, one, holder, coordinates))
                elif (held := _held(context, types, one, holder)) is not None:
                    pending.append((held.resource.type, held.element, held.resource, coordinates))


def _held(context: RequestContext, types: ElementTypes, json: Json, holder: Resource) -> Node | None:
    """A resource inside another one, less what the caller may not see of it."""
    kind, id_ = json.get("resourceType"), json.get("id")
    if type(kind) is not str or kind not in types or kind not in context.served_types:
        return None
    return contained_node(context, holder.holding(kind, id_ if type(id_) is str else "", json))


def _root(resource: Resource) -> Resource:
    """The resource that a source gives by its id: the outermost one."""
    while resource.container is not None:
        resource = resource.container
    return resource
