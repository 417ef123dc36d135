"""Arguments that cannot be meant: the documented error at their field, and the rest of the answer stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clinical.identifiers import nhs_check_digit
from sandbox.population.model import Population
from tests.pipeline.asking import Gateway, Told
from tests.running import Sandbox

PATIENT = "query Q($id: ID!) { it: patient(id: $id) { id } rest: sources { source } }"
NODE = "query Q($id: ID!) { it: node(id: $id) { id } rest: sources { source } }"
OBSERVATION = "query Q($id: ID!) { it: observation(id: $id) { id } rest: sources { source } }"
NUMBER = "query Q($text: String!) { it: patient(identifier: $text) { id } rest: sources { source } }"

UNKNOWN = [
    "ehr/Patient/none",
    "gp/Patient/none",
    "wearable/Patient/1",
    "ehr/Observation/none",
    "gp/Observation/none",
    "wearable/Observation/1-2-3",
    "ehr/Observation/20083#none",
]
FOREIGN = ["nobody/Patient/1001", "nobody/Observation/1", "ehr/Nothing/1", "person/none.AAAA"]
MALFORMED = [
    "",
    "/",
    "1001",
    "Patient/1001",
    "ehr/Patient/",
    "ehr//1001",
    "ehr/Patient/1001/2",
    "ehr/Patient/../1001",
    "ehr/Patient/1001?x=1",
    "ehr/Patient/%31001",
    "ehr/Patient/10 01",
    "ehr/Patient/" + "1" * 65,
    "ehr/Patient/1001#",
    "http://127.0.0.1/fhir/Patient/1001",
    "person/",
    "person/%s",
    "\u0000",
    "é" * 3_000,
]

UNUSED = f"999123457{nhs_check_digit('999123457')}"

Json = dict[str, Any]


def assert_rest(answer: Told) -> None:
    assert answer.status == 200
    assert answer.data["rest"] == [{"source": "ehr"}, {"source": "gp"}, {"source": "wearable"}]


@pytest.mark.parametrize("query", [PATIENT, NODE, OBSERVATION], ids=["patient", "node", "observation"])
@pytest.mark.parametrize("id_", [*UNKNOWN, *FOREIGN, *MALFORMED])
def test_an_id_that_names_nothing_answers_null(gateway: Gateway, query: str, id_: str) -> None:
    answer = gateway.ask(query, id=id_)
    assert_rest(answer)
    assert answer.whole()["it"] is None


def test_an_altered_person_id_names_nobody(gateway: Gateway, sandbox: Sandbox) -> None:
    real = str(sandbox.summary["patients"][0]["id"])
    for place in (len("person/") + 1, len(real) // 2, len(real) - 1):
        other = "A" if real[place] != "A" else "B"
        altered = real[:place] + other + real[place + 1 :]
        assert gateway.ask(PATIENT, id=altered).whole()["it"] is None
    assert gateway.ask(PATIENT, id=real).whole()["it"] == {"id": real}


@pytest.mark.parametrize(
    "text",
    [
        "9990281506",
        "999 028 1506",
        "https://fhir.nhs.uk/Id/nhs-number|9990281506",
        "999028150",
        "99902815050",
        "9" * 1_000,
        "９９９０２８１５０５",
        "",
        "name",
        "|",
        "|9990281505",
        "https://fhir.nhs.uk/Id/nhs-number|",
    ],
)
def test_an_identifier_that_cannot_be_one_is_refused_and_asked_of_nobody(
    gateway: Gateway, sandbox: Sandbox, text: str
) -> None:
    sandbox.forget_requests()
    answer = gateway.ask(NUMBER.replace("rest: sources { source }", ""), text=text)
    assert (answer.data, answer.codes) == ({"it": None}, ["BAD_USER_INPUT"])
    assert answer.errors[0]["path"] == ["it"]
    assert [one for source in ("ehr", "gp") for one in sandbox.requests(source)] == []


@pytest.mark.parametrize("text", [UNUSED, "urn:oid:1.2.3|nobody", "a|b|c"])
def test_an_identifier_that_nobody_has_answers_null(gateway: Gateway, text: str) -> None:
    answer = gateway.ask(NUMBER, text=text)
    assert_rest(answer)
    assert answer.whole()["it"] is None


LISTS = """query Q($id: ID!) {
  it: patient(id: $id) {
    id
    observations(%s) { completeness nodes { id } }
    conditions(first: 1) { nodes { id } }
  }
}"""


@pytest.mark.parametrize(
    "arguments",
    [
        "first: 100000",
        "first: 101",
        "first: -1",
        "first: -2147483648",
        'after: "x"',
        'after: ""',
        f'after: "{"A" * 5_000}"',
        'sort: "nothing"',
        'sort: ""',
        'sort: "-"',
        'date: { ge: "yesterday" }',
        'date: { ge: "" }',
        'date: { eq: "2019-02-30" }',
        'date: { lt: "2019-13" }',
        "code: []",
        'code: [""]',
        'code: ["|"]',
        "encounter: []",
    ],
)
def test_an_argument_out_of_its_range_is_an_error_of_its_field_alone(
    gateway: Gateway, sandbox: Sandbox, arguments: str
) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    answer = gateway.ask(LISTS % arguments, id=id_)
    assert answer.status == 200
    assert [(error["path"], code) for error, code in zip(answer.errors, answer.codes, strict=True)] == [
        (["it", "observations"], "BAD_USER_INPUT")
    ]
    assert answer.data["it"]["observations"] is None
    assert answer.data["it"]["id"] == id_
    assert answer.data["it"]["conditions"]["nodes"]


@pytest.mark.parametrize("field", ["patients", "observations", "conditions"])
def test_root_lists_have_the_same_cap(gateway: Gateway, field: str) -> None:
    rows = f"{field}(first: $first) {{ nodes {{ id }} }}"
    query = "query Q($first: Int!) { it: " + rows + " rest: sources { source } }"
    for first in (101, 100_000, -1):
        answer = gateway.ask(query, first=first)
        assert_rest(answer)
        assert (answer.data["it"], answer.codes) == (None, ["BAD_USER_INPUT"])


def test_more_ids_than_the_cap_are_refused(gateway: Gateway) -> None:
    query = "query Q($ids: [ID!]!) { it: nodes(ids: $ids) { id } rest: sources { source } }"
    answer = gateway.ask(query, ids=["ehr/Patient/1001"] * 101)
    assert_rest(answer)
    assert (answer.data["it"], answer.codes) == (None, ["BAD_USER_INPUT"])


def test_one_id_of_many_that_names_nothing_costs_the_others_nothing(gateway: Gateway) -> None:
    query = "query Q($ids: [ID!]!) { it: nodes(ids: $ids) { __typename } }"
    answer = gateway.ask(query, ids=["ehr/Patient/1001", "ehr/Patient/none", "x", "ehr/Observation/20083"])
    assert answer.whole()["it"] == [{"__typename": "Patient"}, None, None, {"__typename": "Observation"}]


# ---------------------------------------------------------------- cursors

WALK = """query Q($id: ID!, $after: String) {
  it: patient(id: $id) {
    %s(first: 3, after: $after%s) { pageInfo { endCursor } edges { cursor node { id } } }
  }
}"""


@pytest.fixture(scope="module")
def cursor(gateway: Gateway, sandbox: Sandbox) -> str:
    """A cursor of the first person's observations, for the clinician."""
    return end(gateway.ask(WALK % ("observations", ""), id=sandbox.summary["patients"][0]["id"]))


def end(answer: Told) -> str:
    return str(answer.whole()["it"]["observations"]["pageInfo"]["endCursor"])


def assert_refused(answer: Told, field: str = "observations") -> None:
    assert (answer.status, answer.data["it"], answer.codes) == (200, {field: None}, ["BAD_USER_INPUT"])


def forgeries(cursor: str) -> Iterator[str]:
    for place in (0, len(cursor) // 2, len(cursor) - 2):
        yield cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
    yield cursor[:-4]
    yield cursor + "AAAA"
    yield cursor[::-1]
    yield f" {cursor}"


def test_a_forged_cursor_is_refused(gateway: Gateway, sandbox: Sandbox, cursor: str) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    for forged in forgeries(cursor):
        assert_refused(gateway.ask(WALK % ("observations", ""), id=id_, after=forged))
    assert gateway.ask(WALK % ("observations", ""), id=id_, after=cursor).whole()


@pytest.mark.parametrize("filter_", [', date: { ge: "2019" }', ', code: ["2339-0"]', ', sort: "date"'])
def test_a_cursor_of_other_arguments_is_refused(
    gateway: Gateway, sandbox: Sandbox, cursor: str, filter_: str
) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    assert_refused(gateway.ask(WALK % ("observations", filter_), id=id_, after=cursor))


def test_a_cursor_of_another_list_is_refused(gateway: Gateway, sandbox: Sandbox, cursor: str) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    assert_refused(gateway.ask(WALK % ("conditions", ""), id=id_, after=cursor), "conditions")


def test_a_cursor_of_another_person_is_refused(gateway: Gateway, sandbox: Sandbox, cursor: str) -> None:
    for other in sandbox.summary["patients"][1:4]:
        assert_refused(gateway.ask(WALK % ("observations", ""), id=other["id"], after=cursor))


def test_a_cursor_of_another_caller_is_refused(gateway: Gateway, sandbox: Sandbox, cursor: str) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    query = WALK % ("observations", "")
    tokens = [
        sandbox.token("partner"),
        sandbox.minted(scope="user/*.rs", client="clinician-app", user="Practitioner/other"),
        sandbox.minted(scope="patient/*.rs", client="patient-app", patient=id_),
    ]
    for token in tokens:
        other = gateway.with_token(token)
        assert_refused(other.ask(query, id=id_, after=cursor))
        assert_refused(gateway.ask(query, id=id_, after=end(other.ask(query, id=id_))))


def test_a_cursor_serves_any_of_the_persons_ids(
    gateway: Gateway, sandbox: Sandbox, population: Population, cursor: str
) -> None:
    query = WALK % ("observations", "")
    person = population.people[0]
    ids = [sandbox.summary["patients"][0]["id"], *(f"{name}/{ref}" for name, ref in person.sources.items())]
    pages = [gateway.ask(query, id=id_, after=cursor).whole()["it"]["observations"]["edges"] for id_ in ids]
    rows = [[edge["node"]["id"] for edge in page] for page in pages]
    assert len(rows[0]) == 3
    assert all(row == rows[0] for row in rows)


def test_a_cursor_is_opaque_and_short(gateway: Gateway, sandbox: Sandbox, population: Population) -> None:
    for person in population.people:
        id_ = sandbox.summary["patients"][person.index]["id"]
        edges = gateway.ask(WALK % ("observations", ""), id=id_).whole()["it"]["observations"]["edges"]
        for edge in edges:
            assert len(edge["cursor"]) <= 1024
            assert edge["node"]["id"].rpartition("/")[2] not in edge["cursor"]
            assert not person.nhs_number or person.nhs_number not in edge["cursor"]
