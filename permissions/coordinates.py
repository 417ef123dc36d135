"""The fields of a schema, as rules see them: coordinates (`Patient.birthDate`) and what they are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reads:
    """What a field fetches: one resource of a type (`r`), a list of them (`s`), or either (`rs`)."""

    actions: str
    type: str


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One field of an object type.

    `resource`: the FHIR resource type that the field stands on, None for any other type. `reads` is set
    where the field fetches resources of one type. `is_fetched`: a resolver answers it; everything else is
    a part of what it stands on. `is_element`: it is an element of FHIR JSON. `may_be_null`: null may stand
    in its place. `shows`: the coordinates of elements whose values it tells in another form.
    """

    type: str
    field: str
    resource: str | None = None
    reads: Reads | None = None
    is_fetched: bool = False
    is_element: bool = False
    may_be_null: bool = True
    shows: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As the GraphQL specification writes it (3.14, schema coordinates)."""
        return f"{self.type}.{self.field}"
