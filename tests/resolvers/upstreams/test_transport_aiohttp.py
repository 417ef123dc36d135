"""What the hot-path transport does with its connections: keeps, renews, ends and encrypts them."""

import asyncio
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from resolvers.upstreams.errors import UpstreamTimeout, UpstreamUnavailable
from resolvers.upstreams.transport import ConnectionLost, Request
from resolvers.upstreams.transport_aiohttp import AiohttpTransport
from tests.resolvers.upstreams.certificate import certificate_for
from tests.resolvers.upstreams.loopback import Behave, Conversation, Loopback, loopback, reset

LIMIT = 100_000


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@asynccontextmanager
async def talking(behave: Behave) -> AsyncIterator[tuple[AiohttpTransport, Loopback]]:
    async with loopback(behave) as server:
        transport = AiohttpTransport("ehr", LIMIT, max_concurrency=8)
        await transport.start()
        try:
            yield transport, server
        finally:
            await transport.close()


async def fine(said: Conversation) -> None:
    await said.answer(b"ok")


async def told(transport: AiohttpTransport, server: Loopback, method: str = "GET") -> bytes:
    body = b"q" if method in ("POST", "PUT") else None
    return (await transport.send(Request(method, f"{server.url}/x", {}, body), soon())).body


async def test_calls_at_once_have_connections_of_their_own_and_leave_them_to_others() -> None:
    async with talking(fine) as (transport, server):
        await asyncio.gather(*(told(transport, server) for _ in range(5)))
        assert server.connections == 5
        await asyncio.gather(*(told(transport, server) for _ in range(5)))
        assert (server.connections, len(server.heads)) == (5, 10)


async def test_a_connection_that_the_source_closes_after_an_answer_is_not_used_again() -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b"ok", headers="Connection: close\r\n")
        said.writer.close()

    async with talking(behave) as (transport, server):
        for _ in range(3):
            assert await told(transport, server) == b"ok"
        assert server.connections == 3


async def one_answer_each(said: Conversation) -> None:
    """Ends the connection when a second question comes, without a word."""
    if said.server.conversations[0] is said or said.server.connections > 1:
        await said.answer(b"ok")
    else:
        await reset(said)


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("PUT", b"q")])
async def test_a_kept_connection_that_breaks_is_replaced_for_what_may_be_repeated(
    method: str, body: bytes
) -> None:
    async with talking(one_answer_each) as (transport, server):
        assert await told(transport, server, method) == b"ok"
        assert await told(transport, server, method) == b"ok"
        assert (server.connections, len(server.heads)) == (2, 3)
        assert [one.body for one in server.conversations] == [body] * 3


async def test_what_breaks_twice_is_not_asked_a_third_time() -> None:
    async with talking(reset) as (transport, server):
        with pytest.raises(ConnectionLost):
            await told(transport, server)
        assert (server.connections, len(server.heads)) == (2, 2)


async def test_what_may_have_been_acted_on_is_not_sent_again_by_itself() -> None:
    async with talking(one_answer_each) as (transport, server):
        assert await told(transport, server, "POST") == b"ok"
        with pytest.raises(ConnectionLost):
            await told(transport, server, "POST")
        assert len(server.heads) == 2


UNASKED = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"


@pytest.mark.parametrize("extra", [UNASKED, UNASKED[:-2], UNASKED[:12], "garbage"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_that_nobody_asked_for_is_no_answer_to_the_next(method: str, extra: str) -> None:
    async def behave(said: Conversation) -> None:
        await said.answer(b"ok")
        if len(said.server.heads) == 1:
            await asyncio.sleep(0.02)
            await said.send(extra)

    async with talking(behave) as (transport, server):
        assert await told(transport, server) == b"ok"
        await asyncio.sleep(0.1)
        try:
            assert await told(transport, server, method) == b"ok"
        except ConnectionLost:
            assert method == "POST"  # which only the caller knows to be repeatable
            assert await told(transport, server, method) == b"ok"


async def test_a_call_that_was_given_up_leaves_no_answer_to_the_next() -> None:
    async def behave(said: Conversation) -> None:
        if "/slow" in said.head:
            await asyncio.sleep(0.1)
        await said.answer(said.head.split(" ")[1].encode())

    async with talking(behave) as (transport, server):
        with pytest.raises(UpstreamTimeout):
            await transport.send(Request("GET", f"{server.url}/slow", {}), soon(0.05))
        await asyncio.sleep(0.1)
        assert await told(transport, server) == b"/x"
        assert server.connections == 2


async def test_closing_ends_what_is_under_way() -> None:
    arrived = asyncio.Event()

    async def behave(said: Conversation) -> None:
        arrived.set()
        await asyncio.sleep(30)

    async with loopback(behave) as server:
        transport = AiohttpTransport("ehr", LIMIT, max_concurrency=8)
        await transport.start()
        asking = asyncio.create_task(told(transport, server))
        await asyncio.wait_for(arrived.wait(), 5)
        await transport.close()
        with pytest.raises(UpstreamUnavailable):
            await asking
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "http:///x", "http://127.0.0.1:x/", "/x"])
async def test_what_is_no_address_of_a_server_is_not_reached(address: str) -> None:
    async with talking(fine) as (transport, _):
        with pytest.raises(UpstreamUnavailable):
            await transport.send(Request("GET", address, {}), soon())


async def test_a_host_without_an_address_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with talking(fine) as (transport, _):
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(Request("GET", "http://ehr.test/", {}), soon())
        assert not isinstance(caught.value, ConnectionLost)


async def test_a_dead_address_of_a_host_does_not_hide_the_living_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talking(fine) as (transport, server):
        port = int(server.url.rpartition(":")[2])

        async def both(*_: object, **__: object) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        answer = await transport.send(Request("GET", f"http://ehr.test:{port}/", {}), soon())
        assert answer.body == b"ok"


# ------------------------------------------------------------ TLS

ASK = """
import asyncio, sys, time
from resolvers.upstreams.errors import UpstreamUnavailable
from resolvers.upstreams.transport import Request
from resolvers.upstreams.transport_aiohttp import AiohttpTransport

async def ask(url):
    transport = AiohttpTransport("ehr", 1000, 8)
    await transport.start()
    try:
        return (await transport.send(Request("GET", url, {}), time.monotonic() + 10)).body.decode()
    except UpstreamUnavailable:
        return "refused"
    finally:
        await transport.close()

for url in sys.argv[1:]:
    print(asyncio.run(ask(url)))
"""


async def test_only_a_host_with_a_trusted_certificate_is_talked_to(tmp_path: Path) -> None:
    """In a process of its own: which authorities are trusted is read once."""
    public, private = certificate_for("127.0.0.1", tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def asked(urls: list[str], **trusting: str) -> list[str]:
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASK, *urls, env=os.environ | trusting, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asking.communicate()
        return said.decode().split()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        urls = [url, url.replace("127.0.0.1", "localhost")]  # the certificate is not for that name
        assert await asked(urls, SSL_CERT_FILE=str(public)) == ["answer", "refused"]
        assert await asked(urls[:1]) == ["refused"]


# ------------------------------------------------------------ the loop of production


def test_it_works_the_same_on_the_loop_of_production() -> None:
    async def behave(said: Conversation) -> None:
        if "/slow" in said.head:
            await asyncio.sleep(30)
        elif "/gone" in said.head:
            await reset(said)
        else:
            await said.answer(b"x" * 90_000)

    async def scene() -> None:
        async with talking(behave) as (transport, server):
            for _ in range(3):
                assert await told(transport, server) == b"x" * 90_000
            assert server.connections == 1
            with pytest.raises(UpstreamTimeout):
                await transport.send(Request("GET", f"{server.url}/slow", {}), soon(0.1))
            with pytest.raises(ConnectionLost):
                await transport.send(Request("GET", f"{server.url}/gone", {}), soon())
            task = asyncio.create_task(transport.send(Request("GET", f"{server.url}/slow", {}), soon()))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await told(transport, server) == b"x" * 90_000

    uvloop.run(scene())
