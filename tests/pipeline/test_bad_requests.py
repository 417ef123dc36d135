"""Requests that are no GraphQL, or too much of it: the documented error at once, and no source is called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pipeline.asking import Gateway
from tests.running import Sandbox

SMALL = json.dumps({"query": "{ sources { source } }"}).encode()
LARGE = b" " * 1_000_000 + SMALL


def body(query: str, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


def nested(opening: bytes, closing: bytes, levels: int) -> bytes:
    return b'{"query":"{ sources { source } }","variables":' + opening * levels + closing * levels + b"}"


def doubling(levels: int) -> str:
    """Fragments that each spread the next one twice: 2^levels fields."""
    lines = [f"fragment F{n} on Patient {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    lines.append(f"fragment F{levels} on Patient {{ id }}")
    return "{ patients { nodes { ...F0 } } } " + " ".join(lines)


# what is sent as the body -> status, code
BODIES: dict[str, tuple[bytes, int, str]] = {
    "1 MB": (LARGE, 413, "BAD_USER_INPUT"),
    "nothing": (b"", 400, "BAD_USER_INPUT"),
    "JSON that breaks off": (b'{"query": ', 400, "BAD_USER_INPUT"),
    "no JSON": (b"query { sources { source } }", 400, "BAD_USER_INPUT"),
    "no UTF-8": (b'\xff\xfe{"query": "x"}', 400, "BAD_USER_INPUT"),
    "half a surrogate": (b'{"query":"{ \\ud800 }"}', 400, "BAD_USER_INPUT"),
    "null": (b"null", 400, "BAD_USER_INPUT"),
    "a string": (b'"{ sources { source } }"', 400, "BAD_USER_INPUT"),
    "a batch": (b"[" + SMALL + b"," + SMALL + b"]", 400, "BAD_USER_INPUT"),
    "an empty batch": (b"[]", 400, "BAD_USER_INPUT"),
    "no query": (b"{}", 400, "BAD_USER_INPUT"),
    "a query that is no text": (b'{"query": {}}', 400, "BAD_USER_INPUT"),
    "variables that are a list": (b'{"query":"{ x }","variables":[]}', 400, "BAD_USER_INPUT"),
    "large variables": (body("{ x }", variables={"a": "x" * 70_000}), 400, "BAD_USER_INPUT"),
    "deep lists": (nested(b"[", b"]", 50_000), 400, "BAD_USER_INPUT"),
    "deep objects": (nested(b'{"a":', b"}", 20_000), 400, "BAD_USER_INPUT"),
    "an unknown operation name": (body("query A { x }", operationName="B"), 400, "BAD_USER_INPUT"),
    "an operation name that is no text": (body("query A { x }", operationName=1), 400, "BAD_USER_INPUT"),
    "two operations and no name": (body("query A { x } query B { x }"), 400, "BAD_USER_INPUT"),
    "no operation": (body("fragment A on Query { sources { source } }"), 400, "BAD_USER_INPUT"),
    "an empty document": (body(""), 400, "GRAPHQL_PARSE_FAILED"),
    "a document that breaks off": (body("{ sources {"), 400, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": (body("{ sources { nothing } }"), 400, "GRAPHQL_VALIDATION_FAILED"),
    "a mutation": (body("mutation { x }"), 400, "GRAPHQL_VALIDATION_FAILED"),
    "fragments in a circle": (
        body("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
        400,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a circle that nobody enters": (
        body("{ sources { source } } fragment A on Query { ...A }"),
        400,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "fragments that double 30 times": (body(doubling(30)), 400, "DOCUMENT_LIMIT_EXCEEDED"),
    "a long document": (body("{ sources { source } } #" + "x" * 20_000), 400, "DOCUMENT_LIMIT_EXCEEDED"),
    "many tokens": (body("{ sources {" + " source" * 1_100 + "} }"), 400, "DOCUMENT_LIMIT_EXCEEDED"),
    "open braces": (body("{" * 5_000), 400, "DOCUMENT_LIMIT_EXCEEDED"),
    "many aliases": (
        body("{ sources {" + " ".join(f"a{n}: source" for n in range(31)) + "} }"),
        400,
        "DOCUMENT_LIMIT_EXCEEDED",
    ),
    "many root fields": (
        body("{" + " ".join(f"a{n}: sources {{ source }}" for n in range(11)) + "}"),
        400,
        "DOCUMENT_LIMIT_EXCEEDED",
    ),
    "many directives": (
        body("{ sources " + "@skip(if: false) " * 51 + "{ source } }"),
        400,
        "DOCUMENT_LIMIT_EXCEEDED",
    ),
    "many levels": (
        body(
            "{ node(id: 1)" + " { ... on Patient { link { other { resource" * 6 + " { id }" + "}}}}" * 6 + "}"
        ),
        400,
        "DOCUMENT_LIMIT_EXCEEDED",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused_with_its_documented_error(gateway: Gateway, sandbox: Sandbox, name: str) -> None:
    sent, status, code = BODIES[name]
    sandbox.forget_requests()
    answer = gateway.post(sent)
    assert (answer.status, set(answer.codes)) == (status, {code})
    assert "data" not in answer.document
    assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert all(error["extensions"]["requestId"] == answer.headers["x-request-id"] for error in answer.errors)
    assert [one for source in sandbox.summary["upstreams"] for one in sandbox.requests(source)] == []


def test_fragments_that_double_within_the_limits_are_answered(gateway: Gateway) -> None:
    assert gateway.post(body(doubling(8))).whole()["patients"]["nodes"]


# headers of a good body -> status
HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "text": ({"Content_Type": "text/plain"}, 415),
    "a form": ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    "a file upload": ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
    "another charset": ({"Content_Type": "application/json; charset=latin-1"}, 415),
    "a compressed body": ({"Content_Encoding": "gzip"}, 415),
    "an answer that cannot be given": ({"Accept": "application/xml"}, 406),
}


@pytest.mark.parametrize("name", HEADERS)
def test_media_types_that_are_not_served_are_refused(gateway: Gateway, name: str) -> None:
    headers, status = HEADERS[name]
    answer = gateway.post(SMALL, **headers)
    assert (answer.status, answer.codes) == (status, ["BAD_USER_INPUT"])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused_with_those_that_are_served(gateway: Gateway, method: str) -> None:
    response = gateway.client.request(method, gateway.url, content=SMALL)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json()["errors"][0]["extensions"]["code"] == "OPERATION_NOT_ALLOWED"


def test_the_older_media_type_says_200_to_a_wellformed_request(gateway: Gateway) -> None:
    answer = gateway.post(body("{ nothing }"), Accept="application/json")
    assert (answer.status, answer.codes) == (200, ["GRAPHQL_VALIDATION_FAILED"])


def test_a_query_may_come_by_get(gateway: Gateway) -> None:
    query = "query Named($id: ID!) { observation(id: $id) { id } }"
    parameters = {"query": query, "operationName": "Named", "variables": '{"id": "ehr/Observation/none"}'}
    headers = {"Authorization": f"Bearer {gateway.token}"}
    response = gateway.client.get(gateway.url, params=parameters, headers=headers)
    assert (response.status_code, response.json()["data"]) == (200, {"observation": None})


def test_a_browser_is_shown_the_ide(gateway: Gateway) -> None:
    page = gateway.client.get(gateway.url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")


LIST = """query Q($id: ID!, $first: Int, $after: String, $date: DateRange, $code: [String!]) {
  patient(id: $id) {
    observations(first: $first, after: $after, date: $date, code: $code) { nodes { id } }
  }
}"""


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({}, "$id"),
        ({"id": None}, "$id"),
        ({"id": {"a": 1}}, "$id"),
        ({"id": ["a", "b"]}, "$id"),
        ({"id": "x", "first": "ten"}, "$first"),
        ({"id": "x", "first": 1.5}, "$first"),
        ({"id": "x", "first": True}, "$first"),
        ({"id": "x", "first": 2**40}, "$first"),
        ({"id": "x", "after": 5}, "$after"),
        ({"id": "x", "date": "2019"}, "$date"),
        ({"id": "x", "date": {"since": "2019"}}, "$date"),
        ({"id": "x", "code": [None]}, "$code"),
    ],
)
def test_variables_of_a_wrong_type_are_refused_by_their_names(
    gateway: Gateway, sandbox: Sandbox, variables: dict[str, Any], wrong: str
) -> None:
    sandbox.forget_requests()
    answer = gateway.ask(LIST, **variables)
    assert (answer.status, set(answer.codes)) == (400, {"BAD_USER_INPUT"})
    assert f"Variable '{wrong}'" in answer.errors[0]["message"]
    assert "data" not in answer.document
    assert sandbox.requests("ehr") == []


def test_variables_that_nobody_declared_do_no_harm(gateway: Gateway) -> None:
    assert gateway.ask("{ sources { source } }", nobody="asked").whole()
