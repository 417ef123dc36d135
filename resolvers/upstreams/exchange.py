"""One HTTP exchange with a source: origin, credential, limits, one retry, span.

Everything an adapter sends goes through here, so what holds for every source is written once.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from permissions.principal import Principal
from resolvers.upstreams.credentials import Credential
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport import (
    ConnectionLost,
    Request,
    Response,
    Transport,
    seconds_left,
    timed_out,
)
from resolvers.upstreams.upstream import Call

_AGAIN = frozenset((502, 503, 504))
_PAUSE_S = 0.05
_UNAUTHORIZED = 401
_GATEWAY = Principal(issuer="", client="clinical-gateway", subject="", scopes=())


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask a source over HTTP.

    `operation` names it in traces (`read`, `search`); it never holds an id. `is_repeatable`: asking twice
    does no more than asking once, so a lost connection is worth a second try. `subject`: the source's user,
    for credentials that differ by user.
    """

    operation: str
    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes | None = None
    is_repeatable: bool = True
    subject: str | None = None


class Exchange:
    """The way to one source and its origins."""

    def __init__(
        self,
        settings: UpstreamSettings,
        transport: Transport,
        credential: Credential,
        tracer: Tracer,
        origins: frozenset[str],
    ) -> None:
        self.source = settings.name
        self.credential = credential
        self._transport = transport
        self._timeout_s = settings.timeout_s
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self._has_own_ids = settings.request_ids == "call"
        self._tracer = tracer
        self._prefixes = tuple(f"{origin}{mark}" for origin in origins for mark in "/?")
        self._origins = origins

    async def start(self) -> None:
        """Opens the connections."""
        await self._transport.start()

    async def close(self) -> None:
        """Ends them."""
        await self.credential.close()
        await self._transport.close()

    async def send(self, question: Question, call: Call) -> Response:
        """The answer, whatever its status. Raises UpstreamError; nothing goes to an origin not configured."""
        if not question.url.startswith(self._prefixes) and question.url not in self._origins:
            raise UpstreamInvalidResponse(self.source, f"{self.source} pointed to another server.")
        with self._span(question) as span:
            response = await self._asked(question, call, span)
            span.set_attribute("http.response.status_code", response.status)
            return response

    async def _asked(self, question: Question, call: Call, span: Span) -> Response:
        identity = self._identity(call)
        has_renewed = has_repeated = False
        while True:
            shown = await self.credential.headers(question.subject, call.deadline)
            headers = {**question.headers, **identity, **dict(call.headers), **shown}
            may_repeat = question.is_repeatable and not has_repeated
            try:
                response = await self._sent(question, headers, call.deadline)
            except ConnectionLost:
                if not may_repeat or not await self._paused(call.deadline):
                    raise
                has_repeated = True
                span.set_attribute("http.request.resend_count", 1)
                continue
            if response.status == _UNAUTHORIZED and not has_renewed:
                has_renewed = True
                if self.credential.renewed_after_rejection(shown):
                    continue
            if response.status in _AGAIN and may_repeat and "Retry-After" not in response.headers:
                has_repeated = True
                span.set_attribute("http.request.resend_count", 1)
                if await self._paused(call.deadline):
                    continue
            return response

    async def _sent(self, question: Question, headers: Mapping[str, str], deadline: float) -> Response:
        request = Request(question.method, question.url, headers, question.body)
        if self._places.locked():
            try:
                async with asyncio.timeout(seconds_left(self.source, deadline)):
                    await self._places.acquire()
            except TimeoutError as problem:
                raise timed_out(self.source) from problem
        else:
            await self._places.acquire()
        try:
            return await self._transport.send(request, min(deadline, time.monotonic() + self._timeout_s))
        finally:
            self._places.release()

    def _identity(self, call: Call) -> dict[str, str]:
        own = str(uuid.uuid4()) if self._has_own_ids else call.request_id
        return {"X-Request-ID": own, "X-Correlation-ID": call.request_id}

    async def _paused(self, deadline: float) -> bool:
        """A short wait before the second try; False where the deadline leaves no room for it."""
        pause = _PAUSE_S * (0.5 + random.random())  # noqa: S311 # jitter, not a secret
        if deadline - time.monotonic() <= pause:
            return False
        await asyncio.sleep(pause)
        return True

    @contextmanager
    def _span(self, question: Question) -> Iterator[Span]:
        """No address, id or value goes into a span: they would carry patients' data to the trace store."""
        with self._tracer.start_as_current_span(
            f"upstream {self.source} {question.operation}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": question.method,
                "clinical_gateway.source": self.source,
                "clinical_gateway.operation": question.operation,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except UpstreamError as problem:
                span.set_status(StatusCode.ERROR, problem.code)
                span.set_attribute("error.type", problem.code)
                raise


def own_call(timeout_s: float) -> Call:
    """A call on the gateway's own behalf, such as reading what a source can do."""
    return Call(time.monotonic() + timeout_s, str(uuid.uuid4()), _GATEWAY)
