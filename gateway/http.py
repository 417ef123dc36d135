"""The ASGI edge of GraphQL: from bytes to a GraphQL request, and from its reply to bytes.

What GraphQL over HTTP asks of a server is decided here; what a document means is not.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from gateway.authn.certificate import CertificateHeader, credentials_of
from gateway.body import ClientGone, read_body
from gateway.compression import COMPRESSED_FROM_BYTES, Gzip
from gateway.cost_header import ABSENT, NAME, cost_header
from gateway.edge import marked
from gateway.ending import Alarm, Ending, watched_after_s
from gateway.graphiql import page
from gateway.graphql_request import GraphQLRequest, request_of_body, request_of_query_string
from gateway.http_errors import MethodNotAllowed
from gateway.media_types import (
    GRAPHQL_RESPONSE,
    JSON,
    check_body_type,
    prefers_html,
    response_type,
    takes_gzip,
)
from gateway.pipeline import Incoming, Pipeline
from gateway.response import Reply

METHODS: Final = ("GET", "POST")

_USUAL_BODIES: Final = frozenset(
    one.encode() for one in (JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8")
)
_CONTENT_TYPES: Final = {
    one: (b"content-type", f"{one}; charset=utf-8".encode()) for one in (JSON, GRAPHQL_RESPONSE)
}
_NO_STORE: Final = (b"cache-control", b"no-store")
"""A response may hold a patient's data."""
_REVALIDATED: Final = (b"cache-control", b"private, no-cache")
"""The client that asked may keep it, nobody between; and asks before it shows it again."""
_VARY: Final = (b"vary", b"Accept, Accept-Encoding, Authorization")
_GZIP: Final = (b"content-encoding", b"gzip")


class GraphQLEndpoint:
    """`/graphql` as an ASGI application."""

    adds_marks = True

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
        self._max_variables_bytes = max_variables_bytes
        self._has_page = has_page
        self._certificates = certificates
        self._slow = Alarm(watched_after_s(pipeline.deadline_s))
        self._gzip = Gzip()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry. A client that leaves ends the work that was done for it."""
        state: Mapping[str, Any] = scope["state"]
        headers: Mapping[bytes, bytes] = state["headers"]
        request_id, is_get, media_type = state["request_id"], scope["method"] == "GET", JSON
        if is_get and self._has_page and prefers_html(_text(headers, b"accept")):
            await page()(scope, receive, marked(send, state["marks"]))
            return
        try:
            if scope["method"] not in METHODS:
                raise MethodNotAllowed("Send the request by GET or POST.")
            accept = headers.get(b"accept")
            media_type = response_type(None if accept is None else accept.decode("latin-1"))
            cost = cost_header(_text(headers, NAME)) if NAME in headers else ABSENT
            request = await self._request(scope, headers, receive)
        except ClientGone:
            self._pipeline.forsaken(request_id)
            return
        except Exception as problem:  # noqa: BLE001  the table of errors says what each becomes
            await self._send(self._pipeline.refuse(problem, request_id, media_type), state, send)
            return
        credentials = credentials_of(scope, headers, self._certificates)
        known = _text(headers, b"if-none-match") if is_get else None
        ending = Ending(self._slow, receive, self._pipeline.deadline_s)
        incoming = Incoming(request, credentials, request_id, media_type, ending, is_get, cost, known)
        try:
            with ending:
                reply = await self._pipeline.answer(incoming)
        except ClientGone:
            return
        await self._send(reply, state, send)

    async def _request(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> GraphQLRequest:
        if scope["method"] == "GET":
            return request_of_query_string(scope["query_string"], self._max_variables_bytes)
        if headers.get(b"content-type") not in _USUAL_BODIES or b"content-encoding" in headers:
            check_body_type(_text(headers, b"content-type"), _text(headers, b"content-encoding"))
        body = await read_body(headers.get(b"content-length"), receive, self._max_body_bytes)
        return request_of_body(body, self._max_variables_bytes)

    async def _send(self, reply: Reply, state: Mapping[str, Any], send: Send) -> None:
        body, headers = reply.body, [_VARY, *reply.headers, *state["marks"]]
        if reply.etag is None:
            headers.append(_NO_STORE)
        else:
            headers += (_REVALIDATED, (b"etag", reply.etag.encode("ascii")))
        if len(body) >= COMPRESSED_FROM_BYTES and takes_gzip(_text(state["headers"], b"accept-encoding")):
            body = await self._gzip.compressed(body)
            headers.append(_GZIP)
        if reply.status != 304:
            headers += (_CONTENT_TYPES[reply.media_type], (b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
