"""The outermost layer of HTTP: a request id for everything, and CORS."""

import re
from collections.abc import Mapping
from random import getrandbits
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.cors import Headers, OriginList

REQUEST_ID: Final = b"x-request-id"
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")

Fields = Mapping[bytes, bytes]
"""Header fields by their names in lower case."""

_UUID: Final = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_MIDDLE: Final = f"-{getrandbits(16):04x}-4{getrandbits(12):03x}-{0x8000 | getrandbits(14):04x}-"
"""Of the ids that this process makes: their version and variant (RFC 9562 section 5.4), and random bits."""


class Serving(Protocol):
    """An application that is told what `Edge` has made of a request, and adds the marks by itself."""

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: Fields, marks: Headers
    ) -> None:
        """Answers a request with this id and these header fields."""


class Edge:
    """Gives each request its id (RFC 9562), answers preflights, and marks every response with both.

    A route to an ASGI application at a plain path is called from here: it needs neither the router nor
    the exception middleware of Starlette, which take 4 us. One that is `Serving` adds the marks by itself.
    """

    def __init__(self, app: Starlette, origins: OriginList) -> None:
        self._app = app
        self._direct = direct_routes(app)
        self._serving = {path: one.serve for path, one in self._direct.items() if hasattr(one, "serve")}
        self._origins = origins
        self._marks: Headers = (NOSNIFF, *origins.response_headers(None))
        """Of a response to no page, besides its id."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lines = scope["headers"]
        headers = dict(lines)
        if len(headers) < len(lines):
            headers = _listed(lines)
        given = headers.get(REQUEST_ID)
        if given is not None and _UUID.fullmatch(given):
            request_id = given.decode().lower()
        else:
            # It names a request in logs and guards nothing: 80 bits of its own tell it from any other.
            request_id = f"{getrandbits(32):08x}{_MIDDLE}{getrandbits(48):012x}"
        marks: Headers = ((REQUEST_ID, request_id.encode()), *self._marks)
        if b"origin" in headers:
            origin = headers[b"origin"]
            marks = *marks[:2], *self._origins.response_headers(origin)
            if origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await self._preflight(origin)(scope, receive, marked(send, marks))
                return
        serve = self._serving.get(scope["path"])
        if serve is not None:
            await serve(scope, receive, send, request_id, headers, marks)
            return
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, headers
        await self._direct.get(scope["path"], self._app)(scope, receive, marked(send, marks))

    def _preflight(self, origin: bytes) -> Response:
        allowed = self._origins.preflight_headers(origin)
        return Response(status_code=204 if allowed else 403, headers=dict(allowed))


def direct_routes(app: Starlette) -> Mapping[str, ASGIApp]:
    """The applications at paths without parameters that take every method, by their paths."""
    routes = (route for route in app.routes if isinstance(route, Route))
    return {one.path: one.app for one in routes if one.methods is None and not one.param_convertors}


def marked(send: Send, marks: Headers) -> Send:
    """Sends on what an application sends, its response with these header fields."""

    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *marks]
        await send(message)

    return send_marked


def request_id_of(scope: Scope) -> str:
    """The id that `Edge` gave a request."""
    request_id: str = scope["state"]["request_id"]
    return request_id


def headers_of(scope: Scope) -> Fields:
    """The request's header fields by their names in lower case, as `Edge` read them."""
    headers: Fields = scope["state"]["headers"]
    return headers


def _listed(lines: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Several lines of one name are one list (RFC 9110 section 5.3)."""
    return {name: b", ".join(value for other, value in lines if other == name) for name in dict(lines)}
