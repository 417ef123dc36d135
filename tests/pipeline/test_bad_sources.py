"""A source that misbehaves: its part is told by the documented code, and the rest of the answer stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.types import ASGIApp

from tests.pipeline import odd_source
from tests.pipeline.asking import Told
from tests.pipeline.house import MAX_BYTES, MAX_PAGES, TOKEN, House
from tests.pipeline.odd_source import ROWS, Flood, fixed, observation, paging, searchset

QUERY = """query Odd($id: ID!) {
  told: patient(id: $id) {
    observations(first: 50) { completeness sources { source status message } nodes { id origin { name } } }
  }
  untold: patient(id: $id) { observations(first: 50) { nodes { id } } }
  one: observation(id: "odd/Observation/o1") { id }
}"""
LIST = """query Odd($id: ID!, $first: Int!, $after: String) {
  told: patient(id: $id) {
    observations(first: $first, after: $after) {
      completeness sources { source status message } nodes { id origin { name } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""

Json = dict[str, Any]


def sources(answer: Told) -> dict[str, str]:
    rows = answer.data["told"]["observations"]["sources"]
    return {row["source"]: row["status"] for row in rows}


def rows_of(answer: Told, source: str) -> list[str]:
    nodes = answer.data["told"]["observations"]["nodes"]
    return [node["id"] for node in nodes if node["origin"]["name"] == source]


@pytest.fixture(scope="module")
def steady(house: House) -> list[str]:
    """The rows of the other source, which must stand whatever the odd one does."""
    answer = house.ask(QUERY)
    assert len(rows_of(answer, "odd")) == ROWS
    assert (answer.errors, answer.data["one"]) == ([], {"id": "odd/Observation/o1"})
    found = rows_of(house.ask(LIST, first=100), "ehr")
    assert len(found) > 20
    return found


HTML = b"<!doctype html><title>Sign in</title><p>Please sign in."
WHOLE = searchset([observation(1), observation(2)])


def invalid(odd: Callable[[], ASGIApp]) -> tuple[Callable[[], ASGIApp], str, str]:
    return odd, "UNAVAILABLE", "UPSTREAM_INVALID_RESPONSE"


def unavailable(odd: Callable[[], ASGIApp]) -> tuple[Callable[[], ASGIApp], str, str]:
    return odd, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"


# what it does -> status in `sources`, code of the errors
DOES: dict[str, tuple[Callable[[], ASGIApp], str, str]] = {
    "HTML": invalid(lambda: fixed(200, HTML, "text/html")),
    "HTML that says it is JSON": invalid(lambda: fixed(200, HTML)),
    "truncated JSON": invalid(lambda: fixed(200, WHOLE[:-40])),
    "an answer that breaks off": invalid(lambda: odd_source.broken_off),
    "nothing": invalid(lambda: fixed(200, b"")),
    "no content": invalid(lambda: fixed(204, b"")),
    "no UTF-8": invalid(lambda: fixed(200, b'{"resourceType": "\xff"}')),
    "null": invalid(lambda: fixed(200, b"null")),
    "a list": invalid(lambda: fixed(200, b"[]")),
    "deep JSON": invalid(lambda: fixed(200, b"[" * 100_000 + b"]" * 100_000)),
    "a resource of another type": invalid(lambda: fixed(200, b'{"resourceType":"Patient","id":"o1"}')),
    "200 MB": invalid(Flood),
    "200 MB as announced": invalid(lambda: Flood(states_length=True)),
    "200 MB, packed": invalid(lambda: odd_source.bomb(200)),
    "500": unavailable(lambda: fixed(500, b"")),
    "500 in HTML": unavailable(lambda: fixed(500, HTML, "text/html")),
    "502 of a proxy": unavailable(lambda: fixed(502, HTML, "text/html")),
    "401": (lambda: fixed(401, b"{}"), "DENIED", "UPSTREAM_REJECTED"),
    "403": (lambda: fixed(403, b"{}"), "DENIED", "UPSTREAM_REJECTED"),
    "429": (lambda: fixed(429, b"{}", retry_after="30"), "UNAVAILABLE", "UPSTREAM_THROTTLED"),
    "no answer": (lambda: odd_source.hanging, "TIMEOUT", "UPSTREAM_TIMEOUT"),
    "an answer that drips": (lambda: odd_source.dripping, "TIMEOUT", "UPSTREAM_TIMEOUT"),
}


@pytest.mark.parametrize("name", DOES)
def test_what_is_no_answer_costs_that_source_alone(house: House, steady: list[str], name: str) -> None:
    make, status, code = DOES[name]
    with house.odd.doing(make()):
        answer = house.ask(QUERY)
    assert answer.status == 200
    assert sources(answer) == {"ehr": "OK", "odd": status}
    assert answer.data["told"]["observations"]["completeness"] == "PARTIAL"
    assert rows_of(answer, "odd") == []
    assert rows_of(answer, "ehr") == steady[:50]
    assert answer.data["untold"]["observations"]["nodes"] == [{"id": id_} for id_ in steady[:50]]
    assert answer.data["one"] is None
    told = [(tuple(e["path"]), e["extensions"]["code"], e["extensions"]["source"]) for e in answer.errors]
    assert sorted(told) == [(("one",), code, "odd"), (("untold", "observations"), code, "odd")]
    for hidden in (b"Sign in", b"127.0.0.1", TOKEN.encode(), b"Traceback", b"File "):
        assert hidden not in answer.content, "neither a word of the source nor an address reaches the client"


def test_of_200_megabytes_no_more_is_read_than_the_limit(house: House) -> None:
    flood = Flood()
    with house.odd.doing(flood):
        house.ask(LIST, first=5)
    # What lies in the buffers of both ends comes on top.
    assert flood.sent < MAX_BYTES // odd_source.MEGABYTE + 40


@contextmanager
def untouched(house: House) -> Iterator[None]:
    """Nobody calls the other host within the block."""
    house.elsewhere.seen.clear()
    yield
    assert house.elsewhere.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(house: House, steady: list[str], status: int) -> None:
    location = f"{house.elsewhere_url}/fhir/Observation"
    with untouched(house), house.odd.doing(fixed(status, b"", location=location)):
        answer = house.ask(QUERY)
    assert sources(answer) == {"ehr": "OK", "odd": "UNAVAILABLE"}
    assert set(answer.codes) == {"UPSTREAM_INVALID_RESPONSE"}
    assert rows_of(answer, "ehr") == steady[:50]


def links_elsewhere(house: House) -> list[str]:
    host = house.elsewhere_url.removeprefix("http://")
    return [
        f"http://{host}/fhir/Observation?page=2",
        f"//{host}/fhir/Observation?page=2",
        f"{house.odd.base_url.rpartition('/')[0]}@{host}/fhir/Observation",
        f"http://user:secret@{house.odd.base_url.removeprefix('http://')}/Observation",
        f"https://{host}/fhir/Observation",
        f"http:\\\\{host}\\fhir\\Observation",
        "file:///etc/passwd",
        "http://[",
    ]


@pytest.mark.parametrize("number", range(8))
def test_a_next_link_to_another_host_is_not_followed_and_no_token_is_sent_there(
    house: House, steady: list[str], number: int
) -> None:
    link = links_elsewhere(house)[number]
    first_page = searchset([observation(1), observation(2)], next=link)
    with untouched(house), house.odd.doing(fixed(200, first_page)):
        answer = house.ask(LIST, first=100)
    assert answer.errors == []
    assert sources(answer) == {"ehr": "OK", "odd": "PARTIAL"}
    assert rows_of(answer, "odd") == ["odd/Observation/o1", "odd/Observation/o2"], "what did come stands"
    assert rows_of(answer, "ehr") == steady
    assert len(house.odd.asked("/Observation")) == 1


def test_a_source_is_sent_its_own_token_and_not_the_callers(house: House) -> None:
    house.odd.seen.clear()
    house.ask(LIST, first=5)
    assert {one.headers["authorization"] for one in house.odd.seen} == {f"Bearer {TOKEN}"}
    assert all(str(house.gateway.token) not in str(one.headers) for one in house.odd.seen)


def chain(house: House, rows: Callable[[int], list[Json]]) -> ASGIApp:
    """Pages that each lead to another one, without end."""
    return paging(
        lambda page: searchset(rows(page), next=f"{house.odd.base_url}/Observation?page={page + 1}")
    )


ENDLESS: dict[str, Callable[[int], list[Json]]] = {
    "empty pages": lambda page: [],
    "the same page": lambda page: [observation(1), observation(2)],
    "pages of new rows without order": lambda page: [observation(1000 - page * 7 % 11 - page * 20)],
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_chain_of_pages_is_cut_and_told(house: House, steady: list[str], name: str) -> None:
    with house.odd.doing(chain(house, ENDLESS[name])):
        answer = house.ask(LIST, first=100)
        asked = len(house.odd.asked("/Observation"))
    assert answer.errors == []
    assert sources(answer) == {"ehr": "OK", "odd": "PARTIAL"}
    assert rows_of(answer, "ehr") == steady
    assert asked <= MAX_PAGES


def test_a_chain_in_a_circle_is_cut_and_told(house: House, steady: list[str]) -> None:
    pages = [
        searchset([observation(1)], next=f"{house.odd.base_url}/Observation?page=2"),
        searchset([observation(2)], next=f"{house.odd.base_url}/Observation?page=1"),
    ]
    with house.odd.doing(paging(lambda page: pages[page % 2])):
        answer = house.ask(LIST, first=100)
        asked = len(house.odd.asked("/Observation"))
    assert sources(answer) == {"ehr": "OK", "odd": "PARTIAL"}
    assert rows_of(answer, "odd") == ["odd/Observation/o1", "odd/Observation/o2"]
    assert rows_of(answer, "ehr") == steady
    assert asked <= MAX_PAGES


def test_an_endless_list_in_order_is_given_page_by_page(house: House) -> None:
    def rows(page: int) -> list[Json]:
        return [observation(page * 10 + number) for number in range(1, 11)]

    with house.odd.doing(chain(house, rows)):
        answer = house.ask(LIST, first=20)
    assert rows_of(answer, "odd") == [f"odd/Observation/o{number}" for number in range(1, 21)]
    assert answer.whole()["told"]["observations"]["pageInfo"]["hasNextPage"]
    assert sources(answer) == {"ehr": "OK", "odd": "OK"}


def test_rows_about_somebody_else_are_left_out_and_told(house: House, steady: list[str]) -> None:
    rows = [observation(1), observation(2, patient="p2"), observation(3)]
    with house.odd.doing(fixed(200, searchset(rows))):
        answer = house.ask(LIST, first=100)
    assert rows_of(answer, "odd") == ["odd/Observation/o1", "odd/Observation/o3"]
    assert rows_of(answer, "ehr") == steady
    assert sources(answer) == {"ehr": "OK", "odd": "PARTIAL"}


def test_entries_that_are_no_resources_cost_themselves_alone(house: House) -> None:
    good = searchset([observation(1), observation(2)])
    entries = b'"entry": [null, 5, "x", [], {}, {"resource": null}, {"resource": {"resourceType": 5}}, '
    with house.odd.doing(fixed(200, good.replace(b'"entry": [', entries))):
        answer = house.ask(LIST, first=100)
    assert answer.errors == []
    assert rows_of(answer, "odd") == ["odd/Observation/o1", "odd/Observation/o2"]
    assert sources(answer) == {"ehr": "OK", "odd": "PARTIAL"}


def test_another_record_than_the_one_asked_for_is_not_shown(house: House) -> None:
    other = b'{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"secret"}}'
    with house.odd.doing(fixed(200, other)):
        answer = house.gateway.ask('{ one: observation(id: "odd/Observation/o1") { id code { text } } }')
    assert (answer.data, answer.codes) == ({"one": None}, ["UPSTREAM_INVALID_RESPONSE"])
    assert b"secret" not in answer.content


@pytest.mark.parametrize("name", ["HTML", "500", "no answer", "200 MB"])
def test_a_lookup_that_fails_leaves_the_person_and_is_told(
    house: House, steady: list[str], name: str
) -> None:
    query = """query Who($id: ID!) {
      patient(id: $id) { id completeness sources { source status } records { id } }
      told: patient(id: $id) {
        observations(first: 100) { completeness sources { source status } nodes { id origin { name } } } }
    }"""
    make, status, _ = DOES[name]
    with house.odd.doing(make(), "/Patient"):
        answer = house.ask(query)
    patient = answer.whole()["patient"]
    assert (patient["id"], patient["completeness"]) == (house.person, "PARTIAL")
    assert {"source": "odd", "status": status} in patient["sources"]
    assert len(patient["records"]) == 1
    assert sources(answer) == {"ehr": "OK", "odd": status}
    assert rows_of(answer, "ehr") == steady
