"""The ASGI edge of GraphQL: from bytes to a GraphQL request, and from its reply to bytes.

What GraphQL over HTTP asks of a server is decided here; what a document means is not.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.body import ClientGone, read_body
from gateway.compression import compressed
from gateway.edge import request_id_of
from gateway.graphiql import page
from gateway.graphql_request import GraphQLRequest, request_of_body, request_of_query_string
from gateway.http_errors import MethodNotAllowed
from gateway.media_types import JSON, check_body_type, prefers_html, response_type
from gateway.pipeline import Incoming, Pipeline
from gateway.response import Reply

METHODS = ("GET", "POST")


class GraphQLEndpoint:
    """`/graphql` as an ASGI application."""

    def __init__(
        self, pipeline: Pipeline, max_body_bytes: int, max_variables_bytes: int, has_page: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._max_body_bytes = max_body_bytes
        self._max_variables_bytes = max_variables_bytes
        self._has_page = has_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry. A client that leaves ends the work that was done for it."""
        headers = Headers(scope=scope)
        if self._has_page and scope["method"] == "GET" and prefers_html(headers.get("accept")):
            await page()(scope, receive, send)
            return
        try:
            reply = await self._reply(scope, headers, receive)
        except ClientGone:
            return
        await _response(reply, headers)(scope, receive, send)

    async def _reply(self, scope: Scope, headers: Headers, receive: Receive) -> Reply:
        media_type = JSON
        try:
            if scope["method"] not in METHODS:
                raise MethodNotAllowed("Send the request by GET or POST.")
            media_type = response_type(headers.get("accept"))
            request = await self._request(scope, headers, receive)
        except ClientGone:
            self._pipeline.forsaken(request_id_of(scope))
            raise
        except Exception as problem:  # noqa: BLE001  the table of errors says what each becomes
            return self._pipeline.refuse(problem, request_id_of(scope), media_type)
        incoming = Incoming(
            request,
            _authorization(headers),
            request_id_of(scope),
            media_type,
            is_get=scope["method"] == "GET",
        )
        return await _unless_gone(self._pipeline.answer(incoming), receive)

    async def _request(self, scope: Scope, headers: Headers, receive: Receive) -> GraphQLRequest:
        if scope["method"] == "GET":
            return request_of_query_string(scope["query_string"], self._max_variables_bytes)
        check_body_type(headers.get("content-type"), headers.get("content-encoding"))
        body = await read_body(headers, receive, self._max_body_bytes)
        return request_of_body(body, self._max_variables_bytes)


def _authorization(headers: Headers) -> str | None:
    """The Authorization header; several are as good as a wrong one, for nobody can say which counts."""
    given = headers.getlist("authorization")
    return ", ".join(given) if given else None


async def _unless_gone(answering: Coroutine[None, None, Reply], receive: Receive) -> Reply:
    """The reply, unless the client closes the connection first: then the work is cancelled."""
    work = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientGone
        return work.result()
    finally:
        for task in (work, gone):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _response(reply: Reply, request_headers: Headers) -> Response:
    """The reply as it goes out: never stored by a cache, for it may hold a patient's data."""
    smaller = compressed(reply.body, request_headers.get("accept-encoding"))
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding, Authorization"}
    headers.update(reply.headers)
    if smaller is not None:
        headers["Content-Encoding"] = "gzip"
    body = reply.body if smaller is None else smaller
    return Response(body, reply.status, headers, media_type=f"{reply.media_type}; charset=utf-8")
