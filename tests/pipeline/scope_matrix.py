"""Tokens at a gateway: what the oracle says of each recorded resource, and what the gateway says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.population.model import Person
from tests.pipeline.asking import Told
from tests.pipeline.scope_oracle import could, permits, subject

Json = dict[str, Any]

ROOTS = {
    "Patient": ("patient", "patients"),
    "Observation": ("observation", "observations"),
    "Condition": ("condition", "conditions"),
    "Encounter": ("encounter", "encounters"),
    "DiagnosticReport": ("diagnosticReport", "diagnosticReports"),
    "MedicationRequest": ("medicationRequest", "medicationRequests"),
    "Medication": ("medication", "medications"),
    "Practitioner": ("practitioner", "practitioners"),
    "Organization": ("organization", "organizations"),
}
ABOUT_A_PATIENT = ("Observation", "Condition", "Encounter", "DiagnosticReport", "MedicationRequest")
REFERENCES = {
    "Observation": ("subject", "encounter", "performer"),
    "Condition": ("subject", "encounter"),
    "Encounter": ("subject",),
    "DiagnosticReport": ("subject", "result", "performer"),
    "MedicationRequest": ("subject", "medicationReference", "requester"),
}
MINE = "mine"
SAMPLE = {"Observation": 3, "Condition": 1, "Encounter": 1, "DiagnosticReport": 1, "MedicationRequest": 1}


@dataclass(frozen=True, slots=True)
class Held:
    """A resource of a source."""

    source: str
    resource: Json

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])

    @property
    def id(self) -> str:
        return f"{self.source}/{self.type}/{self.resource['id']}"


class Asked(Protocol):
    """A gateway, what its sources recorded, and two people: the caller, and somebody else."""

    @property
    def recorded(self) -> Iterable[tuple[str, Json]]: ...
    @property
    def me(self) -> Person: ...
    @property
    def other(self) -> Person: ...
    def ask(self, query: str, scope: str, patient: str | None = None) -> Told: ...
    def id_of(self, person: Person) -> str: ...
    def records_of(self, person: Person) -> frozenset[str]: ...
    def forget_requests(self) -> None: ...
    def requests(self) -> Iterable[tuple[str, str, str]]: ...


class Matrix:
    """All that is recorded, a sample of it that is asked for by every path, and the documents that do so."""

    def __init__(self, house: Asked) -> None:
        self.house = house
        self.all = {one.id: one for one in (Held(*each) for each in house.recorded)}
        self.persons = {one.index: house.records_of(one) for one in (house.me, house.other)}
        self.own = self.persons[house.me.index]
        self.sample = list(self._sampled())

    def _sampled(self) -> Iterator[Held]:
        known = frozenset().union(*self.persons.values())
        left = {
            (source, kind, about): n
            for source in ("ehr", "gp")
            for kind, n in SAMPLE.items()
            for about in known
        }
        for one in self.all.values():
            place = (one.source, one.type, subject(one.source, one.resource))
            if "error" in str(one.resource.get("verificationStatus", one.resource.get("status"))):
                continue
            if one.source == "lab" or left.get(place, 0) > 0 or one.id in known:
                left[place] = left.get(place, 0) - 1
                yield one
        yield next(one for one in self.all.values() if one.id.startswith("ehr/Practitioner/"))

    def records(self, one: Held) -> Iterable[str]:
        """The records of whom a Patient record is one."""
        return next((of for of in self.persons.values() if one.id in of), (one.id,))

    def of(self, *kinds: str) -> list[Held]:
        return [one for one in self.sample if one.type in kinds]

    def ids(self, kind: str) -> str:
        return ", ".join(f'"{one.resource["id"]}"' for one in self.of(kind))


@dataclass
class Case:
    """One token at the matrix: the oracle's word on everything, and what the gateway said."""

    matrix: Matrix
    scope: str
    patient: str | None = MINE
    """The launch patient: the caller's own record, a record that no source has, or none."""
    asks_twice: bool = False
    """Whether both executors are asked, and must agree."""

    def may(self, action: str, one: Held, *, followed: bool = False) -> bool:
        own = self.matrix.own if self.patient == MINE else frozenset()
        return permits(self.scope, action, one.source, one.resource, own, followed=followed)

    def could(self, action: str, kind: str) -> bool:
        return could(self.scope, action, kind, is_for_patient=self.patient is not None)

    @property
    def permits_nothing(self) -> bool:
        return not any(self.could(action, kind) for action in "rs" for kind in (*ROOTS, "Immunization"))

    def sees_person(self, action: str, records: Iterable[str]) -> bool:
        return any(self.may(action, self.matrix.all[one]) for one in records)

    def ask(self, query: str) -> Told:
        house = self.matrix.house
        patient = f"ehr/{house.me.sources['ehr']}" if self.patient == MINE else self.patient
        told = house.ask(query, self.scope, patient)
        assert told.status == 200, (self.scope, told.document)
        for error in told.errors:
            check_error(error)
        if self.asks_twice:
            # What asks about the schema, too, is answered by graphql-core.
            other = house.ask(
                query.replace("{", "{ __typename __schema { __typename }", 1), self.scope, patient
            )
            assert {name: other.data[name] for name in told.data} == told.data, self.scope
            assert self.denied(other) == self.denied(told)
        return told

    def denied(self, told: Told) -> set[tuple[tuple[str, ...], str]]:
        """The denied selections, each told once."""
        found = [
            (tuple(error["path"]), error["extensions"]["coordinate"])
            for error in told.errors
            if error["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE"
        ]
        assert len(found) == len(set(found)), found
        return set(found)


def check_error(error: Json) -> None:
    """A denied selection is told with its coordinate, its path, and scopes that would do."""
    extensions = error["extensions"]
    assert extensions["code"] in (
        "UNAUTHORIZED_FIELD_OR_TYPE",
        "FORBIDDEN",
        "REFERENCE_NOT_FOUND",
        "SEARCH_NOT_SUPPORTED",
    ), error
    if extensions["code"] == "UNAUTHORIZED_FIELD_OR_TYPE":
        assert all(isinstance(step, str) for step in error["path"]), error
        assert re.fullmatch(r"[A-Z]\w+(\.\w+)?", extensions["coordinate"])
        required = extensions["requiredScopes"]
        assert required
        assert all(
            re.fullmatch(r"(patient|user|system)/[A-Z]\w+\.[rs]", word) for one in required for word in one
        )
