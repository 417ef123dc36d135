"""One HTTP exchange with a source: origin, credential, limits, one retry, span.

Everything an adapter sends goes through here, so what holds for every source is written once.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from multidict import istr
from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer

from permissions.principal import Principal
from resolvers.upstreams.call_rate import CallRate, Pacing
from resolvers.upstreams.credential import Credential, NoCredential
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from resolvers.upstreams.places import Places
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.stream import Stream
from resolvers.upstreams.transport import (
    Arriving,
    ConnectionLost,
    Request,
    Response,
    StreamingTransport,
    Transport,
    seconds_left,
    timed_out,
)
from resolvers.upstreams.upstream import Call

_AGAIN = frozenset((502, 503, 504))
_PAUSE_S = 0.05
_UNAUTHORIZED = 401
_REQUEST_ID = istr("X-Request-ID")
_CORRELATION_ID = istr("X-Correlation-ID")
"""Names that aiohttp need not put in lower case for each call."""
_NOTHING: Final[Mapping[str, str]] = {}
STREAMS_PART = 4
"""One place in so many may be held by a stream: a slow download must leave room for questions."""
_GATEWAY = Principal(issuer="", client="clinical-gateway", subject="", scopes=())


class Question(msgspec.Struct, frozen=True):
    """One thing to ask a source over HTTP.

    `operation` names it in traces (`read`, `search`); it never holds an id. `is_repeatable`: asking twice
    does no more than asking once, so a lost connection is worth a second try. `subject`: the source's user,
    for credentials that differ by user. `is_refusal`: whether an answer refuses the credential in a way of
    its own; a status of 401 always does.
    """

    operation: str
    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes | None = None
    is_repeatable: bool = True
    subject: str | None = None
    is_refusal: Callable[[Response], bool] | None = None


class Exchange:
    """The way to one source and its origins."""

    def __init__(
        self,
        settings: UpstreamSettings,
        transport: Transport,
        credential: Credential,
        tracer: Tracer,
        origins: frozenset[str],
        rate: CallRate | None = None,
    ) -> None:
        self.source = settings.name
        self.credential = credential
        self._shows_itself = type(credential) is not NoCredential
        self._transport = transport
        self._timeout_s = settings.timeout_s
        self._places = Places(settings.max_concurrency)
        self._stream_places = Places(max(1, settings.max_concurrency // STREAMS_PART))
        self._pacing = Pacing(settings.name, rate) if rate is not None else None
        self._has_own_ids = settings.request_ids == "call"
        self._tracer = tracer
        self._is_traced = not isinstance(tracer, NoOpTracer)
        self._prefixes = tuple(f"{origin}{mark}" for origin in origins for mark in "/?")
        self._origins = origins

    async def start(self) -> None:
        """Opens the connections."""
        await self._transport.start()

    async def close(self) -> None:
        """Ends them."""
        await self.credential.close()
        await self._transport.close()

    async def send(self, question: Question, call: Call, span: Span | None = None) -> Response:
        """The answer, whatever its status. Raises UpstreamError; nothing goes to an origin not configured.
        `span`: what it is told in, where something is told already."""
        url, deadline, places = question.url, call.deadline, self._places
        if not url.startswith(self._prefixes):
            self._check(url)
        if self._is_traced and span is None:
            return await self._traced(question, call)
        own_id = str(uuid.uuid4()) if self._has_own_ids else call.request_id
        has_renewed = has_repeated = False
        shown = _NOTHING
        while True:
            if self._shows_itself or call.headers:
                shown = await self.credential.headers(question.subject, call)
                request = _request(question, call, own_id, shown)
            else:
                headers = {**question.headers, _REQUEST_ID: own_id, _CORRELATION_ID: call.request_id}
                request = Request(question.method, url, headers, question.body)
            if places.free:
                places.free -= 1
            else:
                await self._waited(deadline)
            try:
                try:
                    if self._pacing is not None:
                        await self._pacing.wait(deadline)
                    ends = time.monotonic() + self._timeout_s
                    response = await self._transport.send(request, deadline if deadline < ends else ends)
                finally:
                    if places.waiting:
                        places.release()
                    else:
                        places.free += 1
            except ConnectionLost:
                if has_repeated or not question.is_repeatable or not await self._paused(deadline):
                    raise
                has_repeated = True
                _resent(span)
                continue
            status = response.status
            if 200 <= status < 300 and question.is_refusal is None:
                return response
            if not has_renewed and (status == _UNAUTHORIZED or _refuses(question, response)):
                has_renewed = True
                if await self.credential.renewed_after_rejection(shown, question.subject, call):
                    continue
            if status not in _AGAIN or has_repeated or not question.is_repeatable:
                return response
            if "Retry-After" in response.headers:
                return response
            has_repeated = True
            _resent(span)
            if not await self._paused(deadline):
                return response

    async def open(self, question: Question, call: Call) -> Stream:
        """The answer as it comes, whatever its status; whoever has it closes it. Raises UpstreamError."""
        self._check(question.url)
        if not isinstance(self._transport, StreamingTransport):
            raise UpstreamUnavailable(self.source, f"{self.source} cannot be asked for attachments.")
        places = (self._stream_places, self._places)
        await self._taken(places, call.deadline)
        try:
            with self._span(question) as span:
                arriving = await self._opened(self._transport, question, call)
                span.set_attribute("http.response.status_code", arriving.status)
        except BaseException:
            _release(places)
            raise
        return Stream(arriving, call.deadline, self._timeout_s, lambda: _release(places))

    async def _opened(self, transport: StreamingTransport, question: Question, call: Call) -> Arriving:
        """Up to the headers; a refused credential is renewed once, a lost connection made once again."""
        own_id, has_renewed, has_repeated = self._own_id(call), False, False
        while True:
            shown = await self.credential.headers(question.subject, call)
            request = _request(question, call, own_id, shown)
            if self._pacing is not None:
                await self._pacing.wait(call.deadline)
            try:
                ends = min(call.deadline, time.monotonic() + self._timeout_s)
                arriving = await transport.open(request, ends)
            except ConnectionLost:
                if has_repeated or not await self._paused(call.deadline):
                    raise
                has_repeated = True
                continue
            if arriving.status != _UNAUTHORIZED or has_renewed:
                return arriving
            has_renewed = True
            try:
                if not await self.credential.renewed_after_rejection(shown, question.subject, call):
                    return arriving
            except BaseException:
                await arriving.close()
                raise
            await arriving.close()

    async def _taken(self, places: Iterable[Places], deadline: float) -> None:
        """A place of each. Raises UpstreamTimeout, UpstreamThrottled."""
        held: list[Places] = []
        try:
            async with asyncio.timeout(seconds_left(self.source, deadline)):
                for one in places:
                    await one.wait()
                    held.append(one)
        except BaseException as problem:
            _release(held)
            if isinstance(problem, TimeoutError):
                raise self._overdue() from problem
            raise

    def _check(self, url: str) -> None:
        """Raises UpstreamInvalidResponse where it is not at an origin of the source."""
        if not url.startswith(self._prefixes) and url not in self._origins:
            raise UpstreamInvalidResponse(self.source, f"{self.source} pointed to another server.")

    def _own_id(self, call: Call) -> str:
        return str(uuid.uuid4()) if self._has_own_ids else call.request_id

    async def _traced(self, question: Question, call: Call) -> Response:
        with self._span(question) as span:
            response = await self.send(question, call, span)
            span.set_attribute("http.response.status_code", response.status)
            return response

    async def _waited(self, deadline: float) -> None:
        """For a place. Raises UpstreamTimeout, UpstreamThrottled."""
        try:
            async with asyncio.timeout(seconds_left(self.source, deadline)):
                await self._places.wait()
        except TimeoutError as problem:
            raise self._overdue() from problem

    def _overdue(self) -> UpstreamError:
        """What became of a call that got no place in time."""
        return self._pacing.overdue() if self._pacing is not None else timed_out(self.source)

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


def _request(question: Question, call: Call, own_id: str, shown: Mapping[str, str]) -> Request:
    headers = {**question.headers, _REQUEST_ID: own_id, _CORRELATION_ID: call.request_id}
    if call.headers:
        headers.update(call.headers)
    if shown:
        headers.update(shown)
    return Request(question.method, question.url, headers, question.body)


def _resent(span: Span | None) -> None:
    if span is not None:
        span.set_attribute("http.request.resend_count", 1)


def _release(places: Iterable[Places]) -> None:
    for one in places:
        one.release()


def _refuses(question: Question, response: Response) -> bool:
    return question.is_refusal is not None and question.is_refusal(response)


def own_call(timeout_s: float) -> Call:
    """A call on the gateway's own behalf, such as reading what a source can do."""
    return Call(time.monotonic() + timeout_s, str(uuid.uuid4()), _GATEWAY)
