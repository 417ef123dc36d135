"""A laboratory, a practice and documents through the front door: whole, exact, one person's, gaps told."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from clinical.compartment import patient_references
from sandbox.population.model import Person, Population
from tests.pipeline.vendors_house import NAMES, Vendors, vendors
from tests.running import Sandbox

Json = dict[str, Any]

RESULTS = """query Results($id: ID!, $after: String) {
  patient(id: $id) {
    diagnosticReports(first: 100) { nodes { origin { name fhirId } issued result { reference } } }
    observations(first: 50, after: $after, category: ["laboratory"]) {
      completeness sources { source status } pageInfo { hasNextPage endCursor }
      nodes {
        origin { name fhirId } status
        code { text coding { system code } }
        valueQuantity { valueText unit comparator } valueString dataAbsentReason { coding { code } }
        referenceRange { low { valueText } high { valueText } text }
        interpretation { text coding { code } }
      }
    }
  }
}"""

INVOICES = """query Invoices($id: ID!, $after: String, $first: Int!, $status: [String!]) {
  patient(id: $id) {
    invoices(first: $first, after: $after, status: $status, sort: "date") {
      completeness sources { source status } pageInfo { hasNextPage endCursor }
      nodes {
        origin { name fhirId } status date note { text } subject { reference }
        totalGross { valueText currency } totalNet { valueText }
      }
    }
  }
}"""

APPOINTMENTS = """query Appointments($id: ID!) {
  patient(id: $id) {
    appointments(first: 100) { completeness nodes { origin { name fhirId } status start end } }
  }
}"""

PAPERS = """query Papers($id: ID!, $after: String, $first: Int!) {
  patient(id: $id) {
    records { id origin { name } }
    encounters(first: 100) { nodes { id origin { name } participant { individual { resource { id } } } } }
    conditions(first: $first, after: $after) {
      completeness sources { source status } pageInfo { hasNextPage endCursor }
      nodes { id origin { name fhirId } subject { resource { id } } }
    }
  }
}"""


@pytest.fixture(scope="module")
def house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vendors]:
    with vendors(sandbox, population, tmp_path_factory.mktemp("vendors")) as built:
        yield built


def known(population: Population) -> list[Person]:
    """Everybody whose number is theirs alone and whom the hospital knows."""
    numbers = [one.nhs_number for one in population.people]
    return [
        one
        for one in population.people
        if one.nhs_number and numbers.count(one.nhs_number) == 1 and "ehr" in one.sources
    ]


def rows_of(house: Vendors, query: str, field: str, person: Person, source: str, **more: Any) -> list[Json]:
    pages = house.gateway.pages(query, ("patient", field), id=house.id_of(person), **more)
    return [row for page in pages for row in page["nodes"] if row["origin"].get("name", source) == source]


def status_of(page: Json, source: str) -> str:
    return str(next(one["status"] for one in page["sources"] if one["source"] == source))


def test_every_marker_of_a_person_is_given_and_nobody_elses(house: Vendors, population: Population) -> None:
    for person in known(population):
        user = house.user_of(person)
        expected = [
            (order, str(marker["id"]))
            for order, result in (user.orders if user else {}).items()
            if result is not None
            for marker in result["markers"]
        ]
        rows = rows_of(house, RESULTS, "observations", person, "laboratory")
        found = [tuple(row["origin"]["fhirId"].split(".")[:2]) for row in rows]
        assert sorted(found) == sorted(expected)


def test_values_are_given_as_recorded_and_what_is_no_number_as_text(
    house: Vendors, population: Population
) -> None:
    seen: set[str] = set()
    for person in known(population):
        user = house.user_of(person)
        for row in rows_of(house, RESULTS, "observations", person, "laboratory"):
            order, own_id = row["origin"]["fhirId"].split(".")[:2]
            assert user is not None
            result = user.orders[order]
            assert result is not None
            markers = [one for one in result["markers"] if str(one["id"]) == own_id]
            assert said(row) in [recorded(one) for one in markers]
            assert row["code"]["text"] == markers[0]["name"]
            seen.add(type(markers[0]["value"]).__name__)
            for marker in markers:
                if marker["interpretation"] == "no reference population":
                    assert row["interpretation"] == [{"text": "no reference population", "coding": None}]
    assert seen == {"Decimal", "str", "NoneType"}


def recorded(marker: Json) -> tuple[str | None, ...]:
    value, unit = marker["value"], marker.get("unit")
    if isinstance(value, Decimal):
        return str(value), None, unit
    if isinstance(value, str) and value.startswith("<"):
        return value[1:], "<", unit
    return (value,)


def said(row: Json) -> tuple[str | None, ...]:
    if quantity := row["valueQuantity"]:
        return quantity["valueText"], quantity["comparator"], quantity["unit"]
    if row["valueString"] is None:
        assert row["dataAbsentReason"]["coding"] == [{"code": "unknown"}]
    return (row["valueString"],)


def test_a_result_is_asked_for_once_in_a_request(house: Vendors, population: Population) -> None:
    person = next(one for one in known(population) if house.user_of(one))
    user = house.user_of(person)
    assert user is not None
    house.requests("laboratory")
    told = house.gateway.ask(RESULTS, id=house.id_of(person)).whole()["patient"]
    assert sorted(one["path"] for one in house.requests("laboratory")) == sorted(
        f"/v3/order/{order}/result" for order in user.orders
    )
    reports = [one for one in told["diagnosticReports"]["nodes"] if one["origin"]["name"] == "laboratory"]
    there = [order for order, result in user.orders.items() if result is not None]
    assert sorted(one["origin"]["fhirId"] for one in reports) == sorted(there)


def test_money_keeps_its_digits_and_its_statuses_their_words(house: Vendors, population: Population) -> None:
    seen: set[str | None] = set()
    for person in known(population):
        patient = house.patient_of(person)
        own = [row for row in house.book.invoices if row["patient"]["links"]["self"].endswith(f"/{patient}")]
        for first in (2, 100):
            rows = rows_of(house, INVOICES, "invoices", person, "practice", first=first)
            expected = [row for row in own if not row["deleted_at"]]
            assert {row["origin"]["fhirId"] for row in rows} == {f"{patient}.{row['id']}" for row in expected}
            assert len(rows) == len(expected)
            assert [row["date"] for row in rows] == sorted(row["issue_date"] for row in expected)
        by_id = {f"{patient}.{row['id']}": row for row in own}
        for row in rows:
            vendor = by_id[row["origin"]["fhirId"]]
            assert row["totalGross"] == {"valueText": vendor["total_amount"], "currency": "GBP"}
            assert row["status"] == {10: "issued", 20: "balanced"}.get(vendor["status"])
            notes = [note["text"] for note in row["note"] or ()]
            assert notes == ([] if row["status"] else ["Status: Written off 30"])
            seen.add(row["status"])
    assert seen == {"issued", "balanced", None}


def test_a_deleted_invoice_is_shown_only_when_asked_for(house: Vendors, population: Population) -> None:
    deleted = [row for row in house.book.invoices if row["deleted_at"]]
    assert deleted
    for row in deleted:
        patient = row["patient"]["links"]["self"].rpartition("/")[2]
        person = next(one for one in population.people if house.patient_of(one) == patient)
        rows = rows_of(house, INVOICES, "invoices", person, "practice", first=50, status=["entered-in-error"])
        assert f"{patient}.{row['id']}" in {one["origin"]["fhirId"] for one in rows}


def test_appointments_say_what_became_of_them(house: Vendors, population: Population) -> None:
    seen: set[str] = set()
    for person in known(population):
        patient = house.patient_of(person)
        own = {
            f"{patient}.{row['id']}": row
            for row in house.book.appointments
            if row["patient"]["links"]["self"].endswith(f"/{patient}") and not row["deleted_at"]
        }
        told = house.gateway.ask(APPOINTMENTS, id=house.id_of(person)).whole()["patient"]["appointments"]
        rows = [row for row in told["nodes"] if row["origin"]["name"] == "practice"]
        assert {row["origin"]["fhirId"] for row in rows} == set(own)
        for row in rows:
            assert row["start"] == own[row["origin"]["fhirId"]]["starts_at"]
            seen.add(row["status"])
    assert seen >= {"booked", "fulfilled", "cancelled"}


def test_a_practice_that_is_asked_too_often_is_a_gap_that_is_told(
    house: Vendors, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = next(one for one in known(population) if house.patient_of(one))
    monkeypatch.setattr(house.quota, "_per_minute", 0)
    told = house.gateway.ask(INVOICES, id=house.id_of(person), first=5).whole()["patient"]["invoices"]
    assert (told["completeness"], status_of(told, "practice"), told["nodes"]) == (
        "PARTIAL",
        "UNAVAILABLE",
        [],
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_vendor_that_is_down_costs_its_own_part_alone(
    house: Vendors, population: Population, name: str
) -> None:
    person = next(
        one
        for one in known(population)
        if house.user_of(one) and house.patient_of(one) and one.nhs_number in house.bundles
    )
    with house.fault(name, status=500):
        told = house.gateway.ask(RESULTS, id=house.id_of(person)).document["data"]["patient"]
    sources = {one["source"]: one["status"] for one in told["observations"]["sources"]}
    expected = dict.fromkeys(("ehr", "laboratory", "papers"), "OK")
    assert sources == {**expected, **({name: "UNAVAILABLE"} if name in expected else {})}


def test_somebody_without_an_account_is_not_linked(house: Vendors, population: Population) -> None:
    person = next(one for one in known(population) if house.patient_of(one) is None)
    told = house.gateway.ask(INVOICES, id=house.id_of(person), first=5).whole()["patient"]["invoices"]
    assert (status_of(told, "practice"), told["nodes"]) == ("NOT_LINKED", [])
    assert told["completeness"] == "COMPLETE"


def test_a_document_is_given_whole_and_is_one_persons(house: Vendors, population: Population) -> None:
    for person in known(population):
        bundle = house.bundles.get(person.nhs_number or "")
        for first in (3, 100):
            rows = rows_of(house, PAPERS, "conditions", person, "papers", first=first)
            ids = {row["origin"]["fhirId"] for row in rows}
            assert len(ids) == len(rows)
            assert {row["subject"]["resource"]["id"] for row in rows} <= {house.id_of(person)}
            expected = [row for row in held(bundle, "Condition") if not is_withdrawn(row)]
            assert len(rows) == len(expected)


def held(bundle: Json | None, kind: str) -> list[Json]:
    entries = bundle["entry"] if bundle else []
    return [one["resource"] for one in entries if one["resource"]["resourceType"] == kind]


def is_withdrawn(row: Json) -> bool:
    coded = row.get("verificationStatus", {}).get("coding", [])
    return any(coding["code"] == "entered-in-error" for coding in coded)


def test_references_inside_a_document_are_followed_there(house: Vendors, population: Population) -> None:
    person = next(one for one in known(population) if one.nhs_number in house.bundles)
    house.requests("papers")
    told = house.gateway.ask(PAPERS, id=house.id_of(person), first=100).whole()["patient"]
    assert len(house.requests("papers")) == 1
    seen = [
        one["individual"]["resource"]["id"]
        for row in told["encounters"]["nodes"]
        if row["origin"]["name"] == "papers"
        for one in row["participant"] or ()
    ]
    assert seen
    assert all(one.startswith("papers/Practitioner/") for one in seen)


def test_ids_of_a_document_can_be_read_and_do_not_show_the_number(
    house: Vendors, population: Population
) -> None:
    person = next(one for one in known(population) if one.nhs_number in house.bundles)
    told = house.gateway.ask(PAPERS, id=house.id_of(person), first=100).whole()["patient"]
    ids = [row["id"] for row in told["conditions"]["nodes"] if row["origin"]["name"] == "papers"]
    ids += [row["id"] for row in told["records"]]
    assert not any((person.nhs_number or "") in one for one in ids)
    read = house.gateway.ask("query R($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids[:20]).whole()
    assert [one["id"] for one in read["nodes"][:-1]][:3] == ids[:3]
    record = next(one["id"] for one in told["records"] if one["origin"]["name"] == "papers")
    by_record = house.gateway.ask("query P($id: ID!) { patient(id: $id) { id } }", id=record).whole()
    assert by_record["patient"]["id"] == house.id_of(person)


def test_a_list_about_nobody_says_that_documents_cannot_give_it(house: Vendors) -> None:
    told = house.gateway.ask(
        "{ conditions(first: 3) { completeness sources { source status } nodes { id } } }"
    )
    listed = told.whole()["conditions"]
    assert status_of(listed, "papers") == "NOT_SUPPORTED"
    assert listed["completeness"] == "PARTIAL"


def test_a_document_of_somebody_else_is_an_error_and_shows_nothing(
    house: Vendors, population: Population, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = [one for one in known(population) if one.nhs_number in house.bundles][:2]
    assert any(patient_references(row) for row in held(house.bundles[other.nhs_number or ""], "Condition"))
    monkeypatch.setitem(house.bundles, mine.nhs_number or "", house.bundles[other.nhs_number or ""])
    told = house.gateway.ask(PAPERS, id=house.id_of(mine), first=100).document["data"]["patient"]
    assert status_of(told["conditions"], "papers") == "UNAVAILABLE"
    assert told["conditions"]["completeness"] == "PARTIAL"
    assert [row for row in told["conditions"]["nodes"] if row["origin"]["name"] == "papers"] == []
