"""A practice's invoices and appointments as FHIR: money exact, statuses kept, pages walked, hosts allowed."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.invoice import Invoice
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from clinical.codec import digits, encode_json
from resolvers.resource import Location
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamThrottled
from resolvers.upstreams.practice_mapping import PracticeMapping, linked_id, row_id
from resolvers.upstreams.registry import UpstreamInvalid
from resolvers.upstreams.upstream import Page, Search, Upstream
from sandbox.practice.app import build_practice
from sandbox.quota import Quota
from tests.resolvers.upstreams import simulated
from tests.resolvers.upstreams.simulated import BOOK, Switch
from tests.resolvers.upstreams.sources import call

MAPPING = PracticeMapping("https://practice.example", "GBP", ZoneInfo("Europe/London"))
PATIENT = next(iter(BOOK.patients))
Json = dict[str, Any]
ODD = st.one_of(st.none(), st.text(max_size=10), st.integers(-5, 99), st.booleans())
LINK = st.one_of(ODD, st.just({"links": {"self": "https://practice.example/appointments/7"}}))
INVOICES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("issue_date", "status", "number", "status_description", "deleted_at", "closed_at"), ODD
        ),
        **dict.fromkeys(
            ("total_amount", "tax_amount", "net_amount"),
            st.one_of(ODD, st.decimals(0, 99, places=2).map(str)),
        ),
        "appointment": LINK,
    },
)
APPOINTMENTS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("starts_at", "ends_at", "cancelled_at", "did_not_arrive", "patient_arrived", "deleted_at"), ODD
    ),
)


@given(INVOICES)
def test_every_invoice_is_valid_and_keeps_its_amounts(row: Json) -> None:
    mapped = MAPPING.invoice(row, "5", "7")
    Invoice.model_validate_json(encode_json(mapped))
    notes = " ".join(note["text"] for note in mapped.get("note", ()))
    for name, element in (("total_amount", "totalGross"), ("net_amount", "totalNet")):
        value = row.get(name)
        if element in mapped:
            assert digits(mapped[element]["value"]) == str(value).strip()
        elif isinstance(value, str):
            assert value.strip() in notes


@given(APPOINTMENTS)
def test_every_appointment_is_valid_and_keeps_its_times(row: Json) -> None:
    mapped = MAPPING.appointment(row, "5", "7")
    Appointment.model_validate_json(encode_json(mapped))
    for name, element in (("starts_at", "start"), ("ends_at", "end")):
        if isinstance(text := row.get(name), str) and element not in mapped:
            assert text.strip() in mapped.get("comment", "")


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"status": 10}, "issued"),
        ({"status": "20"}, "balanced"),
        ({"status": 20, "deleted_at": "2026-01-01T00:00:00Z"}, "entered-in-error"),
        ({"status": 30, "status_description": "Written off"}, None),
        ({}, None),
    ],
)
def test_statuses_are_of_the_table_or_kept_as_words(row: Json, status: str | None) -> None:
    mapped = MAPPING.invoice(row, "5", "7")
    assert mapped.get("status") == status
    if status is None and row:
        assert mapped["note"] == [{"text": "Status: Written off 30"}]


@pytest.mark.parametrize(
    ("address", "own_id"),
    [
        ("https://p.example/v1/patients/1593", "1593"),
        ("https://p.example/v1/patients/1593/", "1593"),
        ("/patients/abc-1", "abc-1"),
        ("https://p.example/patients/..", None),
        ("https://p.example/patients/1?x=/2/", None),
        ("1593", None),
        (None, None),
        (5, None),
    ],
)
def test_a_related_record_is_known_by_the_last_step_of_its_address(address: Any, own_id: str | None) -> None:
    assert linked_id({"patient": {"links": {"self": address}}}, "patient") == own_id


@pytest.mark.parametrize(
    ("own_id", "text"), [(108, "108"), ("108", "108"), (True, None), ("a/b", None), (None, None)]
)
def test_ids_are_numbers_or_texts(own_id: Any, text: str | None) -> None:
    assert row_id({"id": own_id}) == text


# ------------------------------------------------------------------------------------------ source


def invoices(patient: str = PATIENT, **more: Any) -> Search:
    place = Location("http://practice.test")
    return Search("Invoice", place, patient=patient, patient_parameter="patient", **{"count": 1000, **more})


async def asked(source: Upstream, search: Search) -> Page | UpstreamError:
    (answer,) = await source.search([search], call())
    return answer


async def test_a_list_is_walked_whole_once_for_all_patients_of_a_request() -> None:
    switch = simulated.practice_switch(page_max=10)
    source = simulated.practice_source(switch)
    pages = await source.search([invoices(one) for one in BOOK.patients], call())
    rows = [row.id for page in pages if isinstance(page, Page) for row in page.resources]
    assert sorted(rows) == sorted(
        f"{row['patient']['links']['self'].rpartition('/')[2]}.{row['id']}" for row in BOOK.invoices
    )
    assert len(switch.asked) == -(-len(BOOK.invoices) // 10)
    assert switch.asked[0] == "/invoices?per_page=100"
    assert all("@" in headers["user-agent"] for headers in switch.headers)


async def test_a_list_that_can_be_narrowed_is_asked_for_one_patient() -> None:
    switch = simulated.practice_switch()
    source = simulated.practice_source(switch, options={"patient_query": "patient_id={id}"})
    page = await asked(source, invoices())
    assert isinstance(page, Page)
    assert page.resources
    assert switch.asked == [f"/invoices?per_page=100&patient_id={PATIENT}"]


async def test_rows_of_others_are_left_out_though_the_source_ignores_the_narrowing() -> None:
    switch = simulated.practice_switch(patient_parameter=None)
    source = simulated.practice_source(switch, options={"patient_query": "patient_id={id}"})
    page = await asked(source, invoices())
    assert isinstance(page, Page)
    assert {row.json["subject"]["reference"] for row in page.resources} == {f"Patient/{PATIENT}"}


async def test_more_pages_than_the_settings_allow_are_told() -> None:
    source = simulated.practice_source(simulated.practice_switch(page_max=2), max_pages=3)
    page = await asked(source, invoices())
    assert isinstance(page, Page)
    assert page.problems == ("practice gave more than 3 pages.",)
    assert page.total is None


async def test_a_limit_says_until_when_to_wait() -> None:
    switch = Switch(build_practice(BOOK, Quota(1)))
    source = simulated.practice_source(switch)
    first = await asked(source, replace(invoices(), type="Appointment", patient_parameter="actor"))
    assert isinstance(first, Page)
    answer = await asked(source, invoices())
    assert isinstance(answer, UpstreamThrottled)
    assert answer.retry_after_s is not None
    assert 0 < answer.retry_after_s <= 61


@pytest.mark.parametrize(
    "following",
    [
        "http://elsewhere.test/invoices?page=2",
        "http://practice.test:81/invoices?page=2",
        "//elsewhere.test/invoices",
        "http://practice.test@elsewhere.test/invoices",
        "http://practice.test/invoices?per_page=100",
        7,
    ],
)
async def test_a_next_link_that_leads_elsewhere_or_nowhere_is_an_error(following: Any) -> None:
    switch = simulated.practice_switch()
    source = simulated.practice_source(switch)
    body = json.dumps({"invoices": [], "links": {"next": following}}).encode()
    with switch.doing(simulated.said(200, body)):
        answer = await asked(source, invoices())
    assert isinstance(answer, UpstreamInvalidResponse)
    assert {headers["host"] for headers in switch.headers} == {"practice.test"}


async def test_rows_without_a_patient_or_an_id_are_told() -> None:
    switch = simulated.practice_switch()
    source = simulated.practice_source(switch)
    mine = {"patient": {"links": {"self": f"http://practice.test/patients/{PATIENT}"}}}
    body = json.dumps({"invoices": [{"id": 1}, None, mine, {**mine, "id": 3}]}).encode()
    with switch.doing(simulated.said(200, body)):
        page = await asked(source, invoices())
    assert isinstance(page, Page)
    assert [row.id for row in page.resources] == [f"{PATIENT}.3"]
    assert page.problems == (
        "practice: 2 rows of nobody left out.",
        "practice: 1 rows without an id left out.",
    )


SHARDS = [
    {"organization": "uk1", "base_url": "http://practice.test"},
    {"organization": "au1", "base_url": "http://au.practice.test"},
]


async def test_the_suffix_of_the_key_chooses_among_the_locations() -> None:
    switch = simulated.practice_switch()
    source = simulated.practice_source(switch, base_url=None, locations=SHARDS)
    assert [one.base_url for one in source.locations()] == ["http://practice.test"]
    assert isinstance(await asked(source, replace(invoices(), location=source.locations()[0])), Page)
    assert {headers["host"] for headers in switch.headers} == {"practice.test"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"base_url": None, "locations": SHARDS[1:]}, "shard"),
        ({"base_url": None, "locations": SHARDS, "credentials": {"kind": "none"}}, "basic"),
        ({"options": {"currency": "pounds"}}, "currency"),
        ({"options": {"user_agent": ""}}, "user_agent"),
        ({"options": {"patient_query": "patient=all"}}, "patient_query"),
        ({"timezone": "Mars/Base"}, "time zone"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_sentence(table: Json, sentence: str) -> None:
    with pytest.raises(UpstreamInvalid, match=sentence):
        simulated.practice_source(simulated.practice_switch(), **table)
