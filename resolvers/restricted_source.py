"""Sources that must not be asked about restricted persons: what they hold of one is not shown either.

A list of a known person is not asked for at all (`resolvers.plan`). Whose a resource is that is read by its
id is seen when it is there.
"""

from clinical.compartment import patient_references
from clinical.references import parse_reference
from resolvers.context import RequestContext
from resolvers.persons import Person
from resolvers.resource import Resource
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Read


async def is_closed(context: RequestContext, resource: Resource) -> bool:
    """Whether a resource is about a restricted person, from a source that is closed to them; also where that
    cannot be found out."""
    if resource.source not in context.closed_to_restricted:
        return False
    for text in patient_references(resource.json):
        parsed = parse_reference(text)
        if parsed.type != "Patient" or parsed.id is None:
            continue
        person = await _person(context, resource, parsed.id)
        if person is None or person.is_restricted:
            return True
    return False


async def _person(context: RequestContext, resource: Resource, id_: str) -> Person | None:
    try:
        record = await context.loaders.read(resource.source, Read("Patient", id_, resource.location))
        return await context.identity.of_record(record) if record is not None else None
    except UpstreamError:
        return None
