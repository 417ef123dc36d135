"""The hot-path transport on real connections: limits, deadlines, and what goes wrong."""

import asyncio
import contextlib
import gzip
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.transport import ConnectionLost, Request, Response, Transport
from resolvers.upstreams.transport_aiohttp import AiohttpTransport
from resolvers.upstreams.transport_httpx import HttpxTransport
from tests.resolvers.upstreams.loopback import Behave, Conversation, Loopback, loopback, reset

LIMIT = 100_000
KINDS = ("aiohttp", "httpx")


def deadline(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def transport_of(kind: str) -> Transport:
    if kind == "aiohttp":
        return AiohttpTransport("ehr", LIMIT, max_concurrency=4)
    return HttpxTransport("ehr", LIMIT, httpx.AsyncHTTPTransport())


@asynccontextmanager
async def talking(kind: str, behave: Behave) -> AsyncIterator[tuple[Transport, Loopback]]:
    async with loopback(behave) as server:
        transport = transport_of(kind)
        await transport.start()
        try:
            yield transport, server
        finally:
            await transport.close()


async def answer_of(kind: str, behave: Behave, seconds: float = 5.0, path: str = "/x") -> Response:
    async with talking(kind, behave) as (transport, server):
        return await transport.send(Request("GET", server.url + path, {"Accept": "a/b"}), deadline(seconds))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_comes_whole(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b'{"a":1}', headers="Content-Type: application/json\r\nX-Two: 2\r\n")

    answer = await answer_of(kind, behave)
    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert answer.headers["x-two"] == answer.headers["X-Two"] == "2"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_address_is_sent_as_it_was_written(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(said.head.split(" ")[1].encode())

    path = "/fhir/Observation?code=http://loinc.org%7C1,2&a=%26&b=%20"
    assert (await answer_of(kind, behave, path=path)).body.decode() == path


@pytest.mark.parametrize("kind", KINDS)
async def test_compressed_answers_are_unpacked(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        assert "gzip" in (said.header("accept-encoding") or "")
        await said.answer(gzip.compress(b"x" * 50_000), headers="Content-Encoding: gzip\r\n")

    assert (await answer_of(kind, behave)).body == b"x" * 50_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(kind: str, status: int) -> None:
    async with loopback(lambda said: said.answer(b"")) as other:

        async def behave(said: Conversation) -> None:
            await said.answer(b"", f"{status} Moved", f"Location: {other.url}/\r\n")

        assert (await answer_of(kind, behave)).status == status
    assert other.heads == []


@pytest.mark.parametrize("kind", KINDS)
async def test_cookies_are_not_kept(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer((said.header("cookie") or "none").encode(), headers="Set-Cookie: a=1; Path=/\r\n")

    async with talking(kind, behave) as (transport, server):
        for _ in range(2):
            answer = await transport.send(Request("GET", server.url, {}), deadline())
            assert answer.body == b"none"


async def test_one_connection_serves_many_calls() -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b"ok")

    async with talking("aiohttp", behave) as (transport, server):
        for _ in range(5):
            await transport.send(Request("GET", server.url, {}), deadline())
        assert (len(server.heads), server.connections) == (5, 1)


# ------------------------------------------------------------ too much


async def pour(said: Conversation) -> None:
    """200 MB, unless somebody stops it."""
    sent = 0
    while sent < 200_000_000:
        await said.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        sent += 65_536
    await said.send(b"0\r\n\r\n")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_endless_body_is_stopped_at_the_limit(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await pour(said)

    async with talking(kind, behave) as (transport, server):
        with pytest.raises(UpstreamInvalidResponse) as caught:
            await transport.send(Request("GET", server.url, {}), deadline(30))
        await asyncio.wait_for(server.broken.wait(), 10)
    assert caught.value.message == "ehr gave an answer that is too large."


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async def behave(said: Conversation) -> None:
        await said.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n")
        await asyncio.sleep(30)

    with pytest.raises(UpstreamInvalidResponse):
        await answer_of("aiohttp", behave)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_small_parcel_of_a_large_body_is_too_large(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(gzip.compress(b"x" * 20_000_000), headers="Content-Encoding: gzip\r\n")

    with pytest.raises(UpstreamInvalidResponse):
        await answer_of(kind, behave)


# ------------------------------------------------------------ too late


@pytest.mark.parametrize("kind", KINDS)
async def test_silence_ends_at_the_deadline(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await asyncio.sleep(30)

    with pytest.raises(UpstreamTimeout):
        await answer_of(kind, behave, 0.1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_trickle_ends_at_the_deadline_too(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await said.send(b"x")
            await asyncio.sleep(0.02)

    with pytest.raises(UpstreamTimeout):
        await answer_of(kind, behave, 0.2)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_host_that_takes_no_connection_ends_at_the_deadline(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as others:
        for _ in range(3):  # fill the queue of connections that nobody accepts
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(deaf.getsockname())
        transport = transport_of(kind)
        await transport.start()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(UpstreamTimeout):
            await transport.send(Request("GET", url, {}), deadline(0.2))
        await transport.close()


async def test_a_host_that_does_not_finish_the_handshake_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        transport = transport_of("aiohttp")
        await transport.start()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UpstreamTimeout):
            await transport.send(Request("GET", url, {}), deadline(0.2))
        await transport.close()


async def test_no_header_can_smuggle_another() -> None:
    async with talking("aiohttp", lambda said: said.answer(b"")) as (transport, server):
        for name, value in (("X-A", "1\r\nX-B: 2"), ("X-A\r\nX-B", "2"), ("X-A", "1\n"), ("X-A", "\0")):
            with pytest.raises((ValueError, UpstreamError)):
                await transport.send(Request("GET", server.url, {name: value}), deadline())
        assert server.heads == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deadline_that_has_passed_asks_nobody(kind: str) -> None:
    async with talking(kind, lambda said: said.answer(b"")) as (transport, server):
        with pytest.raises(UpstreamTimeout):
            await transport.send(Request("GET", server.url, {}), deadline(-1))
        assert server.heads == []


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelling_hangs_up(kind: str) -> None:
    arrived = asyncio.Event()
    gone = asyncio.Event()

    async def behave(said: Conversation) -> None:
        arrived.set()
        while not said.writer.is_closing():
            await said.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.01)
        gone.set()

    async with talking(kind, behave) as (transport, server):
        task = asyncio.create_task(transport.send(Request("GET", server.url, {}), deadline(30)))
        await asyncio.wait_for(arrived.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(
            asyncio.wait(
                {asyncio.create_task(gone.wait()), asyncio.create_task(server.broken.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            ),
            10,
        )


# ------------------------------------------------------------ broken


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_at_the_address(kind: str) -> None:
    async with loopback(reset) as server:
        url = server.url
    transport = transport_of(kind)
    await transport.start()
    with pytest.raises(UpstreamUnavailable) as caught:
        await transport.send(Request("GET", url, {}), deadline())
    assert not isinstance(caught.value, ConnectionLost)
    await transport.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_breaks_before_the_answer_is_told_apart(kind: str) -> None:
    with pytest.raises(ConnectionLost):
        await answer_of(kind, reset)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_ends_before_its_end_is_an_error(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        said.writer.close()

    with pytest.raises(UpstreamError):
        await answer_of(kind, behave)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["nonsense\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_http_is_an_error(kind: str, text: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.send(text)
        said.writer.close()

    with pytest.raises(UpstreamError):
        await answer_of(kind, behave)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_parcel_that_cannot_be_unpacked_is_an_error(kind: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b"not gzip at all", headers="Content-Encoding: gzip\r\n")

    with pytest.raises(UpstreamInvalidResponse):
        await answer_of(kind, behave)
