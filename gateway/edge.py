"""The outermost layer of HTTP: a request id for everything, and CORS."""

import re
from collections.abc import Mapping
from random import getrandbits
from typing import Final

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.cors import Headers, OriginList

REQUEST_ID: Final = b"x-request-id"
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")

_UUID: Final = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_FREE_BITS: Final = ~(0xF << 76 | 0x3 << 62)
_VERSION_4: Final = 0x4 << 76 | 0x2 << 62


class Edge:
    """Gives each request its id (RFC 9562), answers preflights, and marks every response with both.

    A route to an ASGI application at a plain path is called from here: it needs neither the router nor
    the exception middleware of Starlette, which take 4 us. One with a true `adds_marks` adds the marks, which
    are in the scope's state, by itself.
    """

    def __init__(self, app: Starlette, origins: OriginList) -> None:
        self._app = app
        self._direct = direct_routes(app)
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]):
            headers = _listed(scope["headers"])
        origin = headers.get(b"origin")
        request_id = accepted_request_id(headers.get(REQUEST_ID))
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, headers
        marks: Headers = (REQUEST_ID, request_id.encode()), NOSNIFF, *self._origins.response_headers(origin)
        app = self._direct.get(scope["path"], self._app)
        if origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            app = self._preflight(origin)
        if not getattr(app, "adds_marks", False):
            send, marks = marked(send, marks), ()
        state["marks"] = marks
        await app(scope, receive, send)

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


def accepted_request_id(given: bytes | None) -> str:
    """The caller's id where it is a UUID, in lower case; else a new one of version 4."""
    if given is not None and _UUID.fullmatch(given):
        return given.decode().lower()
    # It names a request in logs and guards nothing: no need to ask the system for every one.
    text = f"{getrandbits(128) & _FREE_BITS | _VERSION_4:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def request_id_of(scope: Scope) -> str:
    """The id that `Edge` gave a request."""
    request_id: str = scope["state"]["request_id"]
    return request_id


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The request's header fields by their names in lower case, as `Edge` read them."""
    headers: Mapping[bytes, bytes] = scope["state"]["headers"]
    return headers


def _listed(lines: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Several lines of one name are one list (RFC 9110 section 5.3)."""
    return {name: b", ".join(value for other, value in lines if other == name) for name in dict(lines)}
