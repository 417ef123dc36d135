"""What identifies a person is told apart from what does not, whatever it stands in."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clinical.identifiers import is_nhs_number, nhs_check_digit
from gateway.addresses import Addresses
from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import AddressTelling
from gateway.persisted.names import text_hash
from tests.gateway.front_door import LINKING_SYSTEM, SCHEMA, FrontDoor, code_of

NUMBER = "9434765919"
ADDRESSES = Addresses(SCHEMA, (LINKING_SYSTEM,))


def tells(value: Any) -> bool:
    request = GraphQLRequest(None, variables={"value": value}, document_id="summary")
    try:
        ADDRESSES.check_values(request)
    except AddressTelling:
        return True
    return False


@st.composite
def nhs_numbers(draw: st.DrawFn) -> str:
    nine = f"{draw(st.integers(0, 999_999_999)):09d}"
    digit = nhs_check_digit(nine)
    assume(digit is not None)
    return f"{nine}{digit}"


@st.composite
def written(draw: st.DrawFn) -> str:
    """An NHS number as people and programs write it."""
    number = draw(nhs_numbers())
    gap = draw(st.sampled_from(["", " ", "-", "\u00a0", "\u2011", "\u2013"]))
    number = gap.join((number[:3], number[3:6], number[6:]))
    if draw(st.booleans()):
        number = "".join(chr(ord("\uff10") + int(one)) if one.isdigit() else one for one in number)
    around = draw(
        st.sampled_from(["{}", " {} ", "https://fhir.nhs.uk/Id/nhs-number|{}", "|{}", "NHS {}", "({})"])
    )
    return around.format(number)


def placed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Such values alone, in lists and in objects."""
    return st.recursive(
        values, lambda one: st.lists(one, min_size=1, max_size=2) | st.fixed_dictionaries({"in": one})
    )


@given(placed(written()))
def test_an_nhs_number_is_found_wherever_it_stands_and_however_it_is_written(value: Any) -> None:
    assert tells(value)


@given(nhs_numbers())
def test_an_nhs_number_is_found_as_a_number_and_as_a_key(number: str) -> None:
    assert number.startswith("0") or tells(int(number))
    assert tells({number: True})


@given(st.uuids(), st.text(alphabet="0123456789abcdef", min_size=32, max_size=64))
def test_ids_in_hex_are_no_nhs_numbers(uuid: Any, hexadecimal: str) -> None:
    assume(not hexadecimal.isdecimal())
    assert not tells(f"ehr/Observation/{uuid}")
    assert not tells(f"ehr/Observation/{hexadecimal}")


@given(st.from_regex(r"[0-9]{10}", fullmatch=True))
def test_ten_digits_tell_only_where_the_check_digit_is_right(number: str) -> None:
    assert tells(number) is is_nhs_number(number)


@pytest.mark.parametrize(
    "value",
    [
        "ehr/Patient/1001",
        "Patient/1001",
        "https://ehr.test/fhir/Patient/1001",
        "gp/RelatedPerson/7",
        "ehr/Patient/1001#contained",
        f"{LINKING_SYSTEM}|A1",
        f"x {LINKING_SYSTEM}|A1",
        "https://fhir.nhs.uk/Id/nhs-number|anything",
        "94 34 76 59 19",
    ],
)
def test_identifiers_are_found(value: str) -> None:
    assert tells(value)


@pytest.mark.parametrize(
    "value",
    [
        "person/k1.AbCdEf0123456789-_abc",
        "ehr/Observation/1001",
        "ehr/PatientList/1",
        "Patient",
        "http://loinc.org|85354-9",
        "http://snomed.info/sct|73211009",
        "2026-11-22",
        "2026-11-22T10:00:00.000Z",
        20,
        1.5,
        True,
        None,
        "9434765918",
        "94347659190",
        "09434765919",
        LINKING_SYSTEM,
        "",
    ],
)
def test_what_tells_of_nobody_passes(value: Any) -> None:
    assert not tells(value)


@pytest.mark.parametrize(
    "params",
    [
        {"query": "query ($t: String) { echo(text: $t) }", "variables": f'{{"t": "{NUMBER}"}}'},
        {"query": f'{{ echo(text: "{NUMBER}") }}'},
        {"query": f"{{ hello }} # for {NUMBER}"},
        {"query": '{ echo(text: "\\u0039434765919") }'},
        {"query": '{ echo(text: """ehr/Patient/1""") }'},
        {"query": "query A { hello }", "operationName": f"of_{NUMBER}"},
        {"query": "{ hello }", "extensions": f'{{"who": "{NUMBER}"}}'},
        {"query": "{ hello }", "variables": f'{{"unused": "{NUMBER}"}}'},
        {"documentId": "unknown", "variables": f'{{"t": "{NUMBER}"}}'},
    ],
)
async def test_an_address_that_tells_who_is_refused_with_advice(door: FrontDoor, params: Any) -> None:
    for accept in ("application/json", "application/graphql-response+json"):
        response = await door.get(params, Accept=accept)
        assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")
        assert "POST" in response.json()["errors"][0]["message"]
        assert NUMBER not in response.text
        assert response.headers["cache-control"] == "no-store"
    assert door.executor.ran == 0
    assert NUMBER.encode() not in b"".join(door.kept.lines)


async def test_a_post_may_hold_what_an_address_may_not(door: FrontDoor) -> None:
    response = await door.ask("query ($t: String!) { echo(text: $t) }", variables={"t": NUMBER})
    assert response.json()["data"] == {"echo": f"{NUMBER}0"}


def named(name: str) -> tuple[GraphQLRequest, GraphQLRequest]:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": name}}
    return GraphQLRequest(None, document_id=name), GraphQLRequest(None, extensions=extensions)


@given(st.text())
def test_no_hash_of_a_document_is_taken_for_a_number_of_a_person(text: str) -> None:
    for one in (*named(text_hash(text)), *named(f"sha256:{text_hash(text)}")):
        ADDRESSES.check_values(one)


def test_an_id_of_a_document_is_looked_at_like_any_value() -> None:
    for one in named(NUMBER):
        with pytest.raises(AddressTelling):
            ADDRESSES.check_values(one)
