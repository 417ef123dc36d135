"""Spans: one for each stage when switched on, and never a patient's data in them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.documents import document_hash
from gateway.telemetry import TelemetrySettings, open_telemetry
from tests.gateway import front_door
from tests.gateway.front_door import FrontDoor

STAGES = ["authenticate", "documents", "permissions", "limits", "execution", "response"]


def attributes_of(span: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"]["stringValue"] for one in span.get("attributes", ())}


async def spans_of(folder: Path, query: str, **settings: Any) -> list[dict[str, Any]]:
    file = folder / "traces.jsonl"
    telemetry = open_telemetry(TelemetrySettings(exporter="otlp-file", path=file))
    door = FrontDoor(telemetry=telemetry, **settings)
    await door.ask(query)
    telemetry.close()
    requests = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        span
        for request in requests
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


async def test_each_stage_is_a_span_of_the_request(tmp_path: Path) -> None:
    spans = await spans_of(tmp_path, "{ hello }")
    assert [span["name"] for span in spans] == [*STAGES, "request"]
    request = spans[-1]
    assert {span["parentSpanId"] for span in spans[:-1]} == {request["spanId"]}
    assert {span["traceId"] for span in spans} == {request["traceId"]}
    assert "parentSpanId" not in request


async def test_request_and_execution_say_which_they_are(tmp_path: Path) -> None:
    spans = await spans_of(tmp_path, "{ hello }")
    told = {span["name"]: attributes_of(span) for span in spans}
    assert set(told.pop("request")) == {"request_id"}
    assert told.pop("execution") == {"operation": document_hash("{ hello }", None)}
    assert not any(told.values())


async def test_stages_that_the_deadline_ends_say_so(tmp_path: Path) -> None:
    spans = await spans_of(tmp_path, "{ hanging }", deadline_s=0.05)
    ended = {span["name"]: attributes_of(span).get("error.type") for span in spans}
    assert ended["execution"] == "CancelledError"
    assert ended["request"] == "DeadlinePassed"


async def test_refused_stage_is_marked_with_the_kind_of_error_alone(tmp_path: Path) -> None:
    spans = await spans_of(tmp_path, "{ nothing }")
    assert [span["name"] for span in spans] == ["authenticate", "documents", "request"]
    refused = spans[1]
    assert refused["status"] == {"code": 2}
    assert {"key": "error.type", "value": {"stringValue": "DocumentInvalid"}} in refused["attributes"]
    assert "events" not in refused


async def test_spans_hold_nothing_of_document_or_data(tmp_path: Path) -> None:
    query = f'{{ echo(text: "{front_door.SECRET_NAME}") broken unprintable }}'
    assert front_door.SECRET_NAME not in str(await spans_of(tmp_path, query))


def test_sdk_is_not_loaded_while_telemetry_is_off() -> None:
    code = (
        "import sys; from gateway.telemetry import TelemetrySettings, open_telemetry;"
        "open_telemetry(TelemetrySettings()); print('opentelemetry.sdk' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
