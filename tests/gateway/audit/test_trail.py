"""Every request leaves one line, with its outcome, whatever becomes of it; and never breaks by it."""

import asyncio
import errno
import json
import logging
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit.entry import Entry
from gateway.documents import document_hash
from gateway.execution.stock import StockExecutor
from tests.gateway import front_door
from tests.gateway.front_door import ORIGIN, FrontDoor, KeptLines

POST = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b""}


def only(door: FrontDoor) -> dict[str, Any]:
    (record,) = door.kept.records()
    return record


async def test_an_answer_leaves_who_asked_what_and_how_it_ended(door: FrontDoor) -> None:
    text = "query Greeting { hello }"
    response = await door.ask(text)
    record = only(door)
    assert record.pop("duration_ms") > 0
    assert record.pop("time").endswith("Z")
    assert record == {
        "request_id": response.headers["X-Request-ID"],
        "outcome": "OK",
        "status": 200,
        "issuer": "https://issuer.test",
        "client": "an-app",
        "subject": "somebody",
        "token_id": "token-1",
        "kind": "query",
        "operation": "Greeting",
        "document": document_hash(text, None),
    }


@pytest.mark.parametrize(
    ("query", "outcome", "codes", "status"),
    [
        ("{ broken }", "PARTIAL", ["INTERNAL_SERVER_ERROR"], 200),
        ("{ a: refused b: refused broken }", "PARTIAL", ["BAD_USER_INPUT", "INTERNAL_SERVER_ERROR"], 200),
        ("{ required }", "UPSTREAM_TIMEOUT", ["UPSTREAM_TIMEOUT"], 504),
        ("{", "GRAPHQL_PARSE_FAILED", ["GRAPHQL_PARSE_FAILED"], 400),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED", ["GRAPHQL_VALIDATION_FAILED"], 400),
        ("{ hello } " + "#" * 15_000, "DOCUMENT_LIMIT_EXCEEDED", ["DOCUMENT_LIMIT_EXCEEDED"], 400),
    ],
)
async def test_the_outcome_is_what_the_answer_says(
    door: FrontDoor, query: str, outcome: str, codes: list[str], status: int
) -> None:
    response = await door.ask(query)
    record = only(door)
    assert (record["outcome"], record["errors"], record["status"]) == (outcome, codes, status)
    assert response.status_code == status
    assert record["client"] == "an-app"


@pytest.mark.parametrize("token", [None, "nonsense", "a.b.c"])
async def test_a_caller_who_is_not_recognised_is_nobody_in_the_line(
    door: FrontDoor, token: str | None
) -> None:
    await door.post({"query": "{ hello }"}, token=token)
    record = only(door)
    assert (record["outcome"], record["status"]) == ("UNAUTHENTICATED", 401)
    assert record.keys() == {"time", "request_id", "outcome", "status", "duration_ms", "errors"}


async def test_a_caller_without_the_scopes_is_named(door: FrontDoor) -> None:
    await door.post({"query": "{ hello }"}, token=door.issuer.token(scope="openid"))
    record = only(door)
    assert (record["outcome"], record["status"], record["subject"]) == ("FORBIDDEN", 403, "somebody")


@pytest.mark.parametrize(
    ("fhir_user", "told"),
    [
        ("Practitioner/1", "Practitioner/1"),
        ("https://ehr.test/fhir/RelatedPerson/1", "https://ehr.test/fhir/RelatedPerson/1"),
        ("https://ehr.test/fhir/Patient/9990000000", None),
        ("Patient/9990000000", None),
    ],
)
async def test_a_user_who_is_a_patient_is_not_told_by_the_issuers_id(
    door: FrontDoor, fhir_user: str, told: str | None
) -> None:
    await door.post({"query": "{ hello }"}, token=door.issuer.token(fhirUser=fhir_user))
    assert only(door).get("fhir_user") == told


@pytest.mark.parametrize(
    ("method", "sent", "outcome", "status"),
    [
        ("PUT", {}, "OPERATION_NOT_ALLOWED", 405),
        ("OPTIONS", {}, "OPERATION_NOT_ALLOWED", 405),
        ("GET", {}, "BAD_USER_INPUT", 400),
        ("POST", {"content": b"[]"}, "BAD_USER_INPUT", 415),
        ("POST", {"json": [1]}, "BAD_USER_INPUT", 400),
        ("POST", {"json": {}}, "BAD_USER_INPUT", 400),
        ("POST", {"json": {"query": "#" * 20_001}}, "BAD_USER_INPUT", 413),
        ("POST", {"json": {"query": "{ hello }"}, "headers": {"Accept": "image/png"}}, "BAD_USER_INPUT", 406),
    ],
)
async def test_what_is_no_graphql_request_leaves_a_line_too(
    door: FrontDoor, method: str, sent: dict[str, Any], outcome: str, status: int
) -> None:
    response = await door.client.request(method, "/graphql", **sent)
    record = only(door)
    assert (record["outcome"], record["status"]) == (outcome, status)
    assert (record["request_id"], response.status_code) == (response.headers["X-Request-ID"], status)


async def test_a_preflight_a_page_and_other_places_leave_no_line(door: FrontDoor) -> None:
    await door.client.options("/graphql", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    await door.client.get("/graphql", headers={"Accept": "text/html"})
    await door.client.get("/elsewhere")
    assert door.kept.lines == []


async def test_a_deadline_that_passes_leaves_its_line() -> None:
    door = FrontDoor(deadline_s=0.05)
    await door.ask("{ hanging }")
    record = only(door)
    assert (record["outcome"], record["status"]) == ("UPSTREAM_TIMEOUT", 504)
    assert record["duration_ms"] >= 50


async def test_a_crash_leaves_its_line(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: Any) -> Any:
        raise RuntimeError(front_door.SECRET_NAME)

    monkeypatch.setattr(StockExecutor, "run", crash)
    await door.ask("{ hello }")
    assert (only(door)["outcome"], only(door)["status"]) == ("INTERNAL_SERVER_ERROR", 500)
    assert front_door.SECRET_NAME not in str(door.kept.lines)


async def knock(door: FrontDoor, *messages: dict[str, Any]) -> tuple[asyncio.Task[None], Any]:
    """A request under way, and the way to say something more to it."""
    coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for message in messages:
        coming.put_nowait(message)
    headers = {"content-type": "application/json", "authorization": f"Bearer {door.token}"}
    scope = {**POST, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}

    async def send(message: Any) -> None:
        raise AssertionError("nothing is to be sent")

    return asyncio.create_task(door.app(scope, coming.get, send)), coming.put_nowait


HANGING = {"type": "http.request", "body": json.dumps({"query": "{ hanging }"}).encode()}
GONE = {"type": "http.disconnect"}


async def test_a_client_that_leaves_makes_the_request_a_cancelled_one(door: FrontDoor) -> None:
    serving, say = await knock(door, HANGING)
    await front_door.WORK.started.wait()
    assert door.kept.lines == []
    say(GONE)
    await serving
    record = only(door)
    assert (record["outcome"], record["client"], record["kind"]) == ("CANCELLED", "an-app", "query")
    assert "status" not in record


async def test_a_client_that_leaves_before_its_request_is_whole_leaves_a_line(door: FrontDoor) -> None:
    serving, _ = await knock(door, {"type": "http.request", "body": b"{", "more_body": True}, GONE)
    await serving
    assert only(door)["outcome"] == "CANCELLED"


async def test_a_server_that_ends_a_request_leaves_its_line(door: FrontDoor) -> None:
    serving, _ = await knock(door, HANGING)
    await front_door.WORK.started.wait()
    serving.cancel()
    await asyncio.wait([serving])
    assert only(door)["outcome"] == "CANCELLED"


async def test_requests_at_once_leave_a_line_each(door: FrontDoor) -> None:
    answers = await asyncio.gather(*(door.ask("{ hello }") for _ in range(50)))
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert sorted(record["request_id"] for record in door.kept.records()) == sorted(ids)


class FullDisk(KeptLines):
    """Takes nothing while it is full."""

    is_full = True

    def write(self, line: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(line)


async def test_a_full_disk_keeps_no_answer_back_and_is_told_with_the_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = FullDisk()
    door = FrontDoor(sink=disk)
    for _ in range(2):
        assert (await door.ask("{ hello }")).json()["data"] == {"hello": "world"}
    told = [one for one in caplog.records if one.levelno == logging.CRITICAL]
    assert [one.getMessage().split(": {")[0] for one in told] == [
        "disclosure record not written (No space left on device), 1 so far",
        "disclosure record not written (No space left on device), 2 so far",
    ]
    line = json.loads(told[0].getMessage().partition(": ")[2])
    assert (line["outcome"], line["subject"]) == ("OK", "somebody")

    disk.is_full = False
    await door.ask("{ hello }")
    assert len(disk.lines) == 1


async def test_a_defect_of_the_record_keeps_no_answer_back(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(front_door.SECRET_NAME)

    monkeypatch.setattr(Entry, "line", broken)
    response = await door.ask("{ hello }")
    assert response.status_code == 200
    assert f"(RuntimeError), 1 so far: request {response.headers['X-Request-ID']}" in caplog.text
    assert front_door.SECRET_NAME not in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(secret=st.text("XYZQKJ", min_size=12, max_size=40))
async def test_no_token_document_or_variable_is_in_a_line(secret: str) -> None:
    door = FrontDoor()
    text = f'query Q($text: String!) {{ echo(text: $text) more: echo(text: "{secret}") broken unprintable }}'
    await door.ask(text, variables={"text": secret})
    await door.ask(f"{{ {secret} }}")
    await door.ask("{ hello }", operationName=secret)
    await door.ask("{ hello }", extensions={"secret": secret})
    await door.post({"query": "{ hello }"}, token=secret)
    await door.post({"query": "{ hello }"}, headers={"X-Request-ID": secret})
    await door.post({secret: secret})
    await door.get({"query": "{ hello }", "variables": secret})
    written = b"".join(door.kept.lines).decode()
    assert len(door.kept.lines) == 8
    assert secret not in written
    assert front_door.SECRET_NAME not in written
    assert all(part not in written for part in door.token.split("."))
