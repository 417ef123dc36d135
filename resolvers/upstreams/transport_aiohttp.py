"""The transport of the hot path: aiohttp, one pool for each source."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from resolvers.upstreams.deadlines import Deadlines, Limit
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.transport import (
    Request,
    Response,
    cut_short,
    lost,
    seconds_left,
    timed_out,
    too_large,
    unreachable,
)

_UNLIMITED: Final = aiohttp.ClientTimeout(total=None)
_HEADER_LINE_MAX: Final = 65_536


_PROBLEMS: Final = (
    aiohttp.ClientError,
    OSError,
    ValueError,
    aiohttp.http_exceptions.HttpProcessingError,
)


class _Asking(aiohttp.ClientRequest):
    """A request that does not take an answer that lay in a kept connection before it was asked: it would be
    the answer to another question, so perhaps of another patient."""

    def send(self, conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        if conn.protocol is None or conn.protocol.should_close:
            raise aiohttp.ServerDisconnectedError("an answer came that nobody asked for")
        return super().send(conn)


class AiohttpTransport:
    """A pool of `max_concurrency` connections; answers up to `max_response_bytes` after decompression. `tls`:
    with whose certificate, and whom to trust; nobody's and the system's authorities where nothing is said."""

    def __init__(
        self,
        source: str,
        max_response_bytes: int,
        max_concurrency: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._source = source
        self._max_bytes = max_response_bytes
        self._max_concurrency = max_concurrency
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._deadlines: Deadlines | None = None

    async def start(self) -> None:
        if self._session is not None:
            return
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_concurrency, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_Asking,
            timeout=_UNLIMITED,  # Deadlines is cheaper
            trust_env=False,
            max_line_size=_HEADER_LINE_MAX,
            max_field_size=_HEADER_LINE_MAX,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._deadlines is not None:
            self._deadlines.close()

    async def send(self, request: Request, deadline: float) -> Response:
        session, deadlines = self._session, self._deadlines
        assert session is not None, "start() comes before send()"
        assert deadlines is not None
        try:
            if deadline <= time.monotonic():
                raise timed_out(self._source)
            with Limit(deadlines, deadline):
                return await self._read(await _answer(session, request))
        except _PROBLEMS as problem:
            raise _meaning(self._source, problem) from problem

    async def open(self, request: Request, deadline: float) -> "AiohttpArriving":
        session, deadlines = self._session, self._deadlines
        assert session is not None, "start() comes before open()"
        assert deadlines is not None
        try:
            seconds_left(self._source, deadline)
            with deadlines.until(deadline):
                return AiohttpArriving(self._source, await _answer(session, request), deadlines)
        except _PROBLEMS as problem:
            raise _meaning(self._source, problem) from problem

    async def _read(self, answer: aiohttp.ClientResponse) -> Response:
        content, limit = answer.content, self._max_bytes
        parts: list[bytes] = []
        size = 0
        try:
            if not content.is_eof() and (answer.content_length or 0) > limit:
                raise too_large(self._source, limit)
            while not content.at_eof():  # the connection goes back to the pool with the last byte
                part = await content.readany()
                size += len(part)
                if size > limit:
                    raise too_large(self._source, limit)
                parts.append(part)
        except BaseException:
            answer.close()
            raise
        return Response(answer.status, answer.headers, parts[0] if len(parts) == 1 else b"".join(parts))


class AiohttpArriving:
    """An answer of aiohttp whose body is still to come (`resolvers.upstreams.transport.Arriving`)."""

    def __init__(self, source: str, answer: aiohttp.ClientResponse, deadlines: Deadlines) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._source = source
        self._answer = answer
        self._deadlines = deadlines

    async def read(self, deadline: float) -> bytes:
        content = self._answer.content
        try:
            seconds_left(self._source, deadline)
            with self._deadlines.until(deadline):
                return b"" if content.at_eof() else await content.readany()
        except TimeoutError as problem:
            raise timed_out(self._source) from problem
        except _PROBLEMS as problem:
            raise cut_short(self._source, problem) from problem

    async def close(self) -> None:
        self._answer.close()


def _answer(session: aiohttp.ClientSession, request: Request) -> Awaitable[aiohttp.ClientResponse]:
    url = request.url
    is_sendable = url.isascii() and url.isprintable() and " " not in url
    return session.request(
        request.method,
        URL(url, encoded=is_sendable),
        headers=request.headers,
        data=request.body,
        allow_redirects=False,
    )


def _meaning(source: str, problem: Exception) -> UpstreamError:
    match problem:
        case TimeoutError():
            return timed_out(source)
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | BrokenPipeError():
            return lost(source, problem)
        case (
            aiohttp.ClientPayloadError()
            | aiohttp.ClientResponseError()
            | aiohttp.http_exceptions.HttpProcessingError()
        ):
            return cut_short(source, problem)
    if isinstance(problem.__cause__, ConnectionResetError | BrokenPipeError):
        return lost(source, problem)
    return unreachable(source, problem)
