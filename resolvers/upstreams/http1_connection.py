"""One kept HTTP/1.1 connection to a source, answer after answer (RFC 9112); llhttp reads what comes.

Nothing is followed or repeated here. A connection on which anything odd happened is not used again.
"""

import asyncio
from enum import Enum
from typing import Final, cast

import httptools
import msgspec

from resolvers.upstreams.http1_headers import Headers

_HEAD_MAX: Final = 65_536


class Failure(Enum):
    """What went wrong with an exchange."""

    LOST = "the connection broke before the answer began"
    CUT_SHORT = "the answer ended before its end, or is not HTTP"
    TOO_LARGE = "the answer is above the limit"
    TIMED_OUT = "the answer took too long"


class ExchangeFailed(Exception):
    """An exchange without an answer; the message is for the log only."""

    def __init__(self, failure: Failure, detail: object = "") -> None:
        super().__init__(f"{failure.value} {detail}".rstrip())
        self.failure = failure


class Received(msgspec.Struct, frozen=True):
    """An answer as it came; `coding` is the Content-Encoding of `body`, empty where there is none."""

    status: int
    headers: Headers
    body: bytes
    coding: bytes


class Connection(asyncio.Protocol):
    """One connection, with at most one question open on it; HEAD cannot be asked.

    `body_max` bounds the bytes of a body as they come. `is_reusable`: the connection can take another
    question once the open one is answered. `idle_since` is the user's own note.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, body_max: int) -> None:
        self.is_reusable = True
        self.idle_since = 0.0
        self._loop = loop
        self._body_max = body_max
        self._parser = httptools.HttpResponseParser(self)
        # As aiohttp does: many servers get this wrong, and nobody else's answers are on this connection.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Received] | None = None
        self._begin()

    def ask(self, message: bytes) -> "asyncio.Future[Received]":
        """Sends a request; the future has its answer, or raises ExchangeFailed."""
        assert self._transport is not None, "connected"
        assert self._answer is None, "one question at a time"
        self._answer = answer = self._loop.create_future()
        self._transport.write(message)
        return answer

    def expire(self) -> None:
        """Ends the open question for want of time."""
        self._fail(Failure.TIMED_OUT)

    def abort(self) -> None:
        """Ends the connection at once, and the open question with it."""
        self._fail(Failure.LOST)

    def close(self) -> None:
        """Ends an idle connection."""
        self.is_reusable = False
        if self._transport is not None:
            self._transport.close()

    # ------------------------------------------------------------ what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()  # nobody asked
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            self._fail(Failure.CUT_SHORT, repr(problem))
        if self._answer is not None:
            self._check_size()

    def eof_received(self) -> None:
        self.is_reusable = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        if self._answer is None:
            return
        if exc is None and self._has_head and self._ends_with_connection():
            self.on_message_complete()
        else:
            self._fail(Failure.CUT_SHORT if self._came else Failure.LOST, repr(exc))

    # ------------------------------------------------------------ what llhttp calls

    def on_message_begin(self) -> None:
        if self._answer is None:
            self.is_reusable = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if len(name) == 16 and name.lower() == b"content-encoding":
            self._coding = value

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # an interim answer: the real one follows
            self._begin()
            return
        if self._size > self._body_max:
            self._fail(Failure.TOO_LARGE)
            return
        answer, parts, self._answer = self._answer, self._parts, None
        received = Received(
            status, Headers(self._headers), parts[0] if len(parts) == 1 else b"".join(parts), self._coding
        )
        self._begin()
        self.is_reusable = self.is_reusable and self._parser.should_keep_alive()
        if answer is not None and not answer.done():
            answer.set_result(received)

    # ------------------------------------------------------------ state

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._coding = b""
        self._size = 0
        self._came = 0
        self._has_head = self._is_measured = False

    def _check_size(self) -> None:
        """Of an answer that has not come whole; what it says of its length is believed, if it is too much."""
        if not self._has_head:
            if self._came > _HEAD_MAX:
                self._fail(Failure.CUT_SHORT, "endless headers")
        elif self._size > self._body_max or (not self._is_measured and self._declared() > self._body_max):
            self._fail(Failure.TOO_LARGE)

    def _declared(self) -> int:
        self._is_measured = True
        return next((int(value) for name, value in self._headers if name.lower() == b"content-length"), 0)

    def _ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112 6.3)."""
        return {name.lower() for name, _ in self._headers}.isdisjoint(
            (b"content-length", b"transfer-encoding")
        )

    def _fail(self, failure: Failure, detail: object = "") -> None:
        answer, self._answer = self._answer, None
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_exception(ExchangeFailed(failure, detail))
