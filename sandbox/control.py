"""Request log and fault injection around any sandbox upstream (docs/sandbox.md).

`Control` wraps an ASGI application. At the origin root it answers

- `GET /_sandbox/requests`: JSON lines `{time, method, path, query, body, status, request_id}`, in order of
  arrival, without probes, `/metadata` and token calls; `status` is null while no answer has begun;
- `DELETE /_sandbox/requests`: empties the log;
- `POST /_sandbox/faults`: `{"latency_ms", "status", "rate", "truncate", "hang"}` replaces all, `{}` clears;
- `GET /_sandbox/faults`: the faults in force.

Everything under `/_sandbox` and `/healthz` is neither logged nor faulted; other `/_sandbox` paths go to the
application.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG_LENGTH = 50_000
BODY_LENGTH = 65_536
UNLOGGED = ("/metadata", "/token", "/.well-known/smart-configuration", "/.well-known/openid-configuration")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong with requests: `latency_ms` before the answer, `status` instead of the answer, the
    answer's body cut after `truncate` bytes, or no answer (`hang`). `rate` 0-1 is the share of requests
    hit, spread evenly: with 0.5 every second one, so a test can count on it."""

    latency_ms: float = 0.0
    status: int | None = None
    rate: float = 1.0
    truncate: int | None = None
    hang: bool = False


class Request(msgspec.Struct):
    """One line of the request log."""

    time: str
    method: str
    path: str
    query: str
    body: str
    status: int | None
    request_id: str | None


class Control:
    """The ASGI application with its request log and its faults."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log: deque[Request] = deque(maxlen=LOG_LENGTH)
        self._fault = Fault()
        self._debt = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith("/_sandbox/"):
            await self._answer_control(scope, receive, send)
        elif scope["path"] == "/healthz":
            await _reply(send, 200, b'{"status":"ok"}')
        else:
            await self._pass_on(scope, receive, send)

    async def _answer_control(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "GET", "/_sandbox/requests":
                lines = b"".join(msgspec.json.encode(line) + b"\n" for line in self._log)
                await _reply(send, 200, lines, b"application/x-ndjson")
            case "DELETE", "/_sandbox/requests":
                self._log.clear()
                await _reply(send, 204, b"")
            case "POST", "/_sandbox/faults":
                await self._replace_fault(await _read_body(receive), send)
            case "GET", "/_sandbox/faults":
                await _reply(send, 200, msgspec.json.encode(self._fault))
            case _:
                await self._app(scope, receive, send)

    async def _replace_fault(self, body: bytes, send: Send) -> None:
        try:
            self._fault = msgspec.json.decode(body or b"{}", type=Fault)
        except msgspec.DecodeError as problem:
            await _reply(send, 400, msgspec.json.encode({"error": str(problem)}))
            return
        self._debt = 0.0
        await _reply(send, 200, msgspec.json.encode(self._fault))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        line = _line(scope, body)
        if not scope["path"].endswith(UNLOGGED):
            self._log.append(line)
        fault = self._due()
        if fault.hang:
            await _until_disconnect(receive)
            return
        if fault.latency_ms:
            await asyncio.sleep(fault.latency_ms / 1000)
        if fault.status is not None:
            line.status = fault.status
            await _reply(send, fault.status, b'{"error":"fault injected"}')
            return
        await self._app(scope, _replay(body, receive), _Sender(send, line, fault.truncate))

    def _due(self) -> Fault:
        self._debt += self._fault.rate
        if self._debt < 1.0 - 1e-9:
            return Fault()
        self._debt -= 1.0
        return self._fault


class _Sender:
    """Notes the status; where the body is to be cut, gathers it and sends its first bytes."""

    def __init__(self, send: Send, line: Request, truncate: int | None) -> None:
        self._send = send
        self._line = line
        self._truncate = truncate
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._line.status = message["status"]
        if self._truncate is None:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._start = message
        else:
            await self._gather(message)

    async def _gather(self, message: Message) -> None:
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._body[: self._truncate]
        headers = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _line(scope: Scope, body: bytes) -> Request:
    return Request(
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        body=body[:BODY_LENGTH].decode("utf-8", "replace"),
        status=None,
        request_id=next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), None),
    )


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reply(send: Send, status: int, body: bytes, media_type: bytes = b"application/json") -> None:
    headers: list[Any] = [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
