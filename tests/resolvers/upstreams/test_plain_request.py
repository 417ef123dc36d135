"""The hot path's own requests say on the wire what aiohttp's session would, and go out without a task."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from multidict import istr
from yarl import URL

from resolvers.upstreams.transport import Request
from resolvers.upstreams.transport_aiohttp import AiohttpTransport
from tests.resolvers.upstreams.loopback import Conversation, loopback

NAMES = ["Accept", istr("Content-Type"), "content-type", "User-Agent", "X-Request-ID", "Prefer"]
NAMES += ["Authorization", "Host", "Accept-Encoding"]


async def fine(said: Conversation) -> None:
    await said.answer(b"ok", headers="Set-Cookie: a=b\r\n")


async def said_by_ours(*requests: Request) -> None:
    transport = AiohttpTransport("ehr", 1000, max_concurrency=8)
    await transport.start()
    for request in requests:
        assert (await transport.send(request, time.monotonic() + 10)).body == b"ok"
    await transport.close()


async def said_by_aiohttp(request: Request) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        url = URL(request.url, encoded=True)
        answer = await session.request(request.method, url, headers=request.headers, data=request.body)
        assert await answer.read() == b"ok"


def shown(said: Conversation) -> tuple[str, list[str], bytes]:
    line, *headers = said.head.removesuffix("\r\n\r\n").split("\r\n")
    return line, sorted(one.lower() for one in headers), said.body


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.dictionaries(st.sampled_from(NAMES), st.text("abc/+ ;=", min_size=1).map(str.strip)),
    st.none() | st.binary(max_size=20),
    st.sampled_from([1, 1, 40_000]),
)
def test_the_same_is_sent_as_by_aiohttp_itself(
    method: str, headers: dict[str, str], body: bytes | None, times: int
) -> None:
    async def run() -> None:
        async with loopback(fine) as server:
            said = body * times if body is not None and method in ("POST", "PUT") else None
            request = Request(method, f"{server.url}/Patient?a=%7Cb&_count=1", headers, said)
            await said_by_ours(request)
            await said_by_aiohttp(request)
            ours, theirs = server.conversations
            assert shown(ours) == shown(theirs)

    uvloop.run(run())


async def test_the_name_of_the_host_comes_first_and_one_connection_serves() -> None:
    async with loopback(fine) as server:
        asked = [Request(method, server.url, {"X-A": "b"}, b"x" * 70_000) for method in ("POST", "PUT") * 2]
        await said_by_ours(*asked)
        assert [head.split("\r\n")[1] for head in server.heads] == [f"Host: {server.url[7:]}"] * 4
        assert server.connections == 1


async def test_a_body_makes_no_task() -> None:
    made = 0

    def making(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal made
        made += 1
        return asyncio.Task(work, loop=loop, **options)

    async with loopback(fine) as server:
        request = Request("POST", server.url, {}, b"x")
        asyncio.get_running_loop().set_task_factory(making)
        await said_by_ours(request)
        first = made
        await said_by_ours(request, request, request)
    assert first > 0, "the source's own"
    assert made == 2 * first


async def test_a_connection_that_still_has_to_send_is_not_used_for_the_next() -> None:
    """The source answers before it has read the whole question."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        opened.append(writer)

    opened: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1000) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await said_by_ours(Request("POST", url, {}, b"x" * 30_000_000), Request("GET", url, {}))
        assert len(opened) == 2
        for one in opened:
            one.transport.abort()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_user_of_an_address_is_shown(method: str) -> None:
    async with loopback(fine) as server:
        url = server.url.replace("http://", "http://user:secret@")
        await said_by_ours(Request(method, url, {}))
        assert "authorization" not in server.heads[0].lower()
