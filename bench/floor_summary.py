"""The hand-written summary: eight lists of one patient."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from bench import floor_shapes as shapes

SUMMARY: Final = (
    ("AllergyIntolerance", "-date"),
    ("Condition", "-recorded-date"),
    ("MedicationRequest", "-authoredon"),
    ("Immunization", "-date"),
    ("Procedure", "-date"),
    ("DiagnosticReport", "-date"),
    ("Encounter", "-date"),
    ("Observation", "-date"),
)
"""The types of the summary, as it lists them, and how each is sorted."""


class SummaryPerson(Struct):
    id: str
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815
    name: list[shapes.Name] | None = None


class _Connection(Struct):
    completeness: str
    nodes: list[Any]


class _Summary(Struct):
    id: str
    gender: str | None
    birthDate: str | None  # noqa: N815
    name: list[shapes.Name] | None
    allergyIntolerances: _Connection  # noqa: N815
    conditions: _Connection
    medicationRequests: _Connection  # noqa: N815
    immunizations: _Connection
    procedures: _Connection
    diagnosticReports: _Connection  # noqa: N815
    encounters: _Connection
    observations: _Connection


def _bundle_of(kind: str) -> Any:
    bundle: Any = shapes.Bundle
    return bundle[getattr(shapes, kind)]


_parts: Final = Decoder(shapes.Bundle[Raw])
_decoders: Final = [Decoder(_bundle_of(kind)) for kind, _ in SUMMARY]


def summary_of(id_: str, person: SummaryPerson, answer: bytes) -> _Summary:
    """The summary from the source's answer to one batch of searches."""
    connections = []
    for (kind, _), decoder, part in zip(SUMMARY, _decoders, _parts.decode(answer).entry, strict=True):
        nodes = [entry.resource for entry in decoder.decode(part.resource).entry[:10]]
        for node in nodes:
            node.id = f"ehr/{kind}/{node.id}"
        connections.append(_Connection("COMPLETE", nodes))
    return _Summary(id_, person.gender, person.birthDate, person.name, *connections)
