"""A transport over httpx: for sources in the same process, and for those that need httpx's transports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from resolvers.upstreams.transport import (
    ConnectionLost,
    Request,
    Response,
    cut_short,
    lost,
    seconds_left,
    timed_out,
    too_large,
    unreachable,
)


class HttpxTransport:
    """Speaks to any `httpx.AsyncBaseTransport`: an ASGI application, a mock, the network."""

    def __init__(self, source: str, max_response_bytes: int, transport: httpx.AsyncBaseTransport) -> None:
        self._source = source
        self._max_bytes = max_response_bytes
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            timeout=None,  # noqa: S113 # the deadline of each call is the limit
        )

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, request: Request, deadline: float) -> Response:
        async with _meanings(self._source, deadline):
            return await self._exchange(request)

    async def open(self, request: Request, deadline: float) -> "HttpxArriving":
        self._client.cookies.clear()
        sent = self._client.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.body
        )
        async with _meanings(self._source, deadline):
            return HttpxArriving(self._source, await self._client.send(sent, stream=True))

    async def _exchange(self, request: Request) -> Response:
        self._client.cookies.clear()
        async with self._client.stream(
            request.method, request.url, headers=dict(request.headers), content=request.body
        ) as answer:
            parts: list[bytes] = []
            size = 0
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > self._max_bytes:
                    raise too_large(self._source, self._max_bytes)
                parts.append(part)
            return Response(answer.status_code, answer.headers, b"".join(parts))


class HttpxArriving:
    """An answer of httpx whose body is still to come (`resolvers.upstreams.transport.Arriving`)."""

    def __init__(self, source: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.headers = answer.headers
        self._source = source
        self._answer = answer
        self._pieces = answer.aiter_raw()

    async def read(self, deadline: float) -> bytes:
        try:
            async with _meanings(self._source, deadline):
                return await anext(self._pieces, b"")
        except ConnectionLost as problem:
            raise cut_short(self._source, problem) from problem

    async def close(self) -> None:
        await self._answer.aclose()


@asynccontextmanager
async def _meanings(source: str, deadline: float) -> AsyncIterator[None]:
    """The block until the deadline; what goes wrong in it, as an UpstreamError."""
    try:
        async with asyncio.timeout(seconds_left(source, deadline)):
            yield
    except (TimeoutError, httpx.TimeoutException) as problem:
        raise timed_out(source) from problem
    except (httpx.DecodingError, httpx.StreamError) as problem:
        raise cut_short(source, problem) from problem
    except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as problem:
        raise lost(source, problem) from problem
    except httpx.HTTPError as problem:
        raise unreachable(source, problem) from problem
