"""The outermost layer of HTTP: a request id for everything, and CORS."""

import re
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.cors import OriginList

REQUEST_ID: Final = "X-Request-ID"
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Edge:
    """Gives each request its id (RFC 9562), answers preflights, and marks every response with both."""

    def __init__(self, app: ASGIApp, origins: OriginList) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        request_id = accepted_request_id(headers.get(REQUEST_ID))
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._mark(message, request_id, origin)
            await send(message)

        if scope["method"] == "OPTIONS" and origin and "access-control-request-method" in headers:
            await self._preflight(origin)(scope, receive, send_marked)
        else:
            await self._app(scope, receive, send_marked)

    def _mark(self, message: Message, request_id: str, origin: str | None) -> None:
        headers = MutableHeaders(scope=message)
        headers[REQUEST_ID] = request_id
        headers["X-Content-Type-Options"] = "nosniff"
        headers.add_vary_header("Origin")
        for name, value in self._origins.response_headers(origin):
            headers[name] = value

    def _preflight(self, origin: str) -> Response:
        allowed = self._origins.preflight_headers(origin)
        return Response(status_code=204 if allowed else 403, headers=dict(allowed))


def accepted_request_id(given: str | None) -> str:
    """The caller's id where it is a UUID, in lower case; else a new one."""
    if given is not None and _UUID.fullmatch(given):
        return given.lower()
    return str(uuid.uuid4())


def request_id_of(scope: Scope) -> str:
    """The id that `Edge` gave a request."""
    request_id: str = scope["state"]["request_id"]
    return request_id
