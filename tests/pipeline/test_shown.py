"""Values to show, through the front door: beside what was recorded, over every source."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from sandbox.population.model import Population
from tests.pipeline.asking import Gateway
from tests.running import Sandbox

LOINC = "http://loinc.org"
CHOLESTEROL = ("14647-2", "2093-3")
SHOWN = """query($id: ID!, $codes: [String!]!) { patient(id: $id) { age name { display }
  observationStats(code: $codes) { groups { code count min max mean } completeness sources { status } }
  latestObservation(code: $codes) { observation { id effectiveDateTime } completeness }
  observations(code: $codes, first: 100) { completeness nodes { id status code { display }
    valueQuantity { value code display converted(unit: "mg/dL") { value unit recorded } } } } } }"""


@pytest.fixture(scope="module")
def answers(gateway: Gateway, sandbox: Sandbox) -> list[Any]:
    codes = [f"{LOINC}|{one}" for one in CHOLESTEROL]
    asked = [gateway.ask(SHOWN, id=one["id"], codes=codes) for one in sandbox.summary["patients"]]
    assert {code for one in asked for code in one.codes} <= {"UNIT_NOT_CONVERTIBLE"}
    return [one.data["patient"] for one in asked]


def test_stats_and_the_list_tell_of_the_same_values(answers: list[Any]) -> None:
    seen = 0
    for person in answers:
        rows = [one for one in person["observations"]["nodes"] if one["valueQuantity"]]
        counted = Counter(
            one["valueQuantity"]["code"]
            for one in rows
            if one["status"] not in ("registered", "cancelled", "unknown")
        )
        stats = person["observationStats"]
        assert {one["code"]: one["count"] for one in stats["groups"]} == counted
        assert stats["completeness"] == person["observations"]["completeness"]
        for group in stats["groups"]:
            values = [one["valueQuantity"]["value"] for one in rows]
            assert group["min"] in values
            assert group["min"] <= group["mean"] <= group["max"]
        latest = person["latestObservation"]["observation"]
        if rows:
            assert latest["id"] == person["observations"]["nodes"][0]["id"]
        seen += len(rows)
    assert seen > 10


def test_amounts_are_converted_beside_what_was_recorded(answers: list[Any]) -> None:
    found = Counter[str]()
    for person in answers:
        for one in person["observations"]["nodes"]:
            amount = one["valueQuantity"]
            if amount is None or amount["converted"] is None:
                continue
            factor = {"mg/dL": Decimal(1), "mmol/L": Decimal("38.6664")}[amount["code"]]
            exact = Decimal(amount["value"]) * factor
            assert abs(Decimal(amount["converted"]["value"]) / exact - 1) < Decimal("0.006")
            assert amount["converted"]["recorded"] == amount["display"]
            found[amount["code"]] += 1
    assert found["mmol/L"]


def test_people_have_ages_and_names(answers: list[Any], population: Population) -> None:
    assert population.ehr["Patient"]
    assert sum(one["age"] is not None for one in answers) > len(answers) / 2
    assert all(one["display"] for person in answers for one in person["name"] or ())


def test_what_is_left_out_is_warned_of(gateway: Gateway) -> None:
    told = gateway.ask('{ conditions(first: 100, clinicalStatus: ["resolved"]) { nodes { code { text } } } }')
    (warning,) = [
        one for one in told.document["extensions"]["warnings"] if one["element"] == "clinicalStatus"
    ]
    assert warning["path"] == ["conditions", "nodes", "@"]
    assert warning["count"] == len(told.data["conditions"]["nodes"])
