"""Which bytes of a source are an answer, and which are none (RFC 9112), over both transports."""

import time

import httpx
import pytest

from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.transport import Request, Response, Transport
from resolvers.upstreams.transport_aiohttp import AiohttpTransport
from resolvers.upstreams.transport_httpx import HttpxTransport
from tests.resolvers.upstreams.loopback import Conversation, loopback

LIMIT = 1_000
KINDS = ("aiohttp", "httpx")
PLAIN = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n"
EARLY = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


def transport_of(kind: str) -> Transport:
    if kind == "aiohttp":
        return AiohttpTransport("ehr", LIMIT, max_concurrency=4)
    return HttpxTransport("ehr", LIMIT, httpx.AsyncHTTPTransport())


async def answer_to(kind: str, text: str, path: str = "/x", cut: int | None = None) -> tuple[Response, str]:
    """The answer to one question, and the first line of that; `text` may come in two pieces."""

    async def behave(said: Conversation) -> None:
        await said.send(text[:cut])
        await said.send(text[cut:] if cut is not None else "")
        if not text.endswith("\r\n\r\n"):
            said.writer.close()

    async with loopback(behave) as server:
        transport = transport_of(kind)
        await transport.start()
        try:
            answer = await transport.send(Request("GET", server.url + path, {}), time.monotonic() + 5)
            return answer, server.heads[0].split("\r\n")[0]
        finally:
            await transport.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        CHUNKED + "\r\n",
        CHUNKED + "X-Late: 1\r\n\r\n",
        EARLY + PLAIN,
        "HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
        PLAIN.replace("1.1", "1.0"),
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("cut", [None, 1, 30])
async def test_an_answer_may_have_any_shape_that_http_allows(kind: str, text: str, cut: int | None) -> None:
    answer, _ = await answer_to(kind, text, cut=cut)
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [PLAIN[:-1], CHUNKED[:-7], PLAIN[:20], "H"])
async def test_an_end_before_the_end_is_no_answer(kind: str, text: str) -> None:
    with pytest.raises(UpstreamError):
        await answer_to(kind, text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\n" + f"X-A: {'a' * 995}\r\n" * 400 + "\r\nx",
    ],
)
async def test_what_is_not_http_is_no_answer(kind: str, text: str) -> None:
    with pytest.raises(UpstreamError):
        await answer_to(kind, text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
async def test_a_body_is_as_long_as_the_limit_at_most(kind: str, size: int) -> None:
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n" + "x" * size
    if size == LIMIT:
        assert len((await answer_to(kind, text))[0].body) == LIMIT
    else:
        with pytest.raises(UpstreamInvalidResponse):
            await answer_to(kind, text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path", ["/a b", "/a?b=c d", "/ä", "/a\r\nX-A: 1", "/a HTTP/1.1\r\nX-A: 1\r\n\r\n", "/a\tb", "/a#b"]
)
async def test_no_address_becomes_more_than_a_target(kind: str, path: str) -> None:
    try:
        _, line = await answer_to(kind, PLAIN, path)
    except (UpstreamError, httpx.InvalidURL):
        return
    assert line.startswith("GET /")
    assert line.endswith(" HTTP/1.1")
    assert line.count(" ") == 2
    assert line.isascii()
    assert line.isprintable()
    assert "#" not in line
