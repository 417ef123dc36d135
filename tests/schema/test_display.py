"""Display fields through the schema."""

from datetime import date
from typing import Any

from clinical.codec import decode_json, encode_json
from schema.build import build_schema
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
CODE = {
    "coding": [
        {"system": LOINC, "code": "2345-7", "display": "Glucose"},
        {"system": SNOMED, "code": "1", "display": "Plasma glucose"},
        {"system": LOINC, "code": "x"},
    ],
    "text": "GLU",
}
NAMES = [
    {"use": "official", "family": "Before", "period": {"end": "2001-05"}},
    {"use": "maiden", "family": "Born"},
    {"use": "official", "family": "Now", "given": ["Ann"], "period": {"start": "2001-05"}},
]


async def ask(selection: str, **more: Any) -> Any:
    row = decode_json(encode_json(observation("o", "1", "2020-01-01", **{"code": CODE, **more})))
    up = MemoryUpstream("a", {"Patient": [patient("1", name=NAMES)], "Observation": [row]})
    return await Asker(up).data(f'{{ patient(id: "a/Patient/1") {{ {selection} }} }}')


async def test_a_concept_is_shown_in_the_words_of_a_preferred_system() -> None:
    found = await ask(
        "observations { nodes { code { display "
        f'loinc: display(preferring: ["{LOINC}"]) none: display(preferring: []) '
        f'coding(system: "{LOINC}") {{ code }} }} }} }}'
    )
    (row,) = decode_json(encode_json(found))["patient"]["observations"]["nodes"]
    assert row["code"] == {
        "display": "Plasma glucose",
        "loinc": "Glucose",
        "none": "GLU",
        "coding": [{"code": "2345-7"}, {"code": "x"}],
    }


async def test_names_of_one_use_come_with_those_of_now_first() -> None:
    found = await ask(
        'name { family } official: name(use: "official") { family display } n: name(use: "x") { text }'
    )
    assert [one["family"] for one in found["patient"]["name"]] == ["Before", "Born", "Now"]
    assert found["patient"]["official"] == [
        {"family": "Now", "display": "Ann Now"},
        {"family": "Before", "display": "Before"},
    ]
    assert found["patient"]["n"] == []


def test_the_day_that_it_is_can_be_set() -> None:
    built = build_schema(("Patient",), today=lambda: date(2000, 5, 3))
    view = built.graphql.type_map["Patient"].fields["age"].extensions["strawberry-definition"].view
    assert view({"birthDate": "1980-05-03"}, {}) == 20
    assert view({"birthDate": "1980-05-04"}, {}) == 19
