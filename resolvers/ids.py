"""Global ids: `source/Type/id`, `source/Type/id#contained`, `person/token` (docs/schema.md)."""

from dataclasses import dataclass

from clinical.references import is_resource_id
from resolvers.resource import Resource

PERSON = "person"


@dataclass(frozen=True, slots=True)
class RecordId:
    """One resource of one source; `contained` names a resource inside it."""

    source: str
    type: str
    id: str
    contained: str | None = None


def parse_record_id(text: str) -> RecordId | None:
    """The parts of a record's id, or None where the text is none."""
    whole, hash_, contained = text.partition("#")
    parts = whole.split("/")
    if len(parts) != 3 or not all(parts) or (hash_ and not contained):
        return None
    source, type_, id_ = parts
    if not type_.isalpha() or not is_resource_id(id_):
        return None
    return RecordId(source, type_, id_, contained or None)


def global_id(resource: Resource) -> str:
    """The id under which a client can ask for the resource again."""
    if resource.person_id is not None:
        return resource.person_id
    if resource.container is not None:
        holder = resource.container
        return f"{holder.source}/{holder.type}/{holder.id}#{resource.id}"
    return f"{resource.source}/{resource.type}/{resource.id}"
