"""A client that does not ask for what changes a resource's meaning is told that there is such a thing."""

from typing import Any

import pytest

from clinical.codec import decode_json, encode_json
from resolvers.cautions import CAUTIONS_MAX, Cautions
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

ROWS = [
    observation("1", "1", "2024-01-01"),
    observation("2", "1", "2024-01-02", status="preliminary"),
    observation("3", "1", "2024-01-03", status="cancelled", modifierExtension=[{"url": "secret"}]),
]
REFUTED = {"coding": [{"code": "refuted"}]}
CONDITION = {**observation("c", "1"), "resourceType": "Condition", "verificationStatus": REFUTED}


async def warned(text: str, **more: Any) -> list[dict[str, Any]]:
    held = {"Patient": [patient("1", **more)], "Observation": ROWS, "Condition": [CONDITION]}
    asker = Asker(MemoryUpstream("a", decode_json(encode_json(held))))
    result = await asker.run(text)
    assert result.errors == []
    assert asker.context is not None
    return asker.context.cautions.told()


def told(element: str, count: int, *path: str, type_: str = "Observation") -> dict[str, Any]:
    return {
        "code": "MODIFIER_NOT_SELECTED",
        "type": type_,
        "element": element,
        "path": list(path),
        "count": count,
    }


async def test_rows_with_an_unusual_modifier_that_is_not_selected_are_counted() -> None:
    found = await warned("{ observations { nodes { code { text } } } }")
    place = ("observations", "nodes", "@")
    assert sorted(found, key=str) == [told("modifierExtension", 1, *place), told("status", 2, *place)]
    assert await warned("{ observations { nodes { status modifierExtension { url } code { text } } } }") == []


async def test_what_is_selected_or_holds_no_content_needs_no_warning() -> None:
    assert await warned("{ observations { nodes { id resourceType origin { name } } } }") == []
    only_status = await warned("{ observations { nodes { code { text } status } } }")
    assert [one["element"] for one in only_status] == ["modifierExtension"]


async def test_a_summary_honours_modifiers_and_needs_no_warning() -> None:
    text = """{ patient(id: "a/Patient/1") { summary {
      problems { text status } results { name } sections { name state omitted } } } }"""
    assert await warned(text) == []
    beside = text.replace("{ summary", "{ conditions { nodes { id code { text } } } summary")
    place = ("patient", "conditions", "nodes", "@")
    assert await warned(beside) == [told("verificationStatus", 1, *place, type_="Condition")]


@pytest.mark.parametrize(
    "text",
    [
        '{ condition(id: "a/Condition/c") { code { text } } }',
        '{ node(id: "a/Condition/c") { ... on Condition { code { text } } } }',
        '{ patient(id: "a/Patient/1") { conditions { nodes { code { text } clinicalStatus { text } } } } }',
        '{ patient(id: "a/Patient/1") { conditions { edges { node { code { text } } } } } }',
        "{ __schema { queryType { name } } conditions { nodes { code { text } } } }",
    ],
)
async def test_whichever_way_leads_to_it(text: str) -> None:
    found = await warned(text)
    assert [(one["type"], one["element"], one["count"]) for one in found] == [
        ("Condition", "verificationStatus", 1)
    ]


async def test_a_persons_own_modifiers() -> None:
    text = '{ patient(id: "a/Patient/1") { birthDate active } }'
    assert await warned(text) == []
    found = await warned(text, active=False, deceasedBoolean=True)
    assert found == [told("deceasedBoolean", 1, "patient", type_="Patient")]
    assert await warned('{ patient(id: "a/Patient/1") { id } }', deceasedBoolean=True) == []


def test_warnings_are_bounded_and_hold_no_value() -> None:
    cautions = Cautions()
    for index in range(CAUTIONS_MAX + 7):
        cautions.add("Observation", "status", (f"a{index}", index, "nodes"))
        cautions.add("Observation", "status", ("a0", index, "nodes"))
    found = cautions.told()
    assert len(found) == CAUTIONS_MAX + 1
    assert found[0]["count"] == CAUTIONS_MAX + 8
    assert found[0]["path"] == ["a0", "@", "nodes"]
    assert found[-1] == {"code": "MORE_WARNINGS", "count": 7}
