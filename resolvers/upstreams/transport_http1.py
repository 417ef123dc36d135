"""The transport of the hot path: HTTP/1.1 on connections of its own, one set of them for each source.

A library's client costs about three times as much for each exchange (docs/performance.md).
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

import aiohappyeyeballs

from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.http1_body import BodyInvalid, BodyTooLarge, unpacked
from resolvers.upstreams.http1_connection import Connection, ExchangeFailed, Failure, Received
from resolvers.upstreams.http1_request import Origin, message, split_address
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

_IDLE_S: Final = 15.0
_NEXT_ADDRESS_S: Final = 0.25
_OWN_THREAD_FROM: Final = 65_536


class _Pool:
    """The idle connections to one origin, the one used last on top."""

    __slots__ = ("idle", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.idle: deque[Connection] = deque()

    def taken(self) -> Connection | None:
        """A connection that can be used, if there is one."""
        oldest = time.monotonic() - _IDLE_S
        while self.idle:
            connection = self.idle.pop()
            if connection.is_reusable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def swept(self) -> Iterator[Connection]:
        """Takes out the connections that were idle too long."""
        oldest = time.monotonic() - _IDLE_S
        while self.idle and self.idle[0].idle_since <= oldest:
            yield self.idle.popleft()


class Http1Transport:
    """Idle connections are kept for 15 s; answers have up to `max_response_bytes`, packed and unpacked."""

    def __init__(self, source: str, max_response_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_response_bytes
        self._pools: dict[str, _Pool] = {}
        self._busy: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        self._loop = None
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in tuple(self._busy):
            connection.abort()
        for pool in self._pools.values():
            while pool.idle:
                pool.idle.pop().close()
        await asyncio.sleep(0)  # the loop ends the connections in its next round

    async def send(self, request: Request, deadline: float) -> Response:
        loop = self._loop
        assert loop is not None, "start() comes before send()"
        seconds_left(self._source, deadline)
        pool, target = self._place(request.url)
        question = message(request, pool.origin, target)
        connection = pool.taken()
        is_kept = connection is not None
        while True:
            if connection is None:
                connection = await self._opened(loop, pool.origin, deadline)
            try:
                received = await self._asked(loop, connection, question, deadline)
                break
            except ExchangeFailed as problem:
                # The source may end a kept connection in the very moment in which it is used.
                is_stale = is_kept and problem.failure is Failure.LOST and self._loop is not None
                if not (is_stale and request.method == "GET"):
                    raise self._meaning(problem) from problem
                connection, is_kept = None, False
        self._keep(pool, connection)
        return Response(received.status, received.headers, await self._body(received))

    def _place(self, url: str) -> tuple[_Pool, str]:
        end = url.find("/", len("https://"))
        if end > 0 and (known := self._pools.get(url[:end])) is not None:
            return known, url[end:]
        try:
            name, origin, target = split_address(url)
        except ValueError as problem:
            raise unreachable(self._source, problem) from problem
        return self._pools.setdefault(name, _Pool(origin)), target

    async def _asked(
        self, loop: asyncio.AbstractEventLoop, connection: Connection, question: bytes, deadline: float
    ) -> Received:
        timer = loop.call_later(deadline - time.monotonic(), connection.expire)
        self._busy.add(connection)
        try:
            return await connection.ask(question)
        except BaseException:
            connection.abort()
            raise
        finally:
            self._busy.discard(connection)
            timer.cancel()

    def _keep(self, pool: _Pool, connection: Connection) -> None:
        if not connection.is_reusable or self._loop is None:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        pool.idle.append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_IDLE_S, self._sweep)

    def _sweep(self) -> None:
        """Ends connections that nobody used for long; comes again while there are others."""
        for pool in self._pools.values():
            for connection in pool.swept():
                connection.close()
        self._sweeping = None
        if self._loop is not None and any(pool.idle for pool in self._pools.values()):
            self._sweeping = self._loop.call_later(_IDLE_S, self._sweep)

    async def _body(self, received: Received) -> bytes:
        body, coding = received.body, received.coding
        if not coding:
            return body
        try:
            if len(body) < _OWN_THREAD_FROM:
                return unpacked(body, coding, self._max_bytes)
            return await asyncio.to_thread(unpacked, body, coding, self._max_bytes)
        except BodyTooLarge as problem:
            raise too_large(self._source, self._max_bytes) from problem
        except BodyInvalid as problem:
            raise cut_short(self._source, problem) from problem

    async def _opened(self, loop: asyncio.AbstractEventLoop, origin: Origin, deadline: float) -> Connection:
        try:
            async with asyncio.timeout(seconds_left(self._source, deadline)):
                return await self._connected(loop, origin)
        except TimeoutError as problem:
            raise timed_out(self._source) from problem
        except (ConnectionResetError, BrokenPipeError) as problem:
            raise lost(self._source, problem) from problem
        except (OSError, UnicodeError) as problem:
            raise unreachable(self._source, problem) from problem

    async def _connected(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> Connection:
        """To the first address of the host that takes the connection (RFC 8305)."""
        addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        link = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
        )
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._max_bytes),
                sock=link,
                ssl=self._context() if origin.is_secure else None,
                server_hostname=origin.host if origin.is_secure else None,
            )
        except BaseException:
            link.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _meaning(self, problem: ExchangeFailed) -> UpstreamError:
        match problem.failure:
            case Failure.LOST:
                return lost(self._source, problem)
            case Failure.TOO_LARGE:
                return too_large(self._source, self._max_bytes)
            case Failure.TIMED_OUT:
                return timed_out(self._source)
            case Failure.CUT_SHORT:
                return cut_short(self._source, problem)
