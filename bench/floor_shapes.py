"""The elements that the hand-written endpoint reads and writes, in the order of the queries."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Raw, Struct

NULL = Raw(b"null")
_Resource = TypeVar("_Resource")


class Entry(Struct, Generic[_Resource]):
    resource: _Resource


class Bundle(Struct, Generic[_Resource]):
    entry: list[Entry[_Resource]] = []


class Identifier(Struct):
    system: str | None = None
    value: str | None = None


class Found(Struct):
    id: str
    identifier: list[Identifier] = []


class Name(Struct):
    family: str | None = None
    given: list[str] | None = None


class FoundPerson(Struct):
    id: str
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815
    active: bool | None = None
    name: list[Name] | None = None
    identifier: list[Identifier] = []


class Coding(Struct):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class Symbol(Struct):
    system: str | None = None
    code: str | None = None


class Code(Struct):
    code: str | None = None


class Named(Struct):
    code: str | None = None
    display: str | None = None


class Text(Struct):
    text: str | None = None


class Concept(Struct):
    text: str | None = None
    coding: list[Coding] | None = None


class ShortConcept(Struct):
    text: str | None = None
    coding: list[Symbol] | None = None


class Status(Struct):
    coding: list[Code] | None = None


class Quantity(Struct):
    value: Raw = NULL
    unit: str | None = None


class Period(Struct):
    start: str | None = None
    end: str | None = None


class ObservationB(Struct):
    id: str
    status: str | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    code: Concept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815


class ObservationC(Struct):
    id: str
    effectiveDateTime: str | None = None  # noqa: N815
    code: Text | None = None
    valueQuantity: Quantity | None = None  # noqa: N815


class Observation(Struct):
    id: str
    effectiveDateTime: str | None = None  # noqa: N815
    code: ShortConcept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815


class AllergyIntolerance(Struct):
    id: str
    criticality: str | None = None
    code: ShortConcept | None = None
    recordedDate: str | None = None  # noqa: N815


class Condition(Struct):
    id: str
    clinicalStatus: Status | None = None  # noqa: N815
    code: ShortConcept | None = None
    onsetDateTime: str | None = None  # noqa: N815


class MedicationRequest(Struct):
    id: str
    status: str | None = None
    medicationCodeableConcept: ShortConcept | None = None  # noqa: N815
    authoredOn: str | None = None  # noqa: N815
    dosageInstruction: list[Text] | None = None  # noqa: N815


class Immunization(Struct):
    id: str
    status: str | None = None
    vaccineCode: ShortConcept | None = None  # noqa: N815
    occurrenceDateTime: str | None = None  # noqa: N815
    lotNumber: str | None = None  # noqa: N815


class Procedure(Struct):
    id: str
    status: str | None = None
    code: ShortConcept | None = None
    performedDateTime: str | None = None  # noqa: N815


class DiagnosticReport(Struct):
    id: str
    status: str | None = None
    code: ShortConcept | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    conclusion: str | None = None


class Encounter(Struct, rename={"class_": "class"}):
    id: str
    status: str | None = None
    class_: Named | None = None
    period: Period | None = None


# ---------------------------------------------------------------- answers


class Connection(Struct):
    completeness: str
    nodes: list[ObservationC] | list[ObservationB]


class Person(Struct):
    id: str
    gender: str | None
    birthDate: str | None  # noqa: N815
    active: bool | None
    name: list[Name] | None


class PersonWithObservations(Struct):
    id: str
    observations: Connection
