"""An answer that is taken piece by piece is held to what holds for every exchange with a source."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.trace import NoOpTracer

from resolvers.upstreams.credential import Credential, NoCredential
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.exchange import STREAMS_PART, Exchange, Question
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.stream import Stream
from resolvers.upstreams.transport import Arriving, ConnectionLost, Request, Response
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Call
from tests.resolvers.upstreams.sources import call

ORIGIN = "http://ehr.test"
URL = f"{ORIGIN}/fhir/Binary/1"
LOST = ConnectionLost("ehr", "ehr closed the connection.")


class Coming:
    def __init__(self, status: int, pieces: list[bytes]) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {}
        self.closed = 0
        self._pieces = pieces

    async def read(self, deadline: float) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def close(self) -> None:
        self.closed += 1


class Line:
    """Opens an answer for each status in turn, or raises."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []
        self.opened: list[Coming] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, request: Request, deadline: float) -> Response:
        self.sent.append(request)
        return Response(200, {}, b"")

    async def open(self, request: Request, deadline: float) -> Arriving:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        self.opened.append(Coming(answer, [b"a", b"b"]))
        return self.opened[-1]


class Renewing(NoCredential):
    """Shows T1, then T2, ...; cannot be renewed more than `times`."""

    def __init__(self, times: int = 1) -> None:
        self.number = 1
        self.times = times

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        return {"Authorization": f"Bearer T{self.number}"}

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        self.number += 1
        return self.number <= self.times + 1


def exchange(line: Any, credential: Credential | None = None, **settings: Any) -> Exchange:
    table = UpstreamSettings(name="ehr", kind="fhir", base_url=f"{ORIGIN}/fhir", **settings)
    return Exchange(table, line, credential or NoCredential(), NoOpTracer(), frozenset((ORIGIN,)))


def question(url: str = URL) -> Question:
    return Question("binary", url, {"Accept": "x"})


async def whole(stream: Stream) -> bytes:
    async with stream:
        pieces = []
        while piece := await stream.read():
            pieces.append(piece)
        return b"".join(pieces)


async def test_the_pieces_come_in_order_with_the_credential_and_the_request_id() -> None:
    line, asked = Line(), call()
    assert await whole(await exchange(line, Renewing()).open(question(), asked)) == b"ab"
    (request,) = line.sent
    assert request.headers["Authorization"] == "Bearer T1"
    assert request.headers["X-Request-ID"] == asked.request_id
    assert [one.closed for one in line.opened] == [1]


async def test_a_refused_credential_is_renewed_once() -> None:
    line = Line(401, 200)
    stream = await exchange(line, Renewing()).open(question(), call())
    assert stream.status == 200
    assert [one.headers["Authorization"] for one in line.sent] == ["Bearer T1", "Bearer T2"]
    assert [one.closed for one in line.opened] == [1, 0]
    line = Line(401, 401, 200)
    assert (await exchange(line, Renewing(5)).open(question(), call())).status == 401


async def test_a_lost_connection_is_made_once_again() -> None:
    line = Line(LOST, 200)
    assert (await exchange(line).open(question(), call())).status == 200
    line = Line(LOST, LOST, 200)
    with pytest.raises(ConnectionLost):
        await exchange(line).open(question(), call())


@pytest.mark.parametrize(
    "url", ["http://evil.test/fhir/Binary/1", "http://ehr.test@evil.test/", "http://ehr.test:81/"]
)
async def test_nothing_goes_to_another_origin(url: str) -> None:
    line = Line()
    with pytest.raises(UpstreamInvalidResponse):
        await exchange(line, Renewing()).open(question(url), call())
    assert line.sent == []


async def test_downloads_leave_places_for_questions() -> None:
    line = Line()
    asked = exchange(line, max_concurrency=8)
    held = [await asked.open(question(), call()) for _ in range(8 // STREAMS_PART)]
    with pytest.raises(UpstreamTimeout):
        await asked.open(question(), call(0.05))
    answers = await asyncio.gather(*(asked.send(question(), call()) for _ in range(20)))
    assert {one.status for one in answers} == {200}
    await held[0].close()
    await held[0].close()
    assert (await asked.open(question(), call())).status == 200
    with pytest.raises(UpstreamTimeout):
        await asked.open(question(), call(0.05))


@pytest.mark.parametrize("problem", [LOST, UpstreamUnavailable("ehr", "ehr could not be reached.")])
async def test_a_call_that_fails_gives_its_places_back(problem: UpstreamError) -> None:
    line = Line(*[problem] * 40)
    asked = exchange(line, max_concurrency=4)
    for _ in range(10):
        with pytest.raises(UpstreamUnavailable):
            await asked.open(question(), call())
    line.answers.clear()
    assert (await asked.open(question(), call())).status == 200


async def test_a_transport_that_takes_answers_whole_gives_none() -> None:
    class Whole:
        async def start(self) -> None: ...

        async def close(self) -> None: ...

        async def send(self, request: Request, deadline: float) -> Response:
            raise AssertionError

    with pytest.raises(UpstreamUnavailable):
        await exchange(Whole()).open(question(), call())


# ------------------------------------------------------------ httpx, for sources in the same process


def over_httpx(handler: Callable[[httpx.Request], httpx.Response]) -> HttpxTransport:
    return HttpxTransport("ehr", 10, httpx.MockTransport(handler))


class Breaking(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"a"
        raise httpx.ReadError("gone")


async def test_httpx_gives_an_answer_as_it_was_sent() -> None:
    body = httpx.ByteStream(b"x" * 100)
    line = over_httpx(lambda request: httpx.Response(200, stream=body, headers={"X-One": "1"}))
    stream = await exchange(line).open(question(), call())
    assert stream.headers["x-one"] == "1"
    assert await whole(stream) == b"x" * 100


async def test_httpx_follows_no_redirect() -> None:
    line = over_httpx(lambda request: httpx.Response(302, headers={"Location": "http://evil.test/"}))
    assert (await exchange(line).open(question(), call())).status == 302


async def test_httpx_tells_an_answer_that_breaks_off_from_one_that_ends() -> None:
    line = over_httpx(lambda request: httpx.Response(200, stream=Breaking()))
    stream = await exchange(line).open(question(), call())
    assert await stream.read() == b"a"
    with pytest.raises(UpstreamInvalidResponse):
        await stream.read()


async def test_a_piece_that_does_not_come_in_time_ends_the_answer() -> None:
    class Waiting(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"a"
            await asyncio.sleep(3600)

    line = over_httpx(lambda request: httpx.Response(200, stream=Waiting()))
    stream = await exchange(line, timeout_s=0.05).open(question(), call())
    assert await stream.read() == b"a"
    with pytest.raises(UpstreamTimeout):
        await stream.read()
