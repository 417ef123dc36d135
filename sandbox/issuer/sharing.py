"""Which addresses of the authorization server a page in a browser may read: apps under development."""

from collections.abc import Container

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

DEVELOPERS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


class SharedWithPages:
    """CORS for pages served from this machine, but for the paths in `closed`: the authorization endpoint is
    for people (RFC 9700 section 2.6), the mint for programs."""

    def __init__(self, app: ASGIApp, closed: Container[str]) -> None:
        self._app = app
        self._closed = closed
        self._shared = CORSMiddleware(
            app,
            allow_origin_regex=DEVELOPERS,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_closed = scope["type"] != "http" or scope["path"] in self._closed
        await (self._app if is_closed else self._shared)(scope, receive, send)
