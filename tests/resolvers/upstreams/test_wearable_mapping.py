"""The vendor's rows as FHIR: exact values, one panel for two pressures, nothing that is no measurement."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import as_decimal, digits, encode_json
from clinical.identifiers import Token
from resolvers.upstreams.wearable_api import Rows
from resolvers.upstreams.wearable_days import map_days, map_nights
from resolvers.upstreams.wearable_groups import map_groups
from resolvers.upstreams.wearable_mapping import Mapped, User, patient, user_of
from resolvers.upstreams.wearable_measures import measures, measures_by_type, number, scaled
from sandbox.population.build import build
from tests.resolvers.upstreams.vendor import Json, group

ACCOUNTS = build(40, 1).wearable


def mapped(
    *groups: Any,
    activities: Any = (),
    nights: Any = (),
    zone: str = "Europe/London",
    body_zone: str | None = None,
    ambiguous: str = "preliminary",
) -> Mapped:
    into = Mapped()
    user = User("42", ZoneInfo(zone), into)
    map_groups(user, Rows(list(groups), body_zone), ambiguous)
    map_days(user, Rows(list(activities)))
    map_nights(user, Rows(list(nights)))
    return into


def only(found: Mapped) -> Json:
    (resource,) = found.observations.values()
    return resource


def codes(concept: Json) -> list[str]:
    return [coding["code"] for coding in concept["coding"]]


@pytest.mark.parametrize(
    ("kind", "code", "unit"),
    [
        (1, "29463-7", "kg"),
        (4, "8302-2", "m"),
        (6, "41982-0", "%"),
        (11, "8867-4", "/min"),
        (71, "8310-5", "Cel"),
    ],
)
def test_each_measure_has_its_code_and_unit(kind: int, code: str, unit: str) -> None:
    resource = only(mapped(group(7, (kind, 20, -1) if kind == 4 else (kind, 200, -1))))
    assert codes(resource["code"]) == [code]
    assert (resource["valueQuantity"]["code"], resource["valueQuantity"]["system"]) == (
        unit,
        "http://unitsofmeasure.org",
    )
    assert resource["id"] == f"42-7-{kind}"
    assert [one["value"] for one in resource["identifier"]] == [f"7:{kind}"]
    assert codes(resource["category"][0]) == ["vital-signs"]


def test_oxygen_saturation_has_the_general_code_as_well() -> None:
    assert codes(only(mapped(group(7, (54, 97, 0))))["code"]) == ["59408-5", "2708-6"]


def test_two_pressures_are_one_panel() -> None:
    found = mapped(group(7, (9, 89, 0), (10, 109, 0), (11, 88, 0)))
    assert set(found.observations) == {"42-7-bp", "42-7-11"}
    panel = found.observations["42-7-bp"]
    assert codes(panel["code"]) == ["85354-9"]
    assert "valueQuantity" not in panel
    assert [(codes(one["code"]), one["valueQuantity"]["value"]) for one in panel["component"]] == [
        (["8480-6"], 109),
        (["8462-4"], 89),
    ]
    assert {one["valueQuantity"]["code"] for one in panel["component"]} == {"mm[Hg]"}
    assert [one["value"] for one in panel["identifier"]] == ["7:9", "7:10"]


def test_half_a_panel_is_a_panel_of_one() -> None:
    panel = only(mapped(group(7, (10, 109, 0))))
    assert panel["id"] == "42-7-bp"
    assert [codes(one["code"]) for one in panel["component"]] == [["8480-6"]]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (51, -1, "5.1"),
        (510, -2, "5.10"),
        (82000, -3, "82.000"),
        (7, 1, "70"),
        (70, 0, "70"),
        (5, -4, "0.0005"),
    ],
)
def test_values_are_scaled_exactly(value: int, unit: int, text: str) -> None:
    quantity = only(mapped(group(7, (1, value, unit))))["valueQuantity"]
    assert digits(quantity["value"]) == text
    assert encode_json(quantity).startswith(f'{{"value":{text},'.encode())


@given(st.integers(-(10**12), 10**12), st.integers(-12, 6))
def test_no_digit_is_lost_or_made_up(value: int, unit: int) -> None:
    exact = scaled(value, unit)
    assert exact is not None
    text = digits(number(exact))
    assert as_decimal(text) == value * as_decimal(f"1e{unit}")
    if unit < 0:
        assert len(text.partition(".")[2]) == -unit


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        ((1, -1000, -3), "values that are no measurements"),
        ((1, 0, 0), "values that are no measurements"),
        ((54, 255, 0), "values that are no measurements"),
        ((11, 65535, 0), "values that are no measurements"),
        ((71, 0, 0), "values that are no measurements"),
        ((1, "80", 0), "unreadable values"),
        ((1, 80, None), "unreadable values"),
        ((1, 8.5, 0), "unreadable values"),
        ((1, True, 0), "unreadable values"),
        ((1, 80, 5000), "unreadable values"),
    ],
)
def test_a_value_that_is_no_measurement_is_left_out_and_told(measure: Any, reason: str) -> None:
    found = mapped(group(7, measure, (6, 251, -1)))
    assert set(found.observations) == {"42-7-6"}
    assert found.problems("wearable") == [f"wearable: 1 {reason} left out."]


def test_goals_are_dropped() -> None:
    found = mapped(group(7, (1, 70000, -3), category=2))
    assert (found.observations, found.devices, found.problems("w")) == ({}, {}, [])


def test_what_nobody_asked_for_is_passed_over() -> None:
    found = mapped(group(7, (18, -1000, -3), (1, 80, 0)))
    assert (set(found.observations), found.problems("w")) == ({"42-7-1"}, [])


def test_ambiguous_attribution_is_not_final() -> None:
    resource = only(mapped(group(7, (1, 80, 0), attrib=1)))
    assert resource["status"] == "preliminary"
    assert resource["note"]
    assert only(mapped(group(7, (1, 80, 0))))["status"] == "final"


def test_what_may_be_another_persons_can_be_withheld_and_told() -> None:
    found = mapped(group(7, (1, 80, 0), attrib=1), ambiguous="withhold")
    assert found.observations == {}
    assert found.problems("w") == ["w: 1 measurements that may be another person's left out."]


@pytest.mark.parametrize("attrib", [2, 4])
def test_what_was_entered_by_hand_was_performed_by_the_patient(attrib: int) -> None:
    assert only(mapped(group(7, (1, 80, 0), attrib=attrib)))["performer"] == [{"reference": "Patient/42"}]
    assert "performer" not in only(mapped(group(7, (1, 80, 0))))


@pytest.mark.parametrize(
    ("seconds", "body_zone", "text"),
    [
        (1_690_491_576, None, "2023-07-27T21:59:36+01:00"),
        (1_700_000_000, None, "2023-11-14T22:13:20+00:00"),
        (1_690_491_576, "Europe/Berlin", "2023-07-27T22:59:36+02:00"),
        (1_690_491_576, "Mars/Olympus", "2023-07-27T21:59:36+01:00"),
        (1_690_491_576, "../../etc/passwd", "2023-07-27T21:59:36+01:00"),
    ],
)
def test_times_are_in_the_users_time_zone(seconds: int, body_zone: str | None, text: str) -> None:
    found = mapped(group(7, (1, 80, 0), date=seconds), body_zone=body_zone)
    assert only(found)["effectiveDateTime"] == text


def test_a_device_is_made_of_serial_number_and_model() -> None:
    found = mapped(
        group(7, (1, 80, 0), deviceid="c405eb", model="Body+"), group(8, (1, 80, 0), model="Body Cardio+")
    )
    assert found.observations["42-7-1"]["device"] == {"reference": "Device/42-c405eb"}
    assert found.observations["42-8-1"]["device"] == {"reference": "Device/42-Body-Cardio"}
    device = found.devices["42-c405eb"]
    assert device["deviceName"] == [{"name": "Body+", "type": "model-name"}]
    assert [one["value"] for one in device["identifier"]] == ["c405eb"]
    assert device["patient"] == {"reference": "Patient/42"}


def test_without_a_device_there_is_none() -> None:
    found = mapped(group(7, (1, 80, 0), deviceid=None, model=None))
    assert "device" not in only(found)
    assert found.devices == {}


def test_steps_of_a_day() -> None:
    found = mapped(activities=[{"date": "2026-10-25", "steps": 2934}, {"date": "2026-10-26", "calories": 5}])
    resource = only(found)
    assert (resource["id"], resource["effectiveDateTime"]) == ("42-2026-10-25-steps", "2026-10-25")
    assert (codes(resource["code"]), resource["valueQuantity"]["value"]) == (["41950-7"], 2934)
    assert codes(resource["category"][0]) == ["activity"]
    assert found.problems("w") == []


def night(**more: Any) -> Json:
    data = {"lightsleepduration": 3360, "deepsleepduration": 7800, "wakeupduration": 60}
    return {"id": 123, "startdate": 1_504_307_700, "enddate": 1_504_319_100, "data": data, **more}


def test_a_night_of_sleep() -> None:
    resource = only(mapped(nights=[night(timezone="Europe/Paris")]))
    assert resource["id"] == "42-123-sleep"
    assert resource["effectivePeriod"] == {
        "start": "2017-09-02T01:15:00+02:00",
        "end": "2017-09-02T04:25:00+02:00",
    }
    assert (codes(resource["code"]), resource["valueQuantity"]["value"]) == (["93832-4"], 11160)
    assert [one["valueQuantity"]["value"] for one in resource["component"]] == [3360, 7800]


def test_a_total_that_is_stated_is_taken() -> None:
    resource = only(mapped(nights=[night(data={"total_sleep_time": 11000, "lightsleepduration": 3360})]))
    assert resource["valueQuantity"]["value"] == 11000


@pytest.mark.parametrize(
    "found",
    [
        mapped(None, "x", [], {"measures": []}, {"grpid": "a"}, {"grpid": True}, group(1, date="2020")),  # type: ignore[arg-type]
        mapped(
            {"grpid": 5, "date": 5, "measures": None}, {"grpid": 5, "measures": []}, group(1, date=10**18)
        ),
        mapped(
            activities=[None, {"steps": 5}, {"date": "yesterday", "steps": 5}, {"date": 20200101, "steps": 5}]
        ),
        mapped(nights=[None, {"id": 5}, {"id": "x", "data": {}}]),
    ],
)
def test_rows_that_cannot_be_read_are_left_out_and_told(found: Mapped) -> None:
    assert found.observations == {}
    assert found.dropped["unreadable rows"] >= 3


def test_a_row_that_comes_twice_is_one_observation() -> None:
    found = mapped(group(7, (1, 80, 0)), group(7, (1, 80, 0)))
    assert (len(found.observations), found.dropped["repeated rows"]) == (1, 1)


def test_a_patient_is_identified_by_the_link_table_only() -> None:
    assert patient("42", ()) == {"resourceType": "Patient", "id": "42", "active": True}
    linked = patient("42", (Token("urn:x", "1"),))
    assert linked["identifier"] == [{"system": "urn:x", "value": "1"}]
    Patient.model_validate_json(encode_json(linked))


@pytest.mark.parametrize("own_id", ["42", "42-7-bp", "42-2026-10-25-steps", "42-123-sleep", "42-c405eb"])
def test_every_id_says_whose_it_is(own_id: str) -> None:
    assert user_of(own_id) == "42"


# ------------------------------------------------------------ everything is FHIR


def check(found: Mapped) -> None:
    for row in found.observations.values():
        Observation.model_validate_json(encode_json(row))
    for row in found.devices.values():
        Device.model_validate_json(encode_json(row))
    assert all(len(own_id) <= 64 for own_id in (*found.observations, *found.devices))


@pytest.mark.parametrize("user", sorted(ACCOUNTS))
def test_mapped_resources_validate_as_r4b(user: str) -> None:
    account = ACCOUNTS[user]
    found = mapped(*account.measuregrps, activities=account.activities, nights=account.sleep)
    assert len(found.observations) > 20
    assert found.devices
    check(found)


def test_every_mapped_measure_is_valid_fhir() -> None:
    rows = [(kind, 20, -1) for kind in measures_by_type()]
    found = mapped(
        group(7, *rows, attrib=1, deviceid="a/b c", model="X", created=5, modified=6),
        group(8, *rows, attrib=2),
        activities=[{"date": "2026-10-25", "steps": 0, "deviceid": "z"}],
        nights=[night()],
    )
    assert {key for key in measures() if key not in ("diastolic", "systolic")} >= {"bp", "steps", "sleep"}
    assert len(found.observations) >= 12
    check(found)


@pytest.mark.shared_data
def test_the_vendors_own_samples_are_mapped(shared_data: Path) -> None:
    folder = shared_data / "vendor-samples" / "withings"
    body = json.loads((folder / "withings-body-measures.json").read_text())["body"]
    activity = json.loads((folder / "withings-activity-measures.json").read_text())["body"]
    sleep = json.loads((folder / "withings-sleep-summary.json").read_text())["body"]
    found = mapped(*body["measuregrps"], activities=activity["activities"], nights=sleep["series"])
    check(found)
    assert digits(found.observations["42-366956482-1"]["valueQuantity"]["value"]) == "74.126"
    goals = json.loads((folder / "withings-body-measures-only-goal.json").read_text())["body"]
    assert mapped(*goals["measuregrps"]).observations == {}
