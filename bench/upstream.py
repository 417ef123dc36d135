"""A source of fixed answers: each question is worked out once, then looked up by its bytes.

`python -m bench.upstream --port N [--source I] [--jwks FILE]`. It reads just enough HTTP/1.1 for the clients
that are measured here. `GET /_bench/log` tells which questions were asked; asking it forgets them.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop

from bench.answers import Answers

_HEAD: Final = b"HTTP/1.1 %s\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n"
_BASE: Final = "/fhir"


class Fixed:
    """The answers given so far, by method, target and body."""

    def __init__(self, answers: Answers, jwks: bytes) -> None:
        self._answers = answers
        self._jwks = jwks
        self._known: dict[bytes, bytes] = {}
        self._log: list[str] = []
        self.is_logging = True

    def response(self, key: bytes) -> bytes:
        known = self._known.get(key)
        if known is None or self.is_logging:
            known = self._response(key)
        return known

    def _response(self, key: bytes) -> bytes:
        line, _, body = key.partition(b"\r\n")
        method, target, _ = line.decode().split(" ", 2)
        if target.startswith("/_bench/log"):
            self.is_logging = target.endswith("?on")
            told, self._log = msgspec.json.encode(self._log), []
            return _whole("200 OK", told)
        if not target.startswith(_BASE):
            return _whole("200 OK", self._jwks)
        asked = target.removeprefix(_BASE).lstrip("/")
        self._log.append(f"{method} {asked} {body.decode()}")
        if key not in self._known:
            self._known[key] = _whole("200 OK", self._answers.answer(method, asked, body))
        return self._known[key]


def _whole(status: str, body: bytes) -> bytes:
    return _HEAD % (status.encode(), len(body)) + body


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, fixed: Fixed) -> None:
        self._fixed = fixed
        self._data = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _body_length(self._data, end)
            if len(self._data) < whole:
                return
            line = self._data[: self._data.find(b"\r\n") + 2]
            key = line + self._data[end + 4 : whole]
            self._data = self._data[whole:]
            assert self._transport is not None
            self._transport.write(self._fixed.response(key))


def _body_length(data: bytes, end: int) -> int:
    if data.startswith(b"GET"):
        return 0
    head = data[:end].lower()
    at = head.find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])


async def serve(port: int, fixed: Fixed) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(fixed), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--source", type=int, default=0, help="which of several sources this one is")
    parser.add_argument("--jwks", type=Path, help="keys to publish at every path outside /fhir")
    options = parser.parse_args()
    answers = Answers(f"http://127.0.0.1:{options.port}{_BASE}", options.source)
    jwks = options.jwks.read_bytes() if options.jwks else b"{}"
    uvloop.run(serve(options.port, Fixed(answers, jwks)))


if __name__ == "__main__":
    main()
