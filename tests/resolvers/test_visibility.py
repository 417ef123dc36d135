"""A caller limited to one patient sees that patient's compartment, whatever path leads elsewhere."""

from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers.persons import Person
from resolvers.resource import Location, Resource
from resolvers.visibility import is_in_compartment
from tests.resolvers.asking import NHS, Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER = "9990000018", "9990000026"


def hospital() -> MemoryUpstream:
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/1"},
        "medicationReference": {"reference": "Medication/med"},
    }
    foreign = {**observation("mine2", "1"), "hasMember": [{"reference": "Observation/theirs"}]}
    return MemoryUpstream(
        "a",
        {
            "Patient": [patient("1", NUMBER), patient("2", OTHER)],
            "Observation": [observation("mine", "1"), foreign, observation("theirs", "2")],
            "MedicationRequest": [request],
            "Medication": [{"resourceType": "Medication", "id": "med", "status": "active"}],
            "Practitioner": [{"resourceType": "Practitioner", "id": "p"}],
        },
    )


def asker() -> Asker:
    return Asker(hospital(), patient="a/Patient/1")


@pytest.mark.parametrize(
    "text",
    [
        '{ it: patient(id: "a/Patient/2") { id } }',
        f'{{ it: patient(identifier: "{OTHER}") {{ id }} }}',
        '{ it: node(id: "a/Patient/2") { id } }',
        '{ it: node(id: "a/Observation/theirs") { id } }',
        '{ it: observation(id: "a/Observation/theirs") { id } }',
        '{ it: medication(id: "a/Medication/med") { id } }',
        '{ it: practitioner(id: "a/Practitioner/p") { id } }',
        '{ it: observation(id: "a/Observation/missing") { id } }',
    ],
)
async def test_what_is_foreign_withheld_or_unknown_answers_null(text: str) -> None:
    assert await asker().data(text) == {"it": None}


async def test_lists_hold_the_own_compartment_only() -> None:
    data = await asker().data(
        "{ observations { nodes { id } } patients { nodes { records { id } } } me { records { id } } }"
    )
    assert {node["id"] for node in data["observations"]["nodes"]} == {
        "a/Observation/mine",
        "a/Observation/mine2",
    }
    own = {"records": [{"id": "a/Patient/1"}]}
    assert (data["patients"]["nodes"], data["me"]) == ([own], own)


async def test_types_without_a_patient_cannot_be_listed() -> None:
    result = await asker().run("{ practitioners { nodes { id } } }")
    assert (result.data, codes(result.errors)) == ({"practitioners": None}, ["FORBIDDEN"])


async def test_a_reference_is_followed_into_types_without_a_patient_but_not_into_another_record() -> None:
    text = """{ medicationRequests { nodes { medicationReference { resource { id } } } }
      observations { nodes { hasMember { resource { id } } } } }"""
    data = await asker().data(text)
    (request,) = data["medicationRequests"]["nodes"]
    assert request["medicationReference"]["resource"] == {"id": "a/Medication/med"}
    members = [node["hasMember"] for node in data["observations"]["nodes"] if node["hasMember"]]
    assert members == [[{"resource": None}]]


async def test_a_launch_patient_that_nobody_knows_is_refused() -> None:
    result = await Asker(hospital(), patient="a/Patient/404").run("{ observations { nodes { id } } }")
    assert codes(result.errors) == ["FORBIDDEN"]


async def test_an_unlimited_caller_sees_all() -> None:
    data: Any = await Asker(hospital()).data(
        "{ observations { nodes { id } } practitioners { nodes { id } } }"
    )
    assert len(data["observations"]["nodes"]) == 3
    assert len(data["practitioners"]["nodes"]) == 1


@pytest.mark.parametrize(
    "inner", [{"resourceType": "Patient", "id": "2"}, patient("p", OTHER), patient("2", OTHER)]
)
@pytest.mark.parametrize("launch", ["a/Patient/1", None])
async def test_a_contained_patient_is_nobodys_record(inner: dict[str, Any], launch: str | None) -> None:
    up = hospital()
    up.resources["Observation"][0]["contained"] = [inner]
    text = """{ observation(id: "a/Observation/mine") { contained { id ... on Patient {
      observations { nodes { id } } records { id } sources { status } } } } }"""
    data = await Asker(up, patient=launch).data(text)
    assert data["observation"]["contained"] == [
        {
            "id": f"a/Observation/mine#{inner['id']}",
            "observations": {"nodes": []},
            "records": [],
            "sources": [{"status": "NOT_LINKED"}],
        }
    ]


async def test_a_count_of_patients_tells_a_limited_caller_nothing_of_others() -> None:
    text = f'{{ patients(identifier: ["{NHS}|{OTHER}"]) {{ totalCount nodes {{ id }} }} }}'
    assert (await asker().data(text))["patients"] == {"totalCount": None, "nodes": []}
    assert (await Asker(hospital()).data(text))["patients"]["totalCount"] == 1


@pytest.mark.parametrize("other", ["a/Patient/2", "a/Patient/404"])
async def test_a_filter_by_another_person_tells_a_limited_caller_nothing_of_that_person(other: str) -> None:
    up = hospital()
    text = f'{{ observations(performer: ["{other}"]) {{ totalCount completeness nodes {{ id }} }} }}'
    data = await Asker(up, patient="a/Patient/1").data(text)
    assert data["observations"] == {"totalCount": 0, "completeness": "COMPLETE", "nodes": []}
    looked_for = [key.id for kind, keys in up.calls if kind == "read" for key in keys]
    assert looked_for == ["1"]


async def test_a_limited_callers_patients_is_partial_where_the_source_cannot_be_asked() -> None:
    up = MemoryUpstream("a", {"Patient": [patient("1", NUMBER)]}, unsupported=frozenset({"name"}))
    text = '{ patients(name: {startsWith: "poe"}) { nodes { id } completeness sources { status } } }'
    data = await Asker(up, patient="a/Patient/1").data(text)
    assert data["patients"] == {
        "nodes": [],
        "completeness": "PARTIAL",
        "sources": [{"status": "NOT_SUPPORTED"}],
    }


async def test_a_limited_caller_is_not_told_that_others_share_an_identifier() -> None:
    number = {"identifier": [{"system": "https://a.example/mrn", "value": "77"}]}
    up = MemoryUpstream(
        "a", {"Patient": [patient("1", NUMBER), patient("2") | number, patient("3") | number]}
    )
    data = await Asker(up, patient="a/Patient/1").data(
        '{ patient(identifier: "https://a.example/mrn|77") { id } }'
    )
    assert data == {"patient": None}


async def test_a_device_that_is_nobodys_is_seen_where_an_own_resource_refers_to_it() -> None:
    up = hospital()
    up.resources["Observation"][0]["device"] = {"reference": "Device/shared"}
    up.resources["Observation"][1]["device"] = {"reference": "Device/theirs"}
    theirs = {"resourceType": "Device", "id": "theirs", "patient": {"reference": "Patient/2"}}
    up.resources["Device"] = [{"resourceType": "Device", "id": "shared"}, theirs]
    up.types = frozenset(up.resources)
    text = '{ node(id: "a/Device/shared") { id } observations { nodes { id device { resource { id } } } } }'
    data = await Asker(up, patient="a/Patient/1").data(text)
    found = {row["id"]: row["device"]["resource"] for row in data["observations"]["nodes"]}
    assert found == {"a/Observation/mine": {"id": "a/Device/shared"}, "a/Observation/mine2": None}
    assert data["node"] is None


@pytest.mark.parametrize(
    ("subject", "is_seen"), [("Patient/1", True), ("Patient/2", False), ("urn:uuid:x", False), (None, False)]
)
def test_what_a_bundle_carries_is_seen_where_it_is_about_the_patient(
    subject: str | None, is_seen: bool
) -> None:
    """A Bundle is nobody's, so a reference leads there; its entries are records of their own."""
    place = Location("https://a.example/fhir")

    def made(kind: str, id_: str, json: dict[str, Any]) -> Resource:
        return Resource("a", place, kind, id_, {"resourceType": kind, "id": id_, **json}, datetime.now(UTC))

    own = Person("a/Patient/1", (made("Patient", "1", {}),), {})
    entry = {"resourceType": "Observation", "id": "o"} | (
        {"subject": {"reference": subject}} if subject else {}
    )
    carried = made("Bundle", "b", {}).holding("Observation", "o", entry)
    assert is_in_compartment(carried, own, followed=True) is is_seen
    inside = carried.holding("Practitioner", "p", {"resourceType": "Practitioner", "id": "p"})
    assert is_in_compartment(inside, own, followed=True) is is_seen
    for number in ("1", "2"):
        person = made("Bundle", "b", {}).holding("Patient", number, {"resourceType": "Patient", "id": number})
        assert is_in_compartment(person, own, followed=True) is (number == "1")
