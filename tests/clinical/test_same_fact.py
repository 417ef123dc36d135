"""When two records are one clinical fact."""

from typing import Any

import pytest
from msgspec import Raw

from clinical.same_fact import fact_of

LOINC, LOCAL = "http://loinc.org", "https://local.example"
PERFORMER = {"reference": "Practitioner/1"}
KNOWN = {"reference": "Practitioner/9", "identifier": {"system": "https://gmc.example", "value": "7"}}


def result(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "1",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "1"}]},
        "effectiveDateTime": "2020-05-03T10:00:00Z",
        "valueQuantity": {"value": Raw(b"5.10"), "unit": "mmol/L", "code": "mmol/L", "system": "u"},
        **more,
    }


def named(value: str, **more: Any) -> dict[str, Any]:
    return result(identifier=[{"system": "https://lab.example", "value": value}], **more)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    first, second = fact_of(one, "a"), fact_of(other, "b")
    assert first.is_same(second) == second.is_same(first)
    return first.is_same(second)


def quantity(value: bytes, **more: Any) -> dict[str, Any]:
    return {"value": Raw(value), "unit": "mmol/L", "code": "mmol/L", "system": "u", **more}


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({}, True),
        ({"id": "2", "status": "amended", "note": [{"text": "x"}]}, True),
        ({"valueQuantity": quantity(b"5.1")}, True),
        ({"valueQuantity": quantity(b"5.1", unit="mmol per litre")}, True),
        ({"valueQuantity": quantity(b"5.11")}, False),
        ({"valueQuantity": quantity(b"5.1", comparator="<")}, False),
        ({"valueQuantity": quantity(b"5.1", code="mg/dL")}, False),
        ({"valueQuantity": None}, False),
        ({"effectiveDateTime": "2020-05-03T11:00:00+01:00"}, True),
        ({"effectiveDateTime": "2020-05-03"}, False),
        ({"effectiveDateTime": None}, False),
        ({"code": {"coding": [{"system": LOCAL, "code": "z"}, {"system": LOINC, "code": "1"}]}}, True),
        ({"code": {"coding": [{"system": LOCAL, "code": "1"}]}}, False),
        ({"code": {"coding": [{"code": "1"}], "text": "Glucose"}}, False),
        ({"performer": [PERFORMER]}, False),
        ({"status": "entered-in-error"}, False),
        ({"component": [{"code": {"text": "x"}}]}, False),
    ],
)
def test_results_are_the_same_where_all_that_counts_is_equal(more: dict[str, Any], is_same: bool) -> None:
    other = {name: value for name, value in result(**more).items() if value is not None}
    assert same(result(), other) is is_same


def test_a_performer_is_the_same_by_identifier_and_not_by_a_local_id() -> None:
    assert not same(result(performer=[PERFORMER]), result(performer=[PERFORMER]))
    assert same(result(performer=[KNOWN]), result(performer=[{**KNOWN, "reference": "Practitioner/2"}]))
    one = result(performer=[PERFORMER])
    assert fact_of(one, "a").is_same(fact_of(one, "a"))


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({"performer": [PERFORMER]}, True),
        ({"effectiveDateTime": "2020-05-03"}, True),
        ({"valueQuantity": None}, True),
        ({"valueQuantity": quantity(b"5.4")}, False),
        ({"code": {"coding": [{"system": LOINC, "code": "2"}]}}, False),
        ({"code": {"text": "Glucose"}}, True),
        ({"effectiveDateTime": "2021"}, False),
        ({"status": "entered-in-error"}, False),
    ],
)
def test_an_identifier_makes_one_fact_of_what_does_not_contradict(
    more: dict[str, Any], is_same: bool
) -> None:
    other = {name: value for name, value in named("x", **more).items() if value is not None}
    assert same(named("x"), other) is is_same


@pytest.mark.parametrize(
    "identifier", [{"value": "x"}, {"system": " ", "value": "x"}, {"system": "s", "value": ""}, 5]
)
def test_an_identifier_without_system_or_value_identifies_nothing(identifier: Any) -> None:
    one = {"resourceType": "Encounter", "identifier": [identifier]}
    assert not same(one, one)


def test_types_without_a_rule_know_identifiers_only() -> None:
    visit = {"resourceType": "Encounter", "period": {"start": "2020"}, "status": "finished"}
    assert not same(visit, visit)
    known = {**visit, "identifier": [{"system": "s", "value": "1"}]}
    assert same(known, known)


@pytest.mark.parametrize(
    ("one", "is_same"),
    [
        ({"clinicalStatus": {"coding": [{"system": "c", "code": "active"}]}}, True),
        ({"clinicalStatus": {"coding": [{"system": "c", "code": "inactive"}]}}, False),
        ({"reaction": [{"severity": "severe"}]}, False),
        ({"code": {"coding": [{"system": "s", "code": "2"}]}}, False),
    ],
)
def test_an_allergy_needs_no_date(one: dict[str, Any], is_same: bool) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "code": {"coding": [{"system": "s", "code": "1"}]},
        "clinicalStatus": {"coding": [{"system": "c", "code": "active", "display": "Active"}]},
    }
    assert same(allergy, {**allergy, **one}) is is_same


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [None], {"coding": 5}, {"coding": [5, {"code": 1}]}])
@pytest.mark.parametrize(
    "name", ["code", "identifier", "valueQuantity", "performer", "component", "effectivePeriod"]
)
def test_what_is_misshapen_breaks_nothing(name: str, odd: Any) -> None:
    one = {**result(), name: odd}
    assert isinstance(fact_of(one, "a").marks, frozenset)
