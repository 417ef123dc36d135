"""GraphQL over HTTP, as a client sees it."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from gateway.execution.stock import StockExecutor
from tests.gateway import front_door
from tests.gateway.front_door import ORIGIN, FrontDoor, code_of

NEW = "application/graphql-response+json"
OLD = "application/json"


async def test_post_answers_data(door: FrontDoor) -> None:
    response = await door.ask("{ hello }")
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "world"}
    assert response.headers["content-type"] == f"{NEW}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"  # it may hold a patient's data


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, OLD),
        ("*/*", OLD),
        ("application/*", OLD),
        (OLD, OLD),
        (NEW, NEW),
        (f"{NEW}, {OLD};q=0.9", NEW),
        (f"{OLD}, {NEW}", NEW),
        (f"{NEW};q=0.5, {OLD}", OLD),
        (f"{OLD};q=0, */*", NEW),
        ("text/html, */*;q=0.1", OLD),
        (f"{NEW}; charset=utf-8", NEW),
        ("APPLICATION/JSON", OLD),
    ],
)
async def test_media_type_follows_accept(accept: str | None, answered: str) -> None:
    door = FrontDoor(has_page=False)
    response = await door.post({"query": "{ hello }"}, headers={"Accept": accept or ""})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"


@pytest.mark.parametrize(
    "accept", ["text/plain", "image/*", f"{OLD};q=0", f"{NEW}; charset=latin-1", "application/xml"]
)
async def test_media_type_that_cannot_be_sent_is_406(door: FrontDoor, accept: str) -> None:
    response = await door.post({"query": "{ hello }"}, headers={"Accept": accept})
    assert (response.status_code, code_of(response)) == (406, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("{", "GRAPHQL_PARSE_FAILED", 400),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("mutation { hello }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("subscription { hello }", "GRAPHQL_VALIDATION_FAILED", 400),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT", 400),
        ("fragment F on Query { hello }", "BAD_USER_INPUT", 400),
        ("{ hello(", "GRAPHQL_PARSE_FAILED", 400),
        ("", "GRAPHQL_PARSE_FAILED", 400),
    ],
)
async def test_refused_document_has_no_data_and_a_status_by_media_type(
    door: FrontDoor, query: str, code: str, status: int
) -> None:
    for media_type, expected in ((NEW, status), (OLD, 200)):
        response = await door.post({"query": query}, headers={"Accept": media_type})
        assert (response.status_code, code_of(response)) == (expected, code)
        assert "data" not in response.json()
    assert door.executor.ran == 0


@pytest.mark.parametrize(
    "variables", [{}, {"n": None}, {"n": "five"}, {"n": 1.5}, {"n": [1, 2]}, {"n": 2**40}, {"n": {"a": 1}}]
)
async def test_variable_of_a_wrong_type_is_refused(door: FrontDoor, variables: dict[str, Any]) -> None:
    response = await door.ask("query ($n: Int!) { echo(number: $n) }", variables=variables)
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")
    assert "data" not in response.json()


async def test_operation_is_chosen_by_name(door: FrontDoor) -> None:
    two = 'query A { echo(text: "a") } query B { echo(text: "b") }'
    assert (await door.ask(two, operationName="B")).json()["data"] == {"echo": "b0"}
    response = await door.ask(two, operationName="C")
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"{ hello }"',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ["{ hello }"]}',
        b'{"query": "{ hello }", "operationName": 5}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "extensions": 1}',
        b'[{"query": "{ hello }"}, {"query": "{ hello }"}]',
        b" [ ]",
        b'{"query": "\xff"}',
        b'{"query": "{ hello }", "variables": ' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"query": "{ hello }"} trailing',
        b'{"query": "{ hello }", "variables": {"x": 1e99999999999999999999}}',
        b'{"query": "{ hello }", "extensions": {"x": [-1.5e-99999999999999999999]}}',
    ],
)
async def test_body_that_is_no_request_is_400_for_every_client(door: FrontDoor, body: bytes) -> None:
    for media_type in (NEW, OLD):
        response = await door.post(content=body, headers={"Accept": media_type})
        assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")
        assert door.kept.records()[-1]["request_id"] == response.headers["X-Request-ID"]
    assert [one["outcome"] for one in door.kept.records()] == ["BAD_USER_INPUT"] * 2


async def test_unknown_parameters_are_ignored_and_null_ones_are_absent(door: FrontDoor) -> None:
    response = await door.ask("{ hello }", id=1, operationName=None, variables=None, extensions=None)
    assert response.json()["data"] == {"hello": "world"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=latin-1",
        "application/jsonx",
        "text/plain; application/json",
    ],
)
async def test_simple_cross_site_bodies_are_415(door: FrontDoor, content_type: str | None) -> None:
    response = await door.post(content=b'{"query": "{ hello }"}', headers={"Content-Type": content_type})
    assert (response.status_code, code_of(response)) == (415, "BAD_USER_INPUT")


async def test_compressed_body_is_415(door: FrontDoor) -> None:
    body = gzip.compress(b'{"query": "{ hello }"}')
    response = await door.post(content=body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415


async def test_body_above_the_limit_is_413_whether_declared_or_not(door: FrontDoor) -> None:
    body = json.dumps({"query": "{ hello }", "padding": "x" * 20_000}).encode()
    assert (await door.post(content=body)).status_code == 413

    async def chunks() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    response = await door.post(content=chunks())
    assert (response.status_code, code_of(response)) == (413, "BAD_USER_INPUT")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_405(door: FrontDoor, method: str) -> None:
    response = await door.client.request(method, "/graphql")
    assert (response.status_code, code_of(response)) == (405, "OPERATION_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, POST"


async def test_get_takes_everything_from_the_query_string(door: FrontDoor) -> None:
    response = await door.get(
        {
            "query": "query A($n: Int!) { echo(number: $n) } query B { hello }",
            "operationName": "A",
            "variables": '{"n": 7}',
            "extensions": "{}",
        }
    )
    assert response.json()["data"] == {"echo": "7"}


async def test_empty_parameters_of_a_get_are_absent(door: FrontDoor) -> None:
    params = {"query": "{ hello }", "operationName": "", "variables": "", "extensions": ""}
    assert (await door.get(params)).json()["data"] == {"hello": "world"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"query": "{ hello }", "variables": "{"},
        {"query": "{ hello }", "variables": "[]"},
        {"query": "{ hello }", "variables": "5"},
        {"query": "{ hello }", "extensions": "nonsense"},
        {"query": "{ hello }", "variables": '{"x": 1e99999999999999999999}'},
        [("query", "{ hello }"), ("query", "{ thing { id } }")],
    ],
)
async def test_malformed_query_string_is_400(door: FrontDoor, params: Any) -> None:
    response = await door.get(params)
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")


async def test_get_never_mutates(door: FrontDoor) -> None:
    response = await door.get({"query": "mutation { hello }"}, Accept=NEW)
    assert 400 <= response.status_code < 500
    assert door.executor.ran == 0


async def test_field_error_leaves_the_other_data_and_200(door: FrontDoor) -> None:
    response = await door.ask("{ hello refused }")
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "world", "refused": None}
    (error,) = response.json()["errors"]
    assert error["path"] == ["refused"]
    assert error["locations"] == [{"line": 1, "column": 9}]
    assert (error["message"], error["extensions"]["code"]) == (
        "`first` must not be negative.",
        "BAD_USER_INPUT",
    )


async def test_null_data_has_the_status_of_its_error(door: FrontDoor) -> None:
    for media_type, expected in ((NEW, 504), (OLD, 200)):
        response = await door.post({"query": "{ hello required }"}, headers={"Accept": media_type})
        assert response.status_code == expected
        assert response.json()["data"] is None
        assert code_of(response) == "UPSTREAM_TIMEOUT"
        assert response.json()["errors"][0]["extensions"]["source"] == "ehr"


@pytest.mark.parametrize("query", ["{ broken }", "{ unprintable }"])
async def test_neither_response_nor_log_tells_what_a_record_says(
    door: FrontDoor, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = await door.ask(query)
    assert front_door.SECRET_NAME not in response.text + caplog.text


async def test_fault_is_told_by_its_request_id_alone(
    door: FrontDoor, caplog: pytest.LogCaptureFixture
) -> None:
    response = await door.ask("{ broken }")
    (error,) = response.json()["errors"]
    assert (error["message"], code_of(response)) == (
        "Something went wrong inside the gateway.",
        "INTERNAL_SERVER_ERROR",
    )
    assert response.headers["X-Request-ID"] in caplog.text
    assert "RuntimeError" in caplog.text


async def test_fault_of_the_gateway_itself_is_a_reply_too(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError(front_door.SECRET_NAME)

    monkeypatch.setattr(StockExecutor, "run", fail)
    response = await door.ask("{ hello }")
    assert (response.status_code, code_of(response)) == (500, "INTERNAL_SERVER_ERROR")
    assert front_door.SECRET_NAME not in response.text


async def test_callers_without_a_token_or_with_a_bad_one_are_401(door: FrontDoor) -> None:
    for media_type in (NEW, OLD):
        headers = {"Accept": media_type}
        response = await door.post({"query": "{ hello }"}, token=None, headers=headers)
        assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"
        response = await door.post({"query": "{ hello }"}, token="bad", headers=headers)
        assert (response.status_code, code_of(response)) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_two_authorization_headers_are_as_good_as_none(door: FrontDoor) -> None:
    headers = [("Authorization", f"Bearer {door.token}")] * 2 + [("Content-Type", OLD)]
    response = await door.client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 401


@pytest.mark.parametrize(
    "scope", ["", "openid", "patient/*.rs", "user/Nothing.rs", "user/*.cud", "user/*.rs?a=b"]
)
async def test_token_that_permits_nothing_is_403(door: FrontDoor, scope: str) -> None:
    for media_type in (NEW, OLD):
        token = door.issuer.token(scope=scope)
        response = await door.post({"query": "{ hello }"}, token=token, headers={"Accept": media_type})
        assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert door.executor.ran == 0


async def test_issuer_that_is_down_is_503_and_not_the_callers_fault(door: FrontDoor) -> None:
    door.issuer.is_down = True
    response = await door.ask("{ hello }")
    assert (response.status_code, code_of(response)) == (503, "UPSTREAM_UNAVAILABLE")
    assert response.headers["retry-after"]
    assert "www-authenticate" not in response.headers


async def test_request_id_of_the_caller_is_kept_if_it_is_a_uuid(door: FrontDoor) -> None:
    given = "0b5c2e9e-3c54-4a1e-9d3c-0a1b2c3d4e5f"
    response = await door.post({"query": "{"}, headers={"X-Request-ID": given.upper()})
    assert response.headers["x-request-id"] == given
    assert response.json()["errors"][0]["extensions"]["requestId"] == given
    made = {
        (await door.post({"query": "{"}, headers={"X-Request-ID": bad})).headers["x-request-id"]
        for bad in ("", "x", given + "\n0", given[:-1])
    }
    assert len(made) == 4
    assert given not in made


async def test_allowed_origin_may_read_and_others_may_not(door: FrontDoor) -> None:
    response = await door.post({"query": "{ hello }"}, headers={"Origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == ORIGIN
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"Retry-After", "RateLimit", "X-Request-ID"} <= set(exposed)
    assert "access-control-allow-credentials" not in response.headers
    for origin in ("https://evil.test", "null", ORIGIN + ".evil.test", "*"):
        response = await door.post({"query": "{ hello }"}, headers={"Origin": origin})
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


async def test_preflight_is_answered_without_a_token(door: FrontDoor) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = await door.client.options("/graphql", headers=headers)
    assert response.status_code == 204
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]
    refused = await door.client.options("/graphql", headers={**headers, "Origin": "https://evil.test"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


async def test_long_responses_are_compressed_for_those_who_take_it(door: FrontDoor) -> None:
    response = await door.post({"query": "{ long }"}, headers={"Accept-Encoding": "br;q=1, gzip;q=0.8"})
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) < 500
    assert len(response.json()["data"]["long"]) == 5000
    for encoding in ("identity", "gzip;q=0", "br", ""):
        plain = await door.post({"query": "{ long }"}, headers={"Accept-Encoding": encoding})
        assert "content-encoding" not in plain.headers
        assert "Accept-Encoding" in plain.headers["vary"]
    short = await door.post({"query": "{ hello }"}, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers


async def test_browser_gets_the_page_where_it_is_switched_on(door: FrontDoor) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = await door.client.get("/graphql", headers={"Accept": browser})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in response.headers["content-security-policy"]
    assert "<script>" not in response.text
    off = FrontDoor(has_page=False)
    response = await off.client.get("/graphql?query={hello}", headers={"Accept": browser})
    assert response.headers["content-type"].startswith(OLD)
    assert (await off.client.get("/graphql", headers={"Accept": "text/html"})).status_code == 406


async def test_page_loads_nothing_from_elsewhere(door: FrontDoor) -> None:
    page = (await door.client.get("/graphql", headers={"Accept": "text/html"})).text
    paths = [part.split('"')[0] for part in page.split('src="')[1:]]
    paths += [part.split('"')[0] for part in page.split('rel="stylesheet" href="')[1:]]
    assert len(paths) == 6
    for path in paths:
        assert (await door.client.get(path)).status_code == 200


async def test_request_that_outlasts_its_deadline_is_ended() -> None:
    door = FrontDoor(deadline_s=0.3)
    await door.documents.lookup("{ hanging }", None)  # the field must be reached before the deadline
    response = await door.ask("{ hanging }")
    assert front_door.WORK.started.is_set()
    assert (response.status_code, code_of(response)) == (504, "UPSTREAM_TIMEOUT")
    await front_door.WORK.ended.wait()


async def test_client_that_leaves_ends_the_work_for_it(door: FrontDoor) -> None:
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    body = json.dumps({"query": "{ hanging }"}).encode()
    headers = {"content-type": OLD, "authorization": f"Bearer {door.token}"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
    serving = asyncio.create_task(door.app(scope, messages.get, send))
    await front_door.WORK.started.wait()
    messages.put_nowait({"type": "http.disconnect"})
    await front_door.WORK.ended.wait()
    await serving
    assert sent == []


async def test_client_that_leaves_in_the_middle_of_its_body_is_no_fault(
    door: FrontDoor, caplog: pytest.LogCaptureFixture
) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await door.app(scope, receive, send)
    assert (sent, caplog.text) == ([], "")
