"""GET over the whole schema: what its address may hold, and answers that are confirmed, not sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.asking import Gateway, Told, told
from tests.pipeline.own_gateway import own_gateway
from tests.running import Sandbox

PERSON = "query Person($id: ID) { patient(id: $id) { id observations(first: 3) { nodes { id } } } }"
NAMED = "query Named($name: StringFilter) { patients(name: $name) { nodes { id } } }"
DEFAULT = 'query D($name: StringFilter = {startsWith: "Smi"}) { patients(family: $name) { nodes { id } } }'

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "an NHS number": ("query ($n: String) { patient(identifier: $n) { id } }", {"n": "9434765919"}),
    "any identifier": ("query ($n: String) { patient(identifier: $n) { id } }", {"n": "A-17"}),
    "an identifier in a list": (
        "query ($n: [String!]) { patients(identifier: $n) { nodes { id } } }",
        {"n": ["https://hospital.test/mrn|17"]},
    ),
    "an identifier in a list with a literal": (
        "query ($n: String!) { patients(identifier: [$n]) { nodes { id } } }",
        {"n": "17"},
    ),
    "the identifier of a record": (
        "query ($n: [String!]) { observations(identifier: $n) { nodes { id } } }",
        {"n": ["17"]},
    ),
    "a name": (NAMED, {"name": {"startsWith": "Smi"}}),
    "a name in part": (
        "query ($n: String) { patients(name: {startsWith: $n}) { nodes { id } } }",
        {"n": "Smi"},
    ),
    "a date of birth": (
        "query ($d: DateRange) { patients(birthdate: $d) { nodes { id } } }",
        {"d": {"eq": "1980-02-01"}},
    ),
    "an address": (
        "query ($a: StringFilter) { patients(addressPostalcode: $a) { nodes { id } } }",
        {"a": {"exact": "SW1A 1AA"}},
    ),
    "a telephone number": (
        "query ($a: [String!]) { patients(phone: $a) { nodes { id } } }",
        {"a": ["01234"]},
    ),
    "the id of a record of a person": (PERSON, {"id": "ehr/Patient/1001"}),
    "a bare id of a person": (PERSON, {"id": "1001"}),
    "bare ids of persons": ("query ($i: [String!]) { patients(_id: $i) { nodes { id } } }", {"i": ["1001"]}),
    "a patient by reference": (
        "query ($p: [ID!]) { observations(patient: $p) { nodes { id } } }",
        {"p": ["person/x", "gp/Patient/7"]},
    ),
    "any node that is a person's record": ("query ($i: ID!) { node(id: $i) { id } }", {"i": "gp/Patient/7"}),
    "an argument in a fragment": (
        "query ($n: StringFilter) { ...F } fragment F on Query { patients(name: $n) { nodes { id } } }",
        {"n": {"exact": "Smith"}},
    ),
    "an argument that is skipped": (
        "query ($n: String) { patient(identifier: $n) @skip(if: true) { id } __typename }",
        {"n": "A-17"},
    ),
}


@pytest.fixture(scope="module")
def person(sandbox: Sandbox) -> str:
    """The id of somebody whom several sources know."""
    return next(str(one["id"]) for one in sandbox.summary["patients"] if len(one["sources"]) == 3)


def get(gateway: Gateway, query: str | None, variables: Any = None, **others: str) -> Told:
    headers = {"Authorization": f"Bearer {gateway.token}", "Accept": "application/json"}
    headers |= {name.replace("_", "-"): others.pop(name) for name in list(others) if name == "If_None_Match"}
    params = {"query": query, "variables": json.dumps(variables) if variables is not None else None, **others}
    given = {name: one for name, one in params.items() if one is not None}
    return told(gateway.client.get(gateway.url, params=given, headers=headers))


@pytest.mark.parametrize("case", REFUSED)
def test_an_address_that_tells_who_is_asked_for_is_refused(gateway: Gateway, case: str) -> None:
    query, variables = REFUSED[case]
    answer = get(gateway, query, variables)
    assert (answer.status, answer.codes) == (400, ["BAD_USER_INPUT"])
    assert "POST" in answer.errors[0]["message"]
    assert b"POST" not in gateway.ask(query, **variables).content


@pytest.mark.parametrize(
    "query",
    [
        '{ patient(identifier: "A-17") { id } }',
        '{ patient(id: "1001") { id } }',
        '{ patients(name: {startsWith: "Smi"}) { nodes { id } } }',
        '{ patients(birthdate: {ge: "1980-01-01"}) { nodes { id } } }',
        '{ nodes(ids: ["ehr/Patient/1001"]) { id } }',
        DEFAULT,
    ],
)
def test_a_literal_in_an_address_is_seen(gateway: Gateway, query: str) -> None:
    assert get(gateway, query).codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (NAMED, {}),
        (NAMED, {"name": None}),
        (DEFAULT, {"name": None}),
        ("query ($i: ID!) { observation(id: $i) { id } }", {"i": "ehr/Observation/1"}),
        ("query ($g: [String!]) { patients(gender: $g, first: 2) { nodes { id } } }", {"g": ["female"]}),
        ('{ practitioners(name: {startsWith: "A"}, first: 1) { nodes { id } } }', None),
        ("{ __schema { queryType { name } } }", None),
    ],
)
def test_an_address_that_tells_of_nobody_is_answered(gateway: Gateway, query: str, variables: Any) -> None:
    assert get(gateway, query, variables).status == 200


def test_an_answer_is_confirmed_while_it_is_the_same(gateway: Gateway, person: str) -> None:
    first = get(gateway, PERSON, {"id": person})
    assert first.whole()["patient"]["observations"]["nodes"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = get(gateway, PERSON, {"id": person}, If_None_Match=first.headers["etag"])
    assert (again.status, again.content) == (304, b"")


def test_an_answer_that_lacks_a_source_is_not_taken_for_the_same(
    gateway: Gateway, sandbox: Sandbox, person: str
) -> None:
    query = PERSON.replace("nodes {", "completeness nodes {")
    first = get(gateway, query, {"id": person})
    with sandbox.fault("wearable", status=500):
        partial = get(gateway, query, {"id": person}, If_None_Match=first.headers["etag"])
    assert partial.status == 200
    assert partial.whole()["patient"]["observations"]["completeness"] == "PARTIAL"
    assert partial.headers["etag"] != first.headers["etag"]
    with sandbox.fault("wearable", status=500):
        untold = get(gateway, PERSON, {"id": person}, If_None_Match=first.headers["etag"])
    assert (untold.status, untold.headers["cache-control"]) == (200, "no-store")
    assert untold.codes == ["UPSTREAM_UNAVAILABLE"]


def test_a_confirmed_answer_is_recorded_as_a_disclosure(
    gateway: Gateway, sandbox: Sandbox, person: str
) -> None:
    first = get(gateway, PERSON, {"id": person})
    again = get(gateway, PERSON, {"id": person}, If_None_Match=first.headers["etag"])
    lines = [json.loads(line) for line in (sandbox.state / "audit.jsonl").read_text("utf-8").splitlines()]
    (line,) = [one for one in lines if one["request_id"] == again.headers["x-request-id"]]
    assert (line["outcome"], line["status"]) == ("OK", 304)
    assert {one["patient"] for one in line["disclosed"]} == {person}


@pytest.fixture(scope="module")
def strict(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that executes trusted documents only."""
    folder: Path = tmp_path_factory.mktemp("documents")
    (folder / "person.graphql").write_text(PERSON + "\n")
    (folder / "codegen.json").write_text(json.dumps({"0f" * 20: NAMED}))

    def change(written: dict[str, Any]) -> None:
        written["documents"] = {"folder": str(folder), "mode": "require"}

    with own_gateway(sandbox, change) as gateway:
        yield gateway


def test_a_trusted_document_is_asked_by_get_and_by_post(strict: Gateway, person: str) -> None:
    got = get(strict, None, {"id": person}, documentId="person")
    body = {"documentId": "person", "variables": {"id": person}}
    assert got.whole() == strict.post(json.dumps(body).encode()).whole()
    again = get(strict, None, {"id": person}, documentId="person", If_None_Match=got.headers["etag"])
    assert again.status == 304
    assert get(strict, None, {"name": {"exact": "Smith"}}, documentId="0f" * 20).codes == ["BAD_USER_INPUT"]


def test_a_literal_of_a_trusted_document_is_in_no_address(strict: Gateway) -> None:
    assert get(strict, None, None, documentId="0f" * 20).status == 200


@pytest.mark.parametrize("query", ["{ __typename }", "{ __schema { queryType { name } } }"])
def test_any_other_document_is_refused_and_no_source_is_asked(
    strict: Gateway, sandbox: Sandbox, query: str
) -> None:
    sandbox.forget_requests()
    assert strict.ask(query).codes == ["OPERATION_NOT_ALLOWED"]
    assert strict.ask(PERSON + " ", id="x").codes == ["OPERATION_NOT_ALLOWED"]
    assert [sandbox.requests(name) for name in ("ehr", "gp", "wearable")] == [[], [], []]
