"""What the gateway gave out is on record: who asked, whose records, how many, from which source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ERROR_TABLE
from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway
from tests.pipeline.recorded import id_of, lines_of, record_of
from tests.running import Sandbox

Json = dict[str, Any]

EVERYTHING = """query Everything($id: ID!) {
  patient(id: $id) {
    id name { text family given } birthDate identifier { value } address { text line postalCode }
    telecom { value } records { id }
    observations(first: 50) { completeness nodes { id valueString valueQuantity { value } note { text } } }
    conditions(first: 50) { nodes { id code { text } } }
    encounters(first: 5) { nodes { participant { individual { display resource { id } } } } }
  }
}"""
BY_NUMBER = 'query ByNumber {{ patient(identifier: "{number}") {{ id name {{ family }} }} }}'
BY_NAME = """query ByName($name: String!) {
  patients(first: 20, family: {startsWith: $name}) { nodes { id name { family given } birthDate } }
}"""

# What each field of a line may hold, and nothing else.
PERSON = r"person/[\w-]{4}\.[\w-]+|(ehr|gp|wearable)/Patient/[A-Za-z0-9.-]{1,64}"
USER = r"(http://127\.0\.0\.1:\d+/fhir/)?Practitioner/\d+"
CODES = "|".join(row.code for row in ERROR_TABLE)
SHAPES = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "request_id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "outcome": rf"OK|PARTIAL|CANCELLED|{CODES}",
    "status": r"\d{3}",
    "duration_ms": r"\d+(\.\d+)?",
    "errors": rf"\[({CODES})(, ({CODES}))*\]",
    "issuer": r"http://127\.0\.0\.1:\d+",
    "client": r"[a-z-]+",
    "subject": rf"{USER}|{PERSON}",
    "fhir_user": USER,
    "token_id": r"[\w-]{8,}",
    "patient": PERSON,
    "kind": "query",
    "operation": "Everything|ByNumber|ByName",
    "document": r"[0-9a-f]{64}",
    "sources": r"\{((ehr|gp|wearable): [A-Z_]+(, )?)+\}",
}
ROW_SHAPES = {
    "patient": rf"None|{PERSON}",
    "type": "[A-Z][A-Za-z]+",
    "source": "ehr|gp|wearable",
    "count": r"\d+",
}


@pytest.mark.parametrize(
    ("query", "outcome", "status"),
    [
        ("{ sources { source } }", "OK", 200),
        ('{ patient(identifier: "x|") { id } }', "PARTIAL", 200),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("{", "GRAPHQL_PARSE_FAILED", 400),
        ("{" * 5_000, "DOCUMENT_LIMIT_EXCEEDED", 400),
    ],
)
def test_each_request_leaves_one_line_with_its_outcome(
    gateway: Gateway, sandbox: Sandbox, query: str, outcome: str, status: int
) -> None:
    record = record_of(sandbox, gateway.ask(query))
    assert (record["outcome"], record["status"]) == (outcome, status)
    assert (record["issuer"], bool(record["client"])) == (sandbox.summary["issuer"], True)


def test_a_refused_caller_leaves_a_line(gateway: Gateway, sandbox: Sandbox) -> None:
    nobody = record_of(sandbox, gateway.with_token(None).ask(EVERYTHING, id="x"))
    assert (nobody["outcome"], "client" in nobody, "disclosed" in nobody) == ("UNAUTHENTICATED", False, False)
    weak = gateway.with_token(sandbox.minted(scope="patient/Observation.rs", client="weak-app"))
    denied = record_of(sandbox, weak.ask(EVERYTHING, id="x"))
    assert (denied["outcome"], denied["client"], "disclosed" in denied) == ("FORBIDDEN", "weak-app", False)


def test_what_is_no_graphql_leaves_a_line(gateway: Gateway, sandbox: Sandbox) -> None:
    for body in (b"", b"[]", b"[{}]", b"{}", b"\xff", b" " * 1_000_000):
        answer = gateway.post(body)
        record = record_of(sandbox, answer)
        assert (record["outcome"], record["status"]) == ("BAD_USER_INPUT", answer.status)


def test_the_line_names_the_sources_that_were_asked_and_how_they_fared(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if {"ehr", "gp"} <= one.sources.keys())
    with sandbox.fault("gp", status=503):
        answer = gateway.ask(EVERYTHING, id=id_of(sandbox, person))
    asked = record_of(sandbox, answer)["sources"]
    told = {one["source"]: one["status"] for one in answer.document["extensions"]["sources"]}
    assert asked == told
    assert (asked["ehr"], asked["gp"]) == ("OK", "UNAVAILABLE")


def test_the_line_of_a_patients_own_question_names_the_patient(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = population.people[0]
    local = f"ehr/{person.sources['ehr']}"
    asked = gateway.with_token(sandbox.minted(scope="patient/*.rs", client="patient-app", patient=local))
    record = record_of(sandbox, asked.ask("{ me { id } }"))
    assert record["patient"] == id_of(sandbox, person)


def test_requests_at_once_leave_a_line_each(gateway: Gateway, sandbox: Sandbox) -> None:
    queries = ["{ sources { source } }", "{ nothing }", "{ patients(first: 5) { nodes { id } } }", "{"] * 10
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(gateway.ask, queries))
    assert [len(lines_of(sandbox, answer)) for answer in answers] == [1] * len(queries)


def words_of(value: Any) -> Iterator[str]:
    """Every text and number in a record, however deep."""
    if isinstance(value, dict):
        for one in value.values():
            yield from words_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from words_of(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def said_of(population: Population, person: Person) -> set[str]:
    """What the sources' Patient records say of a person, long enough not to be met by chance."""
    held = [population.ehr, *population.gp.values()]
    local = {reference.partition("/")[2] for reference in person.sources.values()}
    records = [one for store in held for one in store["Patient"] if one["id"] in local]
    parts = [
        {name: one.get(name) for name in ("name", "identifier", "address", "telecom", "birthDate")}
        for one in records
    ]
    words = {word for part in parts for word in words_of(part)} | {person.nhs_number or ""}
    words = {word for word in words if "://" not in word}  # systems of identifiers
    return {word for word in words if len(word) >= 6}


class Said(list[tuple[Person, list[str]]]):
    """For each person, what is said of them; shown briefly where a test fails."""

    def __repr__(self) -> str:
        return f"<{len(self)} people>"


@pytest.fixture(scope="module")
def said_by_person(population: Population) -> Said:
    return Said((one, sorted(said_of(population, one)) or ["9990000000"]) for one in population.people)


def assert_shaped(record: Json) -> None:
    for name, value in record.items():
        if name == "disclosed":
            for row in value:
                assert row.keys() == ROW_SHAPES.keys()
                assert all(re.fullmatch(ROW_SHAPES[key], str(one)) for key, one in row.items()), row
        else:
            told = str(value).replace("'", "")
            assert re.fullmatch(SHAPES[name], told), (name, told)


@settings(max_examples=40)
@given(person=st.integers(0, 19), named_by=st.integers(0, 3), word=st.integers(0, 99), is_own=st.booleans())
def test_no_line_says_anything_of_a_person_or_holds_a_token(
    gateway: Gateway,
    sandbox: Sandbox,
    said_by_person: Said,
    person: int,
    named_by: int,
    word: int,
    is_own: bool,
) -> None:
    who, said = said_by_person[person]
    ids = [id_of(sandbox, who), *(f"{name}/{ref}" for name, ref in who.sources.items())]
    id_ = ids[named_by % len(ids)]
    asked = gateway
    if is_own:
        asked = gateway.with_token(sandbox.minted(scope="patient/*.rs", patient=id_, client="patient-app"))
    name = said[word % len(said)]
    answers = [
        asked.ask(EVERYTHING, id=id_),
        asked.ask(BY_NUMBER.format(number=who.nhs_number or "9990000000")),
        asked.ask(BY_NAME, name=name),
        asked.ask(BY_NAME, name={"not": name}),
        asked.post(json.dumps({"query": name, name: name}).encode()),
        asked.with_token(name.encode("ascii", "replace").decode()).ask(EVERYTHING, id=id_),
    ]
    token = asked.token or ""
    for answer in answers:
        (line,) = lines_of(sandbox, answer)
        assert_shaped(json.loads(line))
        assert [one for one in (*said, *token.split(".")) if one in line] == []
