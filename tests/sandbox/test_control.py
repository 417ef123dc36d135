"""The request log and the faults that every sandbox upstream has."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from sandbox import control
from sandbox.control import Control

BODY = b'{"resourceType":"Patient","id":"1"}'


async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    status = 201 if scope["method"] == "POST" else 200
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(BODY))]}
    )
    await send({"type": "http.response.body", "body": body or BODY})


@pytest.fixture
def api() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Control(upstream)), base_url="http://upstream")


async def log(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await api.get("/_sandbox/requests")
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_request_is_logged_with_all_that_a_test_may_ask(api: httpx.AsyncClient) -> None:
    await api.post("/fhir/Patient/_search?a=1", content=b"name=x", headers={"X-Request-ID": "r-1"})
    (line,) = await log(api)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "method": "POST",
        "path": "/fhir/Patient/_search",
        "query": "a=1",
        "body": "name=x",
        "status": 201,
        "request_id": "r-1",
    }


async def test_probes_metadata_tokens_and_the_log_itself_are_not_logged(api: httpx.AsyncClient) -> None:
    for path in (
        "/healthz",
        "/fhir/metadata",
        "/A81001/fhir/metadata",
        "/_sandbox/requests",
        "/_sandbox/faults",
    ):
        await api.get(path)
    await api.post("/token")
    assert await log(api) == []


async def test_the_log_is_emptied(api: httpx.AsyncClient) -> None:
    await api.get("/fhir/Patient/1")
    assert (await api.delete("/_sandbox/requests")).status_code == 204
    assert await log(api) == []


async def test_a_status_fault_answers_in_place_of_the_upstream(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"status": 429})
    answer = await api.get("/fhir/Patient/1")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert [line["status"] for line in await log(api)] == [429]


async def test_an_empty_object_clears_all_faults(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"status": 500})
    await api.post("/_sandbox/faults", json={})
    assert (await api.get("/fhir/Patient/1")).content == BODY


async def test_faults_replace_each_other(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"status": 500})
    await api.post("/_sandbox/faults", json={"truncate": 5})
    assert (await api.get("/fhir/Patient/1")).status_code == 200


async def test_a_truncated_body_is_a_whole_http_answer_with_half_the_json(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"truncate": 12})
    answer = await api.get("/fhir/Patient/1")
    assert (answer.content, answer.headers["content-length"]) == (BODY[:12], "12")


async def test_a_rate_hits_that_share_of_requests_evenly(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"status": 503, "rate": 0.25})
    statuses = [(await api.get("/fhir/Patient/1")).status_code for _ in range(12)]
    assert statuses == [200, 200, 200, 503] * 3


async def test_latency_comes_before_the_answer(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    await api.post("/_sandbox/faults", json={"latency_ms": 30})
    # The module's own name alone: other threads of the run sleep by asyncio's.
    monkeypatch.setattr(control, "asyncio", SimpleNamespace(sleep=sleep))
    assert (await api.get("/fhir/Patient/1")).content == BODY
    assert waited == [0.03]


@pytest.mark.parametrize("body", [b'{"unknown":1}', b"[]", b"{", b'{"rate":"x"}'])
async def test_a_fault_that_is_not_understood_is_refused_and_changes_nothing(
    api: httpx.AsyncClient, body: bytes
) -> None:
    await api.post("/_sandbox/faults", json={"status": 500})
    assert (await api.post("/_sandbox/faults", content=body)).status_code == 400
    assert (await api.get("/fhir/Patient/1")).status_code == 500


async def test_the_control_endpoints_themselves_are_never_faulted(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"status": 500})
    assert (await api.get("/_sandbox/faults")).json()["status"] == 500
    assert (await api.get("/healthz")).status_code == 200


async def test_a_hanging_request_ends_when_the_client_goes_and_stays_unanswered_in_the_log() -> None:
    control = Control(upstream)
    sent: list[Message] = []
    gone = asyncio.Event()
    messages: list[Message] = [{"type": "http.request", "body": b""}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(control), base_url="http://upstream") as api:
        await api.post("/_sandbox/faults", json={"hang": True})
        scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}
        hanging = asyncio.create_task(control(scope, receive, send))
        await asyncio.sleep(0)
        assert not hanging.done()
        gone.set()
        await hanging
        assert sent == []
        assert [line["status"] for line in await log(api)] == [None]
