"""What makes a row of a summary, and what would mislead as one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.resource import Location, Resource
from resolvers.summary import observed, rows
from resolvers.summary.section import SECTIONS, Found, State, arranged, read

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLACE = Location("https://ehr.example.org/fhir")
LABORATORY = [{"coding": [{"code": "laboratory"}]}]
VITALS = [{"coding": [{"code": "vital-signs"}]}]
NO_ALLERGY = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]}

Json = dict[str, Any]


def concept(text: str) -> Json:
    return {"text": text}


def coded(code: str) -> Json:
    return {"coding": [{"code": code}]}


def resource(json: Json, id_: str = "1", source: str = "ehr") -> Resource:
    return Resource(source, PLACE, json.get("resourceType", "Condition"), id_, json, NOW)


def section(
    name: str, *held: Resource, status: SourceStatus = SourceStatus.OK, has_more: bool = False
) -> Found:
    made = read(SECTIONS[name], held)
    outcomes = [SourceOutcome("ehr", status)]
    shown = arranged(SECTIONS[name], made.rows)
    return Found(SECTIONS[name], shown, outcomes, has_more, 1, made.omitted, made.is_none_asserted)


@pytest.mark.parametrize(
    ("json", "status"),
    [
        ({"clinicalStatus": coded("active")}, "active"),
        ({"clinicalStatus": coded("recurrence"), "verificationStatus": coded("confirmed")}, "recurrence"),
        (
            {"clinicalStatus": coded("active"), "verificationStatus": coded("provisional")},
            "active (provisional)",
        ),
        ({}, None),
    ],
)
def test_a_problem_is_shown_unless_it_is_over(json: Json, status: str | None) -> None:
    row = rows.problem({"code": concept("Asthma"), "onsetPeriod": {"start": "2020"}, **json})
    assert row is not None
    assert (row["text"], row["since"], row["status"]) == ("Asthma", "2020", status)


@pytest.mark.parametrize(
    "json",
    [
        {"clinicalStatus": coded("resolved")},
        {"clinicalStatus": coded("inactive")},
        {"clinicalStatus": coded("active"), "verificationStatus": coded("refuted")},
        {"abatementDateTime": "2021"},
        {"abatementString": "long ago"},
    ],
)
def test_a_problem_that_is_over_or_refuted_is_none(json: Json) -> None:
    assert rows.problem({"code": concept("Asthma"), **json}) is None


@pytest.mark.parametrize(
    "json",
    [
        {"status": "active", "doNotPerform": True},
        {"status": "stopped"},
        {"status": "not-taken"},
        {"status": "active", "intent": "proposal"},
    ],
)
def test_what_is_not_to_be_taken_is_no_medication(json: Json) -> None:
    assert rows.medication({"medicationCodeableConcept": concept("Warfarin"), **json}) is None


def test_a_medication_is_named_by_what_is_contained() -> None:
    held = {"resourceType": "Medication", "id": "m", "code": concept("Aspirin")}
    json = {"status": "active", "medicationReference": {"reference": "#m"}, "contained": [held]}
    row = rows.medication({**json, "dosageInstruction": [{"text": "One"}, {"text": "then two"}]})
    assert row is not None
    assert (row["text"], row["dose"]) == ("Aspirin", "One; then two")


def test_what_was_not_given_or_not_done_is_no_row() -> None:
    assert rows.immunization({"status": "not-done", "vaccineCode": concept("MMR")}) is None
    assert rows.procedure({"status": "not-done", "code": concept("Scan")}) is None


@pytest.mark.parametrize(
    ("start", "end", "is_shown"),
    [
        ("2026-01-02T10:00:00Z", None, True),
        ("2026-01-01T23:00:00Z", "2026-01-02T00:30:00Z", True),
        ("2026-01-01T10:00:00Z", None, False),
        ("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", False),
        ("soon", None, False),
        (None, None, False),
    ],
)
def test_an_appointment_is_shown_until_it_is_over(start: str | None, end: str | None, is_shown: bool) -> None:
    json = {"status": "booked", "start": start, "end": end, "description": "Clinic"}
    assert (rows.appointment(json, now=NOW) is not None) is is_shown


def test_a_cancelled_appointment_is_none() -> None:
    assert rows.appointment({"status": "cancelled", "start": "2030-01-01T10:00:00Z"}, NOW) is None


@pytest.mark.parametrize(
    ("json", "value", "unit"),
    [
        ({"valueQuantity": {"value": 5, "unit": "mmol/L"}}, "5", "mmol/L"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "mg"}}, "<5", "mg"),
        ({"valueCodeableConcept": concept("Positive")}, "Positive", None),
        ({"valueString": "haemolysed"}, "haemolysed", None),
        ({"valueBoolean": False}, "false", None),
        ({"valueInteger": 0}, "0", None),
        ({"valueRange": {"low": {"value": 1, "unit": "g"}, "high": {"value": 2, "unit": "g"}}}, "1-2", "g"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, "1:80", None),
        (
            {
                "component": [
                    {"valueQuantity": {"value": 120, "unit": "mmHg"}},
                    {"valueQuantity": {"value": 80, "unit": "mmHg"}},
                ]
            },
            "120/80",
            "mmHg",
        ),
        (
            {"component": [{"valueQuantity": {"value": 1, "unit": "a"}}, {"valueQuantity": {"value": 2}}]},
            "1/2",
            None,
        ),
        ({"dataAbsentReason": concept("not done")}, None, None),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_value_is_said_in_words_with_its_digits(json: Json, value: str | None, unit: str | None) -> None:
    assert observed.value_of(json) == (value, unit)


def vital(value: Any, at: str, unit: str = "kg", code: str = "29463-7") -> Json:
    measured = {"valueQuantity": {"value": value, "unit": unit}}
    name = {"coding": [{"system": "http://loinc.org", "code": code}], "text": code}
    held = {"resourceType": "Observation", "status": "final", "category": VITALS, "code": name}
    return {**held, "effectiveDateTime": at, **measured}


def test_the_latest_of_each_vital_sign_has_a_trend_against_the_one_before() -> None:
    held = [
        vital(80, "2026-01-01"),
        vital(70, "2025-06-01", unit="lb"),
        vital(82, "2025-01-01"),
        vital(60, "2026-01-01", code="8867-4"),
        vital(60, "2025-12-01", code="8867-4"),
        vital(1, "2026-01-01", code="8302-2"),
    ]
    made = section("latestVitals", *(resource(one, str(index)) for index, one in enumerate(held)))
    told = {row["name"]: (row["value"], row["trend"]) for row in made.rows}
    assert told == {
        "29463-7": ("80", observed.Trend.DOWN),
        "8867-4": ("60", observed.Trend.STEADY),
        "8302-2": ("1", None),
    }


def allergy(code: Json, **more: Any) -> Json:
    return {"resourceType": "AllergyIntolerance", "code": code, "clinicalStatus": coded("active"), **more}


def test_an_empty_section_says_what_its_silence_means() -> None:
    assert section("allergies").state is State.NONE_RECORDED
    assert section("allergies", status=SourceStatus.TIMEOUT).state is State.UNKNOWN
    assert section("allergies", has_more=True).state is State.UNKNOWN
    assert section("allergies", resource(allergy(NO_ALLERGY))).state is State.NONE_ASSERTED
    assert section("allergies", resource(allergy(NO_ALLERGY))).rows == []
    assert section("allergies", resource(allergy(concept("Nuts")))).state is State.PRESENT
    both = section("allergies", resource(allergy(NO_ALLERGY)), resource(allergy(concept("Nuts"))))
    assert (both.state, len(both.rows)) == (State.PRESENT, 1)


def test_that_nobody_knows_of_any_is_not_that_there_is_none() -> None:
    system = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    unknown = {"coding": [{"system": system, "code": "no-allergy-info"}]}
    assert section("allergies", resource(allergy(unknown))).state is State.NONE_RECORDED


def test_a_resource_with_a_modifier_that_is_not_known_is_counted_and_not_shown() -> None:
    odd = resource(allergy(concept("Nuts"), modifierExtension=[{"url": "https://example.org/not"}]))
    found = section("allergies", odd)
    assert (found.rows, found.omitted, found.state) == ([], 1, State.UNKNOWN)


def test_rows_that_say_the_same_stand_once_and_nameless_ones_do_not() -> None:
    named = [resource(allergy(concept("Nuts"), criticality="high"), "1", one) for one in ("ehr", "gp")]
    found = section("allergies", *named)
    assert [row["source"] for row in found.rows] == ["ehr"]
    assert len(section("allergies", resource(allergy({}), "1"), resource(allergy({}), "2")).rows) == 2


def test_a_medicine_that_was_prescribed_again_is_one_since_the_last_time() -> None:
    held = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": concept("A"),
    }
    found = section(
        "medications", *(resource({**held, "authoredOn": one}, one) for one in ("2024", "2026", "2025"))
    )
    assert [row["since"] for row in found.rows] == ["2026"]


def test_laboratory_results_and_vital_signs_do_not_mix() -> None:
    json = {"status": "final", "category": LABORATORY, "code": concept("HbA1c"), "valueString": "high"}
    assert observed.result(json) is not None
    assert observed.vital(json) is None
    assert observed.result({**json, "status": "cancelled"}) is None
