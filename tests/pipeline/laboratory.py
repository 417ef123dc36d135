"""A gateway over the sandbox's hospital, its practices and a laboratory of the test's own, which holds what a
test wants: labelled, contained and granular data about two people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.control import Control
from sandbox.fhir.profile import Profile
from sandbox.fhir.server import FhirServer
from sandbox.fhir.store import Store
from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.odd_source import OddSource
from tests.pipeline.own_gateway import Change, own_gateway, types, upstream
from tests.running import Sandbox, served

Json = dict[str, Any]

TYPES = (
    *("Patient", "Observation", "Condition", "Encounter", "DiagnosticReport"),
    *("MedicationRequest", "Medication", "Practitioner", "Organization"),
)
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC = "http://loinc.org"
SOURCES = ("ehr", "gp", "lab")


@dataclass(frozen=True, slots=True)
class House:
    """The gateway, what each source was built with, and the two people: the caller, and somebody else."""

    gateway: Gateway
    sandbox: Sandbox
    origin: str
    recorded: Sequence[tuple[str, Json]]
    me: Person
    other: Person

    def ask(self, query: str, scope: str, patient: str | None = None, **more: Any) -> Told:
        """Asks with a token of these scopes; `patient` is its launch patient, `claims` and `user` more
        of it, the rest are variables."""
        grant = {name: more.pop(name) for name in ("claims", "user") if name in more}
        if patient is not None:
            grant["patient"] = patient
        return self.gateway.with_token(self.sandbox.minted(scope=scope, **grant)).ask(query, **more)

    def as_me(self, query: str, scope: str = "patient/*.rs", **more: Any) -> Told:
        """Asks with a token for the caller's own record."""
        return self.ask(query, scope, f"ehr/{self.me.sources['ehr']}", **more)

    def id_of(self, person: Person) -> str:
        return str(self.sandbox.summary["patients"][person.index]["id"])

    def records_of(self, person: Person) -> frozenset[str]:
        """The person's records in the sources, each with its source."""
        mine = {"me": self.me, "other": self.other}
        local = next(name for name, one in mine.items() if one is person)
        return frozenset((f"lab/Patient/{local}", *(f"{one}/{person.sources[one]}" for one in ("ehr", "gp"))))

    def forget_requests(self) -> None:
        self.sandbox.forget_requests()
        self.sandbox.client.delete(f"{self.origin}/_sandbox/requests").raise_for_status()

    def requests(self) -> list[tuple[str, str, str]]:
        """What every source was asked: source, path below its base, query; those of a batch one by one."""
        asked = [(name, one) for name in self.sandbox.summary["upstreams"] for one in self._of(name)]
        lines = self.sandbox.client.get(f"{self.origin}/_sandbox/requests").text.splitlines()
        asked += [("lab", json.loads(line)) for line in lines]
        return [(name, *each) for name, one in asked for each in parted(one)]

    def _of(self, name: str) -> list[Json]:
        return self.sandbox.requests(name)


def parted(request: Json) -> Iterator[tuple[str, str]]:
    """Path and query of a request of a log; of a batch those of each of its entries."""
    path = request["path"].partition("/fhir")[2].strip("/")
    if path or request["method"] != "POST":
        form = request["body"] if path.endswith("_search") else ""
        yield path or request["path"], "&".join(filter(None, (request["query"], form)))
        return
    for entry in json.loads(request["body"])["entry"]:
        path, _, query = entry["request"]["url"].partition("?")
        yield path, query


@contextmanager
def house(
    sandbox: Sandbox, population: Population, more: Iterable[Json] = (), *changes: Change
) -> Iterator[House]:
    """The house while the block lasts; `more` is what the laboratory holds besides."""
    me = next(one for one in population.people if "mother" in one.traits)
    other = next(one for one in population.people if "first" in one.traits)
    held = [*holdings(population, me, other), *more]
    laboratory = OddSource(lambda base_url: _server(held, base_url), "/fhir")
    with served(laboratory) as origin:
        laboratory.open(origin)
        with own_gateway(sandbox, types(*TYPES), _wide, _beside(laboratory), *changes) as gateway:
            recorded = [*_recorded(population), *(("lab", one) for one in held)]
            yield House(gateway, sandbox, origin, recorded, me, other)


def _server(held: Iterable[Json], base_url: str) -> Control:
    profile = Profile("Laboratory", dict.fromkeys(TYPES))
    return Control(FhirServer(Store(held, base_url), profile))


def _wide(written: Json) -> None:
    """Documents that ask for a thing by every path are large."""
    written["limits"] = {"max_characters": 200_000, "max_tokens": 20_000, "max_aliases": 1_000}
    written["limits"] |= {"max_root_fields": 500}


def _beside(laboratory: OddSource) -> Change:
    def change(written: Json) -> None:
        written["identity"]["trusted_sources"] = list(SOURCES)
        written["identity"].pop("links", None)
        table = {"name": "lab", "kind": "fhir", "base_url": laboratory.base_url}
        written["upstreams"] = [upstream(written, "ehr"), upstream(written, "gp"), table]

    return change


def _recorded(population: Population) -> Iterator[tuple[str, Json]]:
    for name in TYPES:
        yield from (("ehr", one) for one in population.ehr.get(name, ()))
        yield from (("gp", one) for held in population.gp.values() for one in held.get(name, ()))


# ---------------------------------------------------------------- what the laboratory holds


def holdings(population: Population, me: Person, other: Person) -> list[Json]:
    """Observations of every kind about both people, reports with observations inside, a prescription; and
    somebody else whose local id is that of the caller's record in the hospital."""
    mine = me.sources["ehr"].removeprefix("Patient/")
    held: list[Json] = [
        {"resourceType": "Medication", "id": "m1", "code": {"text": "made up"}},
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Made"}]},
        {"resourceType": "Patient", "id": mine, "birthDate": "1999", "gender": "female"},
        observation("namesake-1", mine, "laboratory"),
    ]
    for person, id_ in ((me, "me"), (other, "other")):
        held += about(population, person, id_)
    return held


def about(population: Population, person: Person, id_: str) -> list[Json]:
    """One person's record here; it is linked to the hospital's by number and birth date."""
    known = next(one for one in population.ehr["Patient"] if f"Patient/{one['id']}" == person.sources["ehr"])
    return [
        {
            "resourceType": "Patient",
            "id": id_,
            "identifier": [{"system": NHS_NUMBER_SYSTEM, "value": person.nhs_number}],
            "birthDate": known["birthDate"],
        },
        observation(f"{id_}-lab", id_, "laboratory"),
        observation(f"{id_}-vital", id_, "vital-signs", code="8867-4"),
        observation(f"{id_}-social", id_, "social-history"),
        observation(f"{id_}-both", id_, "laboratory", "vital-signs"),
        observation(f"{id_}-plain", id_),
        report(f"{id_}-report", id_),
        {
            "resourceType": "MedicationRequest",
            "id": f"{id_}-rx",
            "status": "active",
            "intent": "order",
            "medicationReference": {"reference": "Medication/m1"},
            "subject": {"reference": f"Patient/{id_}"},
            "requester": {"reference": "Practitioner/dr"},
        },
    ]


def observation(id_: str, patient: str, *categories: str, code: str = "4548-4", **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORIES, "code": one}]} for one in categories],
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-05-01T10:00:00Z",
        **more,
    } | ({} if categories else {"category": [{"text": "none"}]})


def report(id_: str, patient: str, **more: Any) -> Json:
    """A report that holds an observation and its performer."""
    inside = observation("inside", patient, "laboratory")
    return {
        "resourceType": "DiagnosticReport",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "24331-1"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-05-01T10:00:00Z",
        "contained": [inside, {"resourceType": "Practitioner", "id": "inner", "name": [{"family": "Inner"}]}],
        "result": [{"reference": "#inside"}, {"reference": f"Observation/{patient}-lab"}],
        "performer": [{"reference": "#inner"}, {"reference": "Practitioner/dr"}],
        **more,
    }
