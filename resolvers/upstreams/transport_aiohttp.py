"""The transport of the hot path: aiohttp, one pool for each source."""

import aiohttp
from yarl import URL

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

_NEVER_ROUNDED = float("inf")
_HEADER_LINE_MAX = 65_536


class AiohttpTransport:
    """A pool of `max_concurrency` connections; answers up to `max_response_bytes` after decompression."""

    def __init__(self, source: str, max_response_bytes: int, max_concurrency: int) -> None:
        self._source = source
        self._max_bytes = max_response_bytes
        self._max_concurrency = max_concurrency
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        if self._session is not None:
            return
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            max_line_size=_HEADER_LINE_MAX,
            max_field_size=_HEADER_LINE_MAX,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request, deadline: float) -> Response:
        assert self._session is not None, "start() comes before send()"
        try:
            return await self._exchange(self._session, request, seconds_left(self._source, deadline))
        except TimeoutError as problem:
            raise timed_out(self._source) from problem
        except (aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError) as problem:
            raise cut_short(self._source, problem) from problem
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError) as problem:
            raise lost(self._source, problem) from problem
        except aiohttp.ClientResponseError as problem:
            raise cut_short(self._source, problem) from problem
        except (aiohttp.ClientError, OSError) as problem:
            if isinstance(problem.__cause__, ConnectionResetError | BrokenPipeError):
                raise lost(self._source, problem) from problem
            raise unreachable(self._source, problem) from problem

    async def _exchange(self, session: aiohttp.ClientSession, request: Request, timeout_s: float) -> Response:
        async with session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s, ceil_threshold=_NEVER_ROUNDED),
        ) as answer:
            return Response(answer.status, answer.headers, await self._body(answer))

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        content = answer.content
        if not content.is_eof() and (answer.content_length or 0) > self._max_bytes:
            answer.close()
            raise too_large(self._source, self._max_bytes)
        parts: list[bytes] = []
        size = 0
        while not content.at_eof():
            part = await content.readany()
            size += len(part)
            if size > self._max_bytes:
                answer.close()
                raise too_large(self._source, self._max_bytes)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
