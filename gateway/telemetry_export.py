"""Where spans go when telemetry is on: the console, or a file of OTLP JSON lines.

The file follows the OpenTelemetry "OTLP File Exporter" specification: one
`ExportTraceServiceRequest` in JSON on each line. A collector's `otlpjsonfile` receiver reads it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

_STATUS_CODES: Final = {"UNSET": 0, "OK": 1, "ERROR": 2}


class OtlpFileExporter(SpanExporter):
    """Appends each batch of spans to a file as one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes one line; runs in the batch processor's thread."""
        line = msgspec.json.encode(trace_request(spans)) + b"\n"
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


EXPORTERS: Final[Mapping[str, Callable[[Path | None], SpanExporter]]] = {
    "console": lambda path: ConsoleSpanExporter(out=sys.stderr),
    "otlp-file": lambda path: OtlpFileExporter(path or Path("traces.jsonl")),
}


def open_provider(exporter: str, path: Path | None, service: str) -> TracerProvider:
    """A provider that sends spans in batches, off the request's way."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(EXPORTERS[exporter](path)))
    return provider


def trace_request(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Spans in the JSON of OTLP: ids in hexadecimal, 64-bit integers as text."""
    resource = spans[0].resource.attributes if spans else {}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": _scope(span)}, "spans": [_span(span)]} for span in spans],
            }
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None  # a span that ended has one
    told: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP counts from 1
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": _STATUS_CODES[span.status.status_code.name]},
    }
    if span.parent is not None:
        told["parentSpanId"] = f"{span.parent.span_id:016x}"
    return told


def _scope(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [_value(item) for item in value]}}
