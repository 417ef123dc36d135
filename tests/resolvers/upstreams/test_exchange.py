"""What holds for every call: origin, identity, one retry, one renewal, concurrency, spans."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, Tracer

from resolvers.upstreams.call_rate import CallRateSettings, MemoryCallRate
from resolvers.upstreams.credential import Credential, NoCredential
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamThrottled,
    UpstreamTimeout,
)
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport import ConnectionLost, Request, Response
from resolvers.upstreams.upstream import Call
from tests.resolvers.upstreams.sources import call

ORIGIN = "http://ehr.test"
URL = f"{ORIGIN}/fhir/Patient/1"


class Line:
    """A transport that answers with the given statuses in turn; an exception is raised instead."""

    def __init__(self, *answers: int | Exception, headers: Mapping[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []
        self.headers = headers or {}
        self.open = 0
        self.most_open = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, deadline: float) -> Response:
        self.sent.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return Response(answer, self.headers, b"")


def exchange(
    line: Line, credential: Credential | None = None, tracer: Tracer | None = None, **settings: Any
) -> Exchange:
    table = UpstreamSettings(name="ehr", kind="fhir", base_url=f"{ORIGIN}/fhir", **settings)
    return Exchange(table, line, credential or NoCredential(), tracer or NoOpTracer(), frozenset((ORIGIN,)))


def question(**more: Any) -> Question:
    return Question("read", more.pop("url", URL), {"Accept": "x"}, **more)


LOST = ConnectionLost("ehr", "ehr closed the connection.")


@pytest.mark.parametrize("first", [LOST, 502, 503, 504])
async def test_what_may_pass_is_tried_once_more_under_the_same_request_id(first: int | Exception) -> None:
    line = Line(first, 200)
    assert (await exchange(line).send(question(), call())).status == 200
    assert len({request.headers["X-Request-ID"] for request in line.sent}) == 1
    assert len(line.sent) == 2


async def test_it_is_tried_once_more_only() -> None:
    line = Line(503, 503, 200)
    assert (await exchange(line).send(question(), call())).status == 503
    line = Line(LOST, LOST, 200)
    with pytest.raises(ConnectionLost):
        await exchange(line).send(question(), call())
    assert len(line.sent) == 2


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
async def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    line = Line(status, 200)
    assert (await exchange(line).send(question(), call())).status == status


async def test_a_source_that_says_when_is_not_asked_before() -> None:
    line = Line(503, 200, headers={"Retry-After": "5"})
    assert (await exchange(line).send(question(), call())).status == 503


async def test_what_must_not_happen_twice_is_not_sent_twice() -> None:
    line = Line(LOST, 200)
    with pytest.raises(ConnectionLost):
        await exchange(line).send(question(method="POST", is_repeatable=False), call())
    assert len(line.sent) == 1


async def test_no_second_try_without_time_for_it() -> None:
    line = Line(503, 200)
    assert (await exchange(line).send(question(), call(0.01))).status == 503


# ------------------------------------------------------------ origin


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.test/fhir",
        "http://ehr.test.evil.test/fhir",
        "http://ehr.test@evil.test/fhir",
        "http://ehr.test:81/fhir",
        "https://ehr.test/fhir",
        "HTTP://ehr.test/fhir",
        "/fhir",
    ],
)
async def test_nothing_goes_to_another_origin(url: str) -> None:
    line = Line()
    with pytest.raises(UpstreamInvalidResponse):
        await exchange(line).send(question(url=url), call())
    assert line.sent == []


@pytest.mark.parametrize("url", [ORIGIN, f"{ORIGIN}/", f"{ORIGIN}?x=1", f"{ORIGIN}/fhir"])
async def test_everything_of_the_origin_can_be_asked(url: str) -> None:
    assert (await exchange(Line()).send(question(url=url), call())).status == 200


# ------------------------------------------------------------ identity


async def test_a_call_carries_the_requests_id() -> None:
    line, asking = Line(), call()
    await exchange(line).send(question(), asking)
    sent = line.sent[0].headers
    assert (sent["X-Request-ID"], sent["X-Correlation-ID"]) == (asking.request_id, asking.request_id)
    assert sent["Accept"] == "x"


async def test_a_call_may_have_an_id_of_its_own() -> None:
    line, asking = Line(503, 200, 200), call()
    one = exchange(line, request_ids="call")
    await one.send(question(), asking)
    await one.send(question(), asking)
    ids = [request.headers["X-Request-ID"] for request in line.sent]
    assert ids[0] == ids[1] != ids[2]
    assert all(uuid.UUID(text).version == 4 for text in ids)
    assert {request.headers["X-Correlation-ID"] for request in line.sent} == {asking.request_id}


# ------------------------------------------------------------ credential


class Tokens(NoCredential):
    """Gives T1, and T2 after a rejection where `renews`."""

    def __init__(self, renews: bool) -> None:
        self.renews = renews
        self.number = 1
        self.subjects: list[str | None] = []

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        self.subjects.append(subject)
        return {"Authorization": f"Bearer T{self.number}"}

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        self.number += self.renews
        return self.renews


async def test_a_refused_token_is_replaced_once() -> None:
    line, tokens = Line(401, 200), Tokens(renews=True)
    assert (await exchange(line, tokens).send(question(subject="u"), call())).status == 200
    assert [request.headers["Authorization"] for request in line.sent] == ["Bearer T1", "Bearer T2"]
    assert tokens.subjects == ["u", "u"]
    line = Line(401, 401, 200)
    assert (await exchange(line, Tokens(renews=True)).send(question(), call())).status == 401
    assert len(line.sent) == 2


async def test_a_refusal_stands_where_there_is_no_other_token() -> None:
    line = Line(401, 200)
    assert (await exchange(line, Tokens(renews=False)).send(question(), call())).status == 401
    assert len(line.sent) == 1


# ------------------------------------------------------------ concurrency


async def test_no_more_calls_at_once_than_the_source_bears() -> None:
    line = Line()
    one = exchange(line, max_concurrency=3)
    await asyncio.gather(*(one.send(question(), call()) for _ in range(20)))
    assert (len(line.sent), line.most_open) == (20, 3)


async def test_waiting_for_a_place_ends_at_the_deadline() -> None:
    line = Line()
    one = exchange(line, max_concurrency=1)
    await one._places.wait()
    with pytest.raises(UpstreamTimeout):
        await one.send(question(), call(0.05))
    one._places.release()
    assert (await one.send(question(), call())).status == 200


def paced(line: Line, credential: Credential | None = None, **rate: Any) -> Exchange:
    settings = CallRateSettings(**rate)
    table = UpstreamSettings(name="ehr", kind="fhir", base_url=f"{ORIGIN}/fhir", max_concurrency=2)
    origins = frozenset((ORIGIN,))
    return Exchange(
        table, line, credential or NoCredential(), NoOpTracer(), origins, MemoryCallRate(settings)
    )


async def test_calls_wait_for_the_sources_rate_within_the_deadline() -> None:
    line = Line()
    one = paced(line, calls=20, period_s=1, burst=2)
    sending = [asyncio.create_task(one.send(question(), call(5))) for _ in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(line.sent) == 2
    await asyncio.gather(*sending)
    assert len(line.sent) == 6


async def test_a_call_that_would_wait_too_long_is_throttled_at_once_and_never_sent() -> None:
    line = Line()
    one = paced(line, calls=2, period_s=60, burst=1)
    await one.send(question(), call(5))
    with pytest.raises(UpstreamThrottled) as refused:
        await one.send(question(), call(5))
    assert refused.value.source == "ehr"
    assert refused.value.retry_after_s == pytest.approx(30, abs=1)
    with pytest.raises(UpstreamThrottled):
        await one.send(question(), call(5))  # the place was given back, the turn was not taken
    assert len(line.sent) == 1


async def test_a_call_behind_others_that_wait_for_their_turns_is_throttled_not_late() -> None:
    line = Line()
    one = paced(line, calls=1, period_s=0.5, burst=1)
    waiting = [asyncio.create_task(one.send(question(), call(5))) for _ in range(3)]
    await asyncio.sleep(0.01)
    with pytest.raises(UpstreamThrottled):
        await one.send(question(), call(0.15))
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 3


async def test_a_second_try_is_a_call_too() -> None:
    line = Line(502)
    one = paced(line, calls=1, period_s=60)
    with pytest.raises(UpstreamThrottled):
        await one.send(question(), call(5))
    assert len(line.sent) == 1


async def test_a_cancelled_call_gives_its_place_back() -> None:
    line = Line()
    one = exchange(line, max_concurrency=1)
    task = asyncio.create_task(one.send(question(), call()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await one.send(question(), call())).status == 200


async def test_the_sources_own_time_limit_is_kept_within_the_requests() -> None:
    deadlines: list[float] = []

    class Slow(Line):
        async def send(self, request: Request, deadline: float) -> Response:
            deadlines.append(deadline - time.monotonic())
            return Response(200, {}, b"")

    one = exchange(Slow(), timeout_s=2.0)
    await one.send(question(), call(60))
    await one.send(question(), call(1))
    assert 1.5 < deadlines[0] <= 2.0
    assert deadlines[1] <= 1.0


# ------------------------------------------------------------ spans


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[Tracer, Callable[[], tuple[ReadableSpan, ...]]]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("test"), exporter.get_finished_spans
    provider.shutdown()


async def test_a_span_tells_the_call_and_nothing_of_the_patient() -> None:
    async with recording() as (tracer, finished):
        await exchange(Line(503, 200), tracer=tracer).send(question(subject="user-9"), call())
        (span,) = finished()
    assert span.name == "upstream ehr read"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "clinical_gateway.source": "ehr",
        "clinical_gateway.operation": "read",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
    }


async def test_a_failed_call_is_a_failed_span_without_the_details() -> None:
    problem = UpstreamTimeout("ehr", "m", detail=URL)
    async with recording() as (tracer, finished):
        with pytest.raises(UpstreamError):
            await exchange(Line(problem), tracer=tracer).send(question(), call())
        (span,) = finished()
    assert (span.attributes or {})["error.type"] == "UPSTREAM_TIMEOUT"
    assert span.events == ()
    assert URL not in span.to_json()
