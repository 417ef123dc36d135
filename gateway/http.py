"""The ASGI edge of GraphQL: from bytes to a GraphQL request, and from its reply to bytes.

What GraphQL over HTTP asks of a server is decided here; what a document means is not.
"""

from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from gateway.authn.authenticator import Credentials
from gateway.authn.certificate import CertificateHeader, credentials_of
from gateway.body import ClientGone, check_length, whole_body
from gateway.compression import COMPRESSED_FROM_BYTES, Gzip
from gateway.cors import Headers
from gateway.cost_header import ABSENT, NAME, CostHeader, cost_header
from gateway.edge import Fields, headers_of, marked, request_id_of
from gateway.ending import Alarm, Ending, watched_after_s
from gateway.graphiql import page
from gateway.graphql_request import (
    NO_REQUEST,
    REQUEST_DECODER,
    GraphQLRequest,
    check_request,
    looked_at_closely,
    request_of_query_string,
)
from gateway.http_errors import MethodNotAllowed
from gateway.media_types import (
    GRAPHQL_RESPONSE,
    JSON,
    USUAL_RESPONSES,
    check_body_type,
    prefers_html,
    response_type,
    takes_gzip,
)
from gateway.pipeline import Incoming, Pipeline
from gateway.response import Reply

_USUAL_BODIES: Final = frozenset(
    one.encode() for one in (JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8")
)
_NO_STORE: Final = (b"cache-control", b"no-store")
"""A response may hold a patient's data."""
_REVALIDATED: Final = (b"cache-control", b"private, no-cache")
"""The client that asked may keep it, nobody between; and asks before it shows it again."""
_VARY: Final = (b"vary", b"Accept, Accept-Encoding, Authorization")
_USUAL_HEADERS: Final[Mapping[str, Headers]] = {
    one: (_VARY, _NO_STORE, (b"content-type", f"{one}; charset=utf-8".encode()))
    for one in (JSON, GRAPHQL_RESPONSE)
}
"""By the media type of a response."""
_GZIP: Final = (b"content-encoding", b"gzip")

_Read = tuple[GraphQLRequest, str, bool, CostHeader, str | None]
"""A request, the media type of its response, whether it came by GET, what it wants to be told of costs, and
the version of the answer that its client has."""


class GraphQLEndpoint:
    """`/graphql` as an ASGI application."""

    def __init__(
        self,
        pipeline: Pipeline,
        max_body_bytes: int,
        max_variables_bytes: int,
        has_page: bool = False,
        certificates: CertificateHeader | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._max_body_bytes = max_body_bytes
        self._digits = len(str(max_body_bytes))
        self._max_variables_bytes = max_variables_bytes
        self._usual_bytes = min(max_body_bytes, max_variables_bytes)
        """A longer body is looked at closely."""
        self._has_page = has_page
        self._certificates = certificates
        self._slow = Alarm(watched_after_s(pipeline.deadline_s))
        self._gzip = Gzip()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry, for a request that came by the router."""
        await self.serve(scope, receive, send, request_id_of(scope), headers_of(scope), ())

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: Fields, marks: Headers
    ) -> None:
        """Answers a request (`gateway.edge.Serving`). A client that leaves ends the work done for it."""
        request, is_get, cost, known, message = None, False, ABSENT, None, None
        media_type = USUAL_RESPONSES.get(headers.get(b"accept"))
        if (
            scope["method"] == "POST"
            and media_type is not None
            and headers.get(b"content-type") in _USUAL_BODIES
            and NAME not in headers
            and b"content-encoding" not in headers
            and len(headers.get(b"content-length", b"")) < self._digits
        ):
            message = await receive()
            body: bytes = message.get("body", b"")
            if (
                message["type"] == "http.request"
                and not message.get("more_body")
                and len(body) <= self._usual_bytes
            ):
                try:
                    request = REQUEST_DECODER.decode(body)
                except Exception:  # noqa: BLE001  what is wrong with it is found out, and answered, below
                    request = None
        if request is None or request.query is None or media_type is None:
            read = await self._read_closely(scope, receive, send, request_id, headers, marks, message)
            if read is None:
                return
            request, media_type, is_get, cost, known = read
        given, shown = headers.get(b"authorization"), self._certificates
        credentials = Credentials(None if given is None else given.decode("latin-1"))
        if shown is not None:
            credentials = credentials_of(scope, headers, shown)
        ending = Ending(self._slow, receive, self._pipeline.deadline_s).begin()
        incoming = Incoming(request, credentials, request_id, media_type, ending, is_get, cost, known)
        try:
            try:
                reply = await self._pipeline.answer(incoming)
            except BaseException as problem:
                ending.over(problem)
                raise
            if self._slow.due.pop(ending, None) is None:  # the alarm has rung
                ending.over(None)
        except ClientGone:
            return
        answer = reply.body
        if is_get or (len(answer) >= COMPRESSED_FROM_BYTES and b"accept-encoding" in headers):
            await self._send(reply, headers, marks, send)
            return
        length = b"content-length", b"%d" % len(answer)
        fields = [*_USUAL_HEADERS[reply.media_type], length, *reply.headers, *marks]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        await send({"type": "http.response.body", "body": answer})

    async def _read_closely(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        headers: Fields,
        marks: Headers,
        message: Message | None,
    ) -> _Read | None:
        """Reads a request that is not as nearly all are, by its parts in their order; `message`: what was
        received of it. None where it has been answered, or its client has left."""
        media_type, cost, known = JSON, ABSENT, None
        is_get = scope["method"] != "POST"  # any other method is refused
        if is_get and self._shows_page(scope, headers):
            await page()(scope, receive, marked(send, marks))
            return None
        try:
            if is_get and scope["method"] != "GET":
                raise MethodNotAllowed("Send the request by GET or POST.")
            media_type = response_type(_text(headers, b"accept"))
            cost = cost_header(_text(headers, NAME))
            if is_get:
                request = request_of_query_string(scope["query_string"], self._max_variables_bytes)
                known = _text(headers, b"if-none-match")
            else:
                request = await self._read_body(receive, headers, message)
        except ClientGone:
            self._pipeline.forsaken(request_id)
            return None
        except Exception as problem:  # noqa: BLE001  the table of errors says what each becomes
            await self._send(self._pipeline.refuse(problem, request_id, media_type), headers, marks, send)
            return None
        return request, media_type, is_get, cost, known

    async def _read_body(self, receive: Receive, headers: Fields, message: Message | None) -> GraphQLRequest:
        check_body_type(_text(headers, b"content-type"), _text(headers, b"content-encoding"))
        check_length(headers.get(b"content-length", b""), self._max_body_bytes)
        body = await whole_body(message or await receive(), receive, self._max_body_bytes)
        try:
            request = REQUEST_DECODER.decode(body)
        except NO_REQUEST:
            request = looked_at_closely(body)
        check_request(request, body, self._max_variables_bytes)
        return request

    def _shows_page(self, scope: Scope, headers: Fields) -> bool:
        return self._has_page and scope["method"] == "GET" and prefers_html(_text(headers, b"accept"))

    async def _send(self, reply: Reply, asked: Fields, marks: Headers, send: Send) -> None:
        body, usual = reply.body, _USUAL_HEADERS[reply.media_type]
        takes = asked.get(b"accept-encoding") if len(body) >= COMPRESSED_FROM_BYTES else None
        if takes is not None and takes_gzip(takes.decode("latin-1")):
            body, usual = await self._gzip.compressed(body), (*usual, _GZIP)
        headers = [*usual, (b"content-length", b"%d" % len(body)), *reply.headers, *marks]
        if reply.etag is not None:
            headers = _to_be_kept(headers, reply.etag, reply.status)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _to_be_kept(headers: list[tuple[bytes, bytes]], etag: str, status: int) -> list[tuple[bytes, bytes]]:
    """Those of an answer that the client may keep; where it has it already, of no content."""
    told = [one for one in headers if one != _NO_STORE]
    if status == 304:
        told = [one for one in told if not one[0].startswith(b"content-")]
    return [*told, _REVALIDATED, (b"etag", etag.encode("ascii"))]


def _text(headers: Fields, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
