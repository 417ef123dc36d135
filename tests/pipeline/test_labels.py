"""Security labels: what a source marks as confidential, sensitive or not for the patient is withheld by every
path, from counts and pages too, unless the caller is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.population.model import Person, Population
from tests.pipeline import laboratory
from tests.pipeline.laboratory import House, observation, report
from tests.running import Sandbox

Json = dict[str, Any]

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LABELS: dict[str, Any] = {
    "restricted": [{"system": CONFIDENTIALITY, "code": "R"}],
    "very": [{"system": CONFIDENTIALITY, "code": "N"}, {"system": CONFIDENTIALITY, "code": "V"}],
    "hiv": [{"system": ACT_CODE, "code": "HIV"}],
    "nopat": [{"system": ACT_CODE, "code": "NOPAT"}],
    "bare": [{"code": "V"}],
    "odd": {"system": CONFIDENTIALITY, "code": "R"},
    "broken": [{"system": CONFIDENTIALITY, "code": ["R"]}],
    "normal": [{"system": CONFIDENTIALITY, "code": "N"}],
    "foreign": [{"system": "https://example.org/ranks", "code": "R"}],
    "unlabelled": [],
}
OPEN = {"normal", "foreign", "unlabelled"}
RESTRICTED = {"restricted", "very", "bare"}
UNREADABLE = {"odd", "broken"}

# Who asks: scope, launch patient or not, fhirUser -> what is shown beside what is open to all.
CALLERS: dict[str, tuple[str, bool, str | None, set[str]]] = {
    "patient": ("patient/*.rs", True, None, set()),
    "cleared patient": ("patient/*.rs clearance.restricted", True, None, RESTRICTED),
    "clinician": ("user/*.rs", False, "Practitioner/1", {"nopat"}),
    "clinician at a patient": ("patient/*.rs", True, "Practitioner/1", {"nopat"}),
    "cleared clinician": ("user/*.rs clearance.restricted", False, "Practitioner/1", {"nopat"} | RESTRICTED),
    "sensitive": ("user/*.rs clearance.sensitive", False, "Practitioner/1", {"nopat", "hiv"}),
    "backend": ("system/*.rs", False, None, {"nopat"}),
    "patient with a user scope": ("user/*.rs", False, "Patient/1007", set()),
    "proxy": ("user/*.rs", False, "https://ehr.example/fhir/RelatedPerson/7", set()),
    "patient's app, also for a directory": ("patient/*.rs user/Practitioner.r", True, None, set()),
    "cleared for all": (
        "system/*.rs clearance.restricted clearance.sensitive",
        False,
        None,
        set(LABELS) - OPEN,
    ),
}


def labelled(resource: Json, labels: Any) -> Json:
    return resource | {"meta": {"security": labels}}


def third(population: Population) -> Person:
    return next(one for one in population.people if "ehr-only" in one.traits)


def resources(population: Population) -> list[Json]:
    made = [labelled(observation(f"l-{name}", "me", "laboratory"), labels) for name, labels in LABELS.items()]
    inside = [labelled(observation(name, "me", "laboratory"), labels) for name, labels in LABELS.items()]
    made.append(report("l-report", "me") | {"contained": inside, "result": [], "performer": []})
    made.append(labelled(report("l-secret", "me"), LABELS["restricted"]))
    made.append(labelled(_encounter("l-encounter"), LABELS["restricted"]))
    person = third(population)
    known = next(one for one in population.ehr["Patient"] if f"Patient/{one['id']}" == person.sources["ehr"])
    patient = {
        "resourceType": "Patient",
        "id": "third",
        "identifier": [{"system": NHS_NUMBER_SYSTEM, "value": person.nhs_number}],
        "birthDate": known["birthDate"],
        "name": [{"family": "Hiddenham"}],
    }
    made.append(labelled(patient, LABELS["hiv"]))
    alone = {
        "resourceType": "Patient",
        "id": "alone",
        "name": [{"family": "Whereabout"}],
        "address": [{"city": "Nowhereton"}],
        "telecom": [{"value": "07700 900123"}],
    }
    made.append(labelled(alone, LABELS["restricted"]))
    inner = labelled(alone, LABELS["restricted"]) | {"id": "inner"}
    about = observation("l-about", "nobody", contained=[inner])
    made.append(about | {"subject": {"reference": "#inner"}})
    return made


def _encounter(id_: str) -> Json:
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/me"},
        "period": {"start": "1990-01-01T10:00:00Z"},
    }


@pytest.fixture(scope="module")
def house(sandbox: Sandbox, population: Population) -> Iterator[House]:
    with laboratory.house(sandbox, population, resources(population)) as built:
        yield built


QUERY = """query Q($ids: [ID!]!, $id: ID!, $codes: [String!]!) {
  nodes(ids: $ids) { id }
  patient(id: $id) {
    short: observations(first: 100) { ...Rows }
    sorted: observations(first: 100, sort: "date") { ...Rows }
    filtered: observations(first: 100, _id: $codes) { ...Rows }
    counted: observations(_id: $codes) { totalCount }
  }
  listed: observations(first: 100, _id: $codes) { nodes { id } totalCount }
  report: diagnosticReport(id: "lab/DiagnosticReport/l-report") { contained { __typename ...Id } }
  secret: diagnosticReport(id: "lab/DiagnosticReport/l-secret") { id }
}
fragment Rows on ObservationConnection { nodes { id } edges { node { ...Id } } }
fragment Id on Resource { id }"""


@pytest.mark.parametrize("caller", CALLERS)
def test_a_label_withholds_by_every_path_and_from_counts(house: House, caller: str) -> None:
    scope, is_for_patient, user, more = CALLERS[caller]
    names = [f"l-{name}" for name in LABELS]
    shown = OPEN | more
    expected = {f"lab/Observation/l-{name}" for name in shown}
    asked: Json = {
        "ids": [f"lab/Observation/{one}" for one in names],
        "id": house.id_of(house.me),
        "codes": names,
    }
    asked |= {} if user is None else {"user": user}
    ask = house.as_me if is_for_patient else house.ask
    told = ask(QUERY, scope, **asked)
    data = told.data
    assert {one["id"] for one in data["nodes"] if one} == expected
    for name in ("short", "sorted", "filtered"):
        found = data["patient"][name]
        ids = {one["id"] for one in found["nodes"] if "/l-" in one["id"]}
        assert ids == expected, name
        assert [one["node"] for one in found["edges"]] == found["nodes"]
    assert data["patient"]["counted"]["totalCount"] in (None, len(expected))
    if data["listed"] is not None:
        assert {one["id"] for one in data["listed"]["nodes"]} == expected
        assert data["listed"]["totalCount"] in (None, len(expected))
    inside = [None if one is None else one["id"].rpartition("#")[2] for one in data["report"]["contained"]]
    assert inside == [name if name in shown else None for name in LABELS]
    assert (data["secret"] is not None) == ("restricted" in shown)


def test_a_page_does_not_tell_of_a_withheld_row_behind_it(house: House) -> None:
    """The laboratory's only encounter is withheld, and older than all of the others."""
    query = """query Q($id: ID!, $first: Int!) { patient(id: $id) { encounters(first: $first) {
      nodes { id } pageInfo { hasNextPage endCursor } completeness } } }"""
    me = house.id_of(house.me)
    every = house.as_me(query, id=me, first=100).whole()["patient"]["encounters"]
    count = len(every["nodes"])
    assert not any("lab/" in one["id"] for one in every["nodes"])
    for scope in ("patient/*.rs", "user/*.rs"):
        exact = house.as_me(query, scope, id=me, first=count).whole()["patient"]["encounters"]
        assert len(exact["nodes"]) == count
        assert exact["pageInfo"]["hasNextPage"] is False, scope


def test_a_withheld_record_of_a_person_tells_nothing(house: House, population: Population) -> None:
    person = house.id_of(third(population))
    query = """query Q($id: ID!) {
      patient(id: $id) { id name { family } records { id } }
      found: patients(family: {startsWith: "Hiddenham"}) { nodes { id } pageInfo { hasNextPage } totalCount }
    }"""
    told = house.ask(query, "user/*.rs", id=person).whole()
    assert told["patient"]["id"] == person
    assert "Hiddenham" not in repr(told["patient"])
    assert [one["id"] for one in told["patient"]["records"]] == [f"ehr/{third(population).sources['ehr']}"]
    assert told["found"]["nodes"] == []
    assert told["found"]["totalCount"] in (None, 0)
    cleared = house.ask(query, "user/*.rs clearance.sensitive", id=person).whole()
    assert {"id": "lab/Patient/third"} in cleared["patient"]["records"]
    assert cleared["found"]["nodes"] == [{"id": person}]
    own = house.ask(query, "patient/*.rs", f"ehr/{third(population).sources['ehr']}", id=person).whole()
    assert own["patient"]["id"] == person
    assert own["found"]["nodes"] == []


def test_a_page_of_patients_does_not_tell_of_a_withheld_one_behind_it(house: House) -> None:
    query = '{ patients(first: 1, _id: ["me", "third"]) { nodes { id } pageInfo { hasNextPage } } }'
    told = house.ask(query, "user/*.rs").whole()["patients"]
    assert told == {"nodes": [{"id": house.id_of(house.me)}], "pageInfo": {"hasNextPage": False}}


PROBES = (
    'observations(first: 0, _id: ["l-hiv"])',
    'observations(first: 1, _security: ["HIV"])',
    f'observations(first: 1, _security: ["{ACT_CODE}|HIV"], code: ["4548-4"])',
    'observations(first: 1, _id: ["l-hiv"], sort: "-_lastUpdated")',
    'observations(first: 1, _id: ["l-odd"])',
)


@pytest.mark.parametrize("probe", PROBES)
def test_no_argument_tells_that_there_is_a_withheld_row(house: House, probe: str) -> None:
    query = f"""query Q($id: ID!) {{ patient(id: $id) {{ {probe} {{
      nodes {{ id }} edges {{ cursor }} totalCount pageInfo {{ hasNextPage endCursor }} }} }} }}"""
    for scope in ("user/*.rs", "patient/*.rs"):
        found = house.as_me(query, scope, id=house.id_of(house.me)).whole()["patient"]["observations"]
        assert (found["nodes"], found["edges"]) == ([], []), scope
        assert found["totalCount"] in (None, 0)
        assert found["pageInfo"] == {"hasNextPage": False, "endCursor": None}


def test_a_restricted_patient_inside_another_resource_has_no_whereabouts_either(house: House) -> None:
    query = """{ observation(id: "lab/Observation/l-about") {
      contained { ... on Patient { name { family } address { city } } }
      subject { resource { ... on Patient { name { family } address { city } } } } } }"""
    shown = {"name": [{"family": "Whereabout"}], "address": None}
    told = house.ask(query, "user/*.rs").whole()["observation"]
    assert told == {"contained": [shown], "subject": {"resource": shown}}


WHERE = """{ patient(id: "lab/Patient/alone") { name { family } address { city } telecom { value } }
  patients(_id: ["alone"]) { nodes { address { city } telecom { value } } }
  found: patients(addressCity: {startsWith: "Nowhereton"}) { completeness nodes { id } totalCount } }"""


def test_a_restricted_patient_is_shown_without_whereabouts_whatever_the_source(house: House) -> None:
    told = house.ask(WHERE, "user/*.rs").whole()
    assert told["patient"]["name"] == [{"family": "Whereabout"}]
    assert "Nowhereton" not in repr(told)
    assert "07700" not in repr(told)
    assert told["found"]["nodes"] == []
    assert told["found"]["totalCount"] in (None, 0)
