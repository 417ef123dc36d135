"""A FHIR resource as it travels: plain JSON, and where it came from."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]


class Location(msgspec.Struct, frozen=True, cache_hash=True):
    """One place at which a source is reached.

    Most sources have one. A GP system has one per practice; `organization` is then the
    code of that practice. `headers` belong to this place alone and are never sent elsewhere.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    organization: str | None = None


class Resource(msgspec.Struct, eq=False):
    """One resource of one source. Identity, not content, tells two apart.

    `json` is the decoded FHIR JSON, shared and never changed after the fetch.
    `container` is set on a contained resource: the resource that holds it. `person_id` is set
    on a Patient record once identity has told that it is one of a person's.
    """

    source: str
    location: Location
    type: str
    id: str
    json: Json
    retrieved_at: datetime
    cached: bool = False
    container: "Resource | None" = None
    person_id: str | None = None

    def holding(self, type_: str, id_: str, json: Json) -> "Resource":
        """A resource inside this one (`contained`): from where this one is from, as old as it."""
        return Resource(
            self.source, self.location, type_, id_, json, self.retrieved_at, self.cached, container=self
        )

    def is_same(self, other: "Resource") -> bool:
        """Whether the other is this resource, perhaps fetched another time."""
        return (
            self.id == other.id
            and self.source == other.source
            and self.type == other.type
            and self.location.base_url == other.location.base_url
        )

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes this resource one: source, place, type, id."""
        return (self.source, self.location.base_url, self.type, self.id)


class Node(NamedTuple):
    """An element on its way through the schema, with the resource that holds it.

    The holder is what a `Reference` deep inside needs to be followed: to the right
    source, the right place of it, or among the holder's contained resources.
    """

    element: Json
    resource: Resource
