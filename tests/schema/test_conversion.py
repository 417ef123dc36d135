"""`Quantity.converted` through the schema: beside the amount as recorded, and harmless where it fails."""

from typing import Any

from clinical.codec import decode_json, encode_json
from tests.resolvers.asking import Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
GLUCOSE = {"coding": [{"system": LOINC, "code": "14749-6"}]}
ASK = """query($unit: String!) { patient(id: "a/Patient/1") { observations { nodes { fhir: id
  valueQuantity { value unit converted(unit: $unit) { value valueText unit comparator display recorded } }
  component { valueQuantity { converted(unit: $unit) { valueText } } }
  referenceRange { low { converted(unit: $unit) { valueText } } } } } } }"""


def amount(value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}


def asker(*rows: dict[str, Any]) -> Asker:
    held = {"Patient": [patient("1")], "Observation": decode_json(encode_json(list(rows)))}
    return Asker(MemoryUpstream("a", held))


async def test_the_code_of_what_was_measured_gives_the_molar_mass() -> None:
    low = {"low": amount(4.0, "mmol/L")}
    row = observation(
        "o",
        "1",
        "2020",
        code=GLUCOSE,
        valueQuantity=amount(5.9, "mmol/L", comparator="<"),
        referenceRange=[low],
        component=[
            {"code": GLUCOSE, "valueQuantity": amount(5.9, "mmol/L")},
            {"valueQuantity": amount(100, "mg/dL")},
        ],
    )
    result = await asker(row).run(ASK, unit="mg/dL")
    assert result.errors == []
    (found,) = decode_json(encode_json(result.data))["patient"]["observations"]["nodes"]
    assert found["valueQuantity"]["converted"] == {
        "value": 106,
        "valueText": "106",
        "unit": "mg/dL",
        "comparator": "<",
        "display": "<106 mg/dL",
        "recorded": "<5.9 mmol/L",
    }
    assert found["referenceRange"][0]["low"]["converted"] == {"valueText": "72.1"}
    texts = [one["valueQuantity"]["converted"]["valueText"] for one in found["component"]]
    assert texts == ["106", "100"]


async def test_what_cannot_be_converted_costs_itself_alone() -> None:
    rows = (
        observation("1", "1", "2024", code=GLUCOSE, valueQuantity=amount(5.9, "mmol/L")),
        observation("2", "1", "2023", valueQuantity=amount(5.9, "mmol/L")),
        observation("3", "1", "2022", code=GLUCOSE, valueQuantity={"value": 5.9, "unit": "mmol/L"}),
        observation("4", "1", "2021", code=GLUCOSE, valueQuantity={"unit": "mmol/L"}),
    )
    result = await asker(*rows).run(ASK, unit="mg/dL")
    assert codes(result.errors) == ["UNIT_NOT_CONVERTIBLE"] * 2
    found = decode_json(encode_json(result.data))["patient"]["observations"]["nodes"]
    assert [one["valueQuantity"]["converted"] is None for one in found] == [False, True, True, True]
    assert found[1]["valueQuantity"]["unit"] == "mmol/L"
    assert not any("5.9" in str(error) for error in result.errors)


async def test_a_unit_that_is_none_is_the_clients_fault() -> None:
    row = observation("1", "1", "2024", valueQuantity=amount(5.9, "mmol/L"))
    result = await asker(row).run(ASK, unit="__import__('os')")
    assert codes(result.errors) == ["BAD_USER_INPUT"]
