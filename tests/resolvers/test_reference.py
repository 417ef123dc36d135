"""References lead to resources of configured sources and nowhere else; a dead one costs only itself."""

from typing import Any

import pytest

from tests.resolvers.asking import Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
ASK = """{ observation(id: "a/Observation/o") {
  id encounter { reference resource { id ... on Encounter { status } } } } }"""


def sources(reference: str | None, **more: Any) -> tuple[MemoryUpstream, MemoryUpstream]:
    row = observation("o", "1", encounter={"reference": reference} if reference else {"display": "x"}, **more)
    visit = {"resourceType": "Encounter", "id": "e", "status": "finished"}
    a = MemoryUpstream("a", {"Patient": [patient("1", NUMBER)], "Observation": [row], "Encounter": [visit]})
    b = MemoryUpstream("b", {"Patient": [], "Encounter": [{**visit, "status": "planned"}]})
    return a, b


async def followed(reference: str | None, **more: Any) -> tuple[Any, list[str]]:
    result = await Asker(*sources(reference, **more)).run(ASK)
    assert result.data is not None
    return result.data["observation"]["encounter"]["resource"], codes(result.errors)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Encounter/e", {"id": "a/Encounter/e", "status": "finished"}),
        ("Encounter/e/_history/2", {"id": "a/Encounter/e", "status": "finished"}),
        ("https://a.example/fhir/Encounter/e", {"id": "a/Encounter/e", "status": "finished"}),
        ("https://b.example/fhir/Encounter/e", {"id": "b/Encounter/e", "status": "planned"}),
    ],
)
async def test_a_reference_to_a_configured_source_is_followed(reference: str, expected: Any) -> None:
    assert await followed(reference) == (expected, [])


@pytest.mark.parametrize(
    "reference",
    [
        "Encounter/missing",
        "https://elsewhere.example/fhir/Encounter/e",
        "urn:uuid:0d9ea2fc-b6f1-4c55-b2d1-3a0f2d1a0f0e",
        "#missing",
        "Group/g",
        "not a reference",
    ],
)
async def test_a_reference_that_leads_nowhere_is_null_and_an_error(reference: str) -> None:
    assert await followed(reference) == (None, ["REFERENCE_NOT_FOUND"])


async def test_a_reference_without_an_address_is_null_and_no_error() -> None:
    assert await followed(None) == (None, [])


async def test_a_contained_resource_is_found_in_its_holder_and_again_by_its_id() -> None:
    inner = {"resourceType": "Encounter", "id": "in", "status": "planned"}
    asker = Asker(*sources("#in", contained=[inner]))
    found = (await asker.data(ASK))["observation"]["encounter"]["resource"]
    assert found == {"id": "a/Observation/o#in", "status": "planned"}
    again = await asker.data('{ node(id: "a/Observation/o#in") { id origin { name fhirId } } }')
    assert again["node"] == {"id": "a/Observation/o#in", "origin": {"name": "a", "fhirId": "in"}}


async def test_a_contained_resource_of_a_type_not_served_costs_only_itself() -> None:
    entries = [
        {"resourceType": "Group", "id": "g"},
        {"resourceType": "Encounter", "id": "in", "status": "planned"},
    ]
    asker = Asker(*sources("#in", contained=entries))
    result = await asker.run('{ observation(id: "a/Observation/o") { contained { id } } }')
    assert result.data == {"observation": {"contained": [None, {"id": "a/Observation/o#in"}]}}
    assert codes(result.errors) == ["UPSTREAM_INVALID_RESPONSE"]


async def test_many_references_to_one_resource_are_one_read() -> None:
    a, b = sources("Encounter/e")
    a.resources["Observation"] += [
        observation(f"o{i}", "1", encounter={"reference": "Encounter/e"}) for i in range(20)
    ]
    await Asker(a, b).data(
        "{ observations { nodes { encounter { resource { id } } subject { resource { id } } } } }"
    )
    reads = [one for kind, batch in a.calls if kind == "read" for one in batch]
    assert [(one.type, one.id) for one in reads if one.type == "Encounter"] == [("Encounter", "e")]
    assert sum(one.type == "Patient" for one in reads) == 1
