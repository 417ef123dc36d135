"""A document is one patient's, or an error; what is in it is found, sorted, paged and joined here."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token, nhs_check_digit
from clinical.references import is_resource_id
from resolvers.resource import Location, Resource
from resolvers.upstreams.document_address import NumberAddresses
from resolvers.upstreams.document_bundle import CONVERSIONS, DocumentReading
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.registry import UpstreamInvalid
from resolvers.upstreams.upstream import Page, Read, Search, Upstream
from tests.resolvers.upstreams import simulated
from tests.resolvers.upstreams.simulated import ACCOUNTS, DOCUMENTS, Switch
from tests.resolvers.upstreams.sources import call

ADDRESSES = NumberAddresses("/records/{nhs_number}", b"k" * 64)
PLACE = Location("http://papers.test")
NUMBER, OTHER = sorted(DOCUMENTS)[:2]
Json = dict[str, Any]

NUMBERS = (
    st.integers(0, 999_999_999)
    .map(lambda first: f"{first:09d}")
    .filter(lambda nine: nhs_check_digit(nine) is not None)
    .map(lambda nine: f"{nine}{nhs_check_digit(nine)}")
)


def key_of(number: str) -> str:
    (patient,) = ADDRESSES.patients_of(Token(NHS_NUMBER_SYSTEM, number))
    return patient


def person(number: str = NUMBER, own_id: str = "p1", **more: Any) -> Json:
    identifier = [{"system": NHS_NUMBER_SYSTEM, "value": number}]
    return {"resourceType": "Patient", "id": own_id, "identifier": identifier, **more}


def condition(subject: str = "Patient/p1", **more: Any) -> Json:
    return {"resourceType": "Condition", "subject": {"reference": subject}, **more}


def bundle(*rows: Any, **more: Any) -> Json:
    entries = [one if isinstance(one, dict) and "resource" in one else {"resource": one} for one in rows]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries, **more}


def reading(*rows: Any, number: str = NUMBER, **more: Any) -> DocumentReading:
    found = DocumentReading("papers", key_of(number), ADDRESSES, CONVERSIONS["R4"], PLACE.base_url)
    for _ in found.steps(bundle(*rows, **more)):
        pass
    return found


# ------------------------------------------------------------------------------------------ ids


@given(NUMBERS)
def test_a_patients_id_hides_the_number_and_leads_to_the_document(number: str) -> None:
    patient = key_of(number)
    assert is_resource_id(patient)
    assert len(patient) == 34
    assert number not in patient
    assert ADDRESSES.path(patient) == f"/records/{number}"
    assert NumberAddresses("/x/{nhs_number}", b"j" * 64).path(patient) is None


@given(st.text(max_size=40))
def test_any_other_text_is_nobodys_id(text: str) -> None:
    assert ADDRESSES.path(text) is None


@given(NUMBERS, st.integers(0, 33), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_an_altered_id_is_nobodys(number: str, place: int, letter: str) -> None:
    patient = key_of(number)
    altered = patient[:place] + letter + patient[place + 1 :]
    assert ADDRESSES.path(altered) == (f"/records/{number}" if altered == patient else None)


@pytest.mark.parametrize(
    "token", [Token(NHS_NUMBER_SYSTEM, "1234567890"), Token("x", NUMBER), Token(None, None)]
)
def test_only_a_verified_number_is_asked_for(token: Token) -> None:
    assert ADDRESSES.patients_of(token) == ()


ELSEWHERE = "http://elsewhere.test/"
BASES = ("", "http://papers.test/", ELSEWHERE)
OWN_IDS = st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9.-]{1,64}", fullmatch=True), st.text(max_size=5))


@given(st.lists(OWN_IDS, max_size=8))
def test_every_row_has_an_id_of_the_patients_and_none_is_lost(ids: list[str | None]) -> None:
    rows = [condition(id=own, recordedDate=f"20{place:02d}") for place, own in enumerate(ids)]
    found = reading(person(), *rows)
    kept = [row for kind, row in found.rows if kind == "Condition"]
    repeated = found.dropped["repeated entries"]
    assert len(kept) + repeated == len(ids)
    assert repeated <= len(ids) - len(set(ids))
    for own_id in kept:
        assert is_resource_id(own_id)
        assert own_id.startswith(f"{key_of(NUMBER)}.")


# ------------------------------------------------------------------------------------------ whose it is


@pytest.mark.parametrize(
    "rows",
    [
        [person(OTHER)],
        [person("1234567890")],
        [condition()],
        [person(), person(own_id="p2")],
        [person(identifier=[])],
        [person(identifier=[{"system": NHS_NUMBER_SYSTEM, "value": NUMBER, "use": "old"}])],
        [person(identifier=[{"system": NHS_NUMBER_SYSTEM, "value": one} for one in (NUMBER, OTHER)])],
    ],
    ids=["another", "unverified", "nobody", "two", "unnamed", "a former number", "two numbers"],
)
def test_a_document_that_is_not_certainly_the_patients_is_an_error(rows: list[Json]) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        reading(*rows)


def test_entries_about_somebody_else_or_nobody_are_left_out_and_told() -> None:
    both = {"resourceType": "Appointment", "id": "a", "participant": []}
    both["participant"] = [{"actor": {"reference": f"Patient/{own}"}} for own in ("p1", "p2")]
    rows = [
        person(OTHER, "p2"),
        condition("Patient/p2", id="1"),
        {"resourceType": "Condition", "id": "2"},
        both,
    ]
    found = reading(person(), *rows, condition(id="3"), condition("#p1", id="4"))
    assert [own.partition(".")[2] for kind, own in found.rows] == ["", "3"]
    assert found.problems() == ("papers: 5 entries about nobody, or about somebody else, left out.",)


@given(st.lists(st.tuples(st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(BASES)), max_size=10))
def test_no_row_of_anybody_else_is_ever_kept(owners: list[tuple[str, str]]) -> None:
    rows = [condition(f"{base}Patient/{own}", id=str(place)) for place, (own, base) in enumerate(owners)]
    found = reading(person(OTHER, "p2"), *rows, person())
    kept = {own.partition(".")[2] for kind, own in found.rows if kind == "Condition"}
    mine = {place for place, (own, base) in enumerate(owners) if own == "p1" and base != ELSEWHERE}
    assert kept == set(map(str, mine))
    assert {own for kind, own in found.rows if kind == "Patient"} == {key_of(NUMBER)}


# ------------------------------------------------------------------------------------------ references


@pytest.mark.parametrize(
    "text",
    ["Encounter/e", "Encounter/e/_history/2", "urn:uuid:0b", "http://papers.test/Encounter/e"],
)
def test_references_lead_to_what_is_in_the_document(text: str) -> None:
    encounter = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p1"}}
    rows = [condition(id="1", encounter={"reference": text})]
    found = reading(person(), {"fullUrl": "urn:uuid:0b", "resource": encounter}, *rows)
    patient = key_of(NUMBER)
    row = found.rows["Condition", f"{patient}.1"]
    assert row["encounter"] == {"reference": f"Encounter/{patient}.e"}
    assert row["subject"] == {"reference": f"Patient/{patient}"}


@pytest.mark.parametrize("text", ["Encounter/x", "#x", "http://elsewhere.test/Encounter/e", "urn:uuid:99"])
def test_references_to_anything_else_are_as_recorded(text: str) -> None:
    encounter = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p1"}}
    found = reading(person(), encounter, condition(id="1", encounter={"reference": text}))
    assert found.rows["Condition", f"{key_of(NUMBER)}.1"]["encounter"] == {"reference": text}


def test_what_cannot_be_read_is_told() -> None:
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
    found = reading(person(), None, {"id": "1"}, failed, link=[{"relation": "next", "url": "x"}])
    assert found.problems() == (
        "papers: 2 entries that cannot be read left out.",
        "papers: 1 further pages left out.",
        "papers: 1 parts that the source could not give left out.",
    )


# ------------------------------------------------------------------------------------------ source


async def answer(source: Upstream, search: Search) -> Page | UpstreamError:
    (found,) = await source.search([search], call())
    return found


async def record(source: Upstream, number: str = NUMBER) -> Resource:
    (found,) = await source.identify([Token(NHS_NUMBER_SYSTEM, number)], source.locations(), call())
    assert isinstance(found, tuple)
    return found[0]


def conditions(patient: str, **more: Any) -> Search:
    return Search("Condition", PLACE, patient=patient, patient_parameter="patient", **{"count": 1000, **more})


async def test_one_call_gives_everything_that_a_request_asks_of_a_patient() -> None:
    switch = simulated.document_switch()
    source = simulated.document_source(switch)
    patient = (await record(source)).id
    switch.asked.clear()
    one = call()
    searches = [
        Search(kind, PLACE, patient=patient, patient_parameter="patient", count=2)
        for kind in ("Condition", "Observation", "Encounter")
    ]
    pages = [page for page in await source.search(searches, one) if isinstance(page, Page)]
    rows = [row for page in pages for row in page.resources]
    read = await source.read([Read(row.type, row.id, PLACE) for row in rows], one)
    await source.count(searches, one)
    assert [row.id for row in read if isinstance(row, Resource)] == [row.id for row in rows]
    assert switch.asked == [f"/records/{NUMBER}"]


async def test_everybody_has_their_own_document_and_nobody_elses() -> None:
    source = simulated.document_source(simulated.document_switch())
    seen: set[str] = set()
    for number, document in DOCUMENTS.items():
        patient = (await record(source, number)).id
        page = await answer(source, conditions(patient))
        assert isinstance(page, Page)
        assert page.problems == ()
        held = [one for one in document["entry"] if one["resource"]["resourceType"] == "Condition"]
        assert page.total == len(page.resources) == len(held)
        mine = {row.id for row in page.resources}
        assert seen.isdisjoint(mine)
        seen |= mine


async def test_a_list_about_nobody_is_not_supported() -> None:
    source = simulated.document_source(simulated.document_switch())
    for kind in ("Condition", "Patient"):
        assert isinstance(await answer(source, Search(kind, PLACE)), SearchNotSupported)


async def test_somebody_unknown_has_no_record() -> None:
    source = simulated.document_source(simulated.document_switch())
    number = "9434765919"
    assert number not in DOCUMENTS
    (found,) = await source.identify([Token(NHS_NUMBER_SYSTEM, number)], source.locations(), call())
    assert found == ()


async def test_a_document_without_entries_is_of_somebody_unknown() -> None:
    switch = simulated.document_switch()
    source = simulated.document_source(switch)
    with switch.doing(simulated.said(200, json.dumps(bundle()).encode())):
        (found,) = await source.identify([Token(NHS_NUMBER_SYSTEM, NUMBER)], source.locations(), call())
    assert found == ()


async def test_a_document_that_is_too_long_is_an_error() -> None:
    source = simulated.document_source(simulated.document_switch(), max_response_bytes=1024)
    (found,) = await source.identify([Token(NHS_NUMBER_SYSTEM, NUMBER)], source.locations(), call())
    assert isinstance(found, UpstreamInvalidResponse)


async def test_an_account_whose_document_states_another_number_than_the_table_is_an_error() -> None:
    switch = simulated.document_switch()
    source = simulated.document_source(switch, "/accounts/{id}")
    account = next(own for own, number in ACCOUNTS.items() if number == NUMBER)
    said = json.dumps(bundle(person(OTHER, account), condition(f"Patient/{account}", id="1"))).encode()
    with switch.doing(simulated.said(200, said)):
        assert isinstance(await answer(source, conditions(account)), UpstreamInvalidResponse)
    assert source.links_by_table
    assert not simulated.document_source(switch).links_by_table


async def test_an_account_is_who_the_table_says_where_the_document_states_nothing() -> None:
    switch = simulated.document_switch()
    source = simulated.document_source(switch, "/accounts/{id}")
    account = next(own for own, number in ACCOUNTS.items() if number == NUMBER)
    said = json.dumps(bundle({"resourceType": "Patient", "id": account})).encode()
    with switch.doing(simulated.said(200, said)):
        (found,) = await source.identify([Token(NHS_NUMBER_SYSTEM, NUMBER)], source.locations(), call())
    assert isinstance(found, tuple)
    assert [one.json["identifier"] for one in found] == [[{"system": NHS_NUMBER_SYSTEM, "value": NUMBER}]]


async def test_a_refused_probe_is_an_answer_and_a_failed_one_is_not() -> None:
    switch = simulated.document_switch()
    source = simulated.document_source(switch)
    assert await source.probe(call()) is None
    with switch.saying(401, b"{}")():
        assert await source.probe(call()) is None
    with switch.saying(500, b"{}")():
        assert isinstance(await source.probe(call()), UpstreamError)


@pytest.mark.parametrize("path", ["/records", "/records/{id}/{nhs_number}", "records/{id}"])
def test_a_path_that_names_nobody_is_refused(path: str) -> None:
    with pytest.raises(UpstreamInvalid, match="path"):
        simulated.document_source(Switch(simulated.said(200, b"{}")), path)
