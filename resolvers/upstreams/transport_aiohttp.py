"""The transport of the hot path: aiohttp, one pool for each source."""

import asyncio
import ssl
import time
from typing import Final

import aiohttp

from resolvers.upstreams.deadlines import Deadlines, Limit
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.plain_request import answer_to
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

_PROBLEMS: Final = (
    aiohttp.ClientError,
    OSError,
    ValueError,
    aiohttp.http_exceptions.HttpProcessingError,
)


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
        self._connector: aiohttp.TCPConnector | None = None
        self._deadlines: Deadlines | None = None

    async def start(self) -> None:
        if self._connector is not None:
            return
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self._connector = aiohttp.TCPConnector(limit=self._max_concurrency, ssl=self._tls or True)

    async def close(self) -> None:
        if self._connector is not None:
            await self._connector.close()
            self._connector = None
        if self._deadlines is not None:
            self._deadlines.close()

    async def send(self, request: Request, deadline: float) -> Response:
        connector, deadlines = self._connector, self._deadlines
        assert connector is not None, "start() comes before send()"
        assert deadlines is not None
        if deadline <= time.monotonic():
            raise timed_out(self._source)
        limit = Limit(deadlines, deadline)
        try:
            try:
                answer = await answer_to(request, connector)
                content = answer.content
                if content.is_eof() and content.total_bytes <= self._max_bytes:
                    body = content.read_nowait()
                else:
                    body = await self._read(answer)
            except BaseException as problem:
                limit.end(problem)
                raise
        except _PROBLEMS as problem:
            raise _meaning(self._source, problem) from problem
        limit.end(None)
        return Response(answer.status, answer.headers, body)

    async def open(self, request: Request, deadline: float) -> "AiohttpArriving":
        connector, deadlines = self._connector, self._deadlines
        assert connector is not None, "start() comes before open()"
        assert deadlines is not None
        try:
            seconds_left(self._source, deadline)
            with deadlines.until(deadline):
                return AiohttpArriving(self._source, await answer_to(request, connector), deadlines)
        except _PROBLEMS as problem:
            raise _meaning(self._source, problem) from problem

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
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
        return parts[0] if len(parts) == 1 else b"".join(parts)


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
