"""A question over aiohttp's connections with what every question of ours has, and no more."""

import asyncio
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from resolvers.upstreams.transport import Request


def _without(*_: object) -> None:
    """Prepares nothing."""


_WITHOUT: Final[Any] = _without
_UNLIMITED: Final = aiohttp.ClientTimeout(total=None)  # Deadlines is cheaper
_HEADER_LINE_MAX: Final = 65_536
_SCHEMES: Final = frozenset(("http", "https"))
_REPEATABLE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_BROKEN: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
_OWN: Final = {**aiohttp.ClientRequest.DEFAULT_HEADERS, hdrs.USER_AGENT: aiohttp.http.SERVER_SOFTWARE}
_HOST: Final = hdrs.HOST
_LENGTH: Final = hdrs.CONTENT_LENGTH


class PlainRequest(aiohttp.ClientRequest):
    """A request that does not take an answer that lay in a kept connection before it was asked: it would be
    the answer to another question, so perhaps of another patient.

    It knows no cookies, no proxy, no user in the address, no compression and no body in pieces: nothing is
    prepared for them. A body that is there goes out right after the headers, without a task of its own.
    """

    version = aiohttp.HttpVersion11
    proxy = None
    proxy_auth = None
    proxy_headers = None
    _said: bytes | None = None

    update_version = _WITHOUT
    update_host = _WITHOUT
    update_auto_headers = _WITHOUT  # they are in `_OWN`
    update_cookies = _WITHOUT
    update_content_encoding = _WITHOUT
    update_auth = _WITHOUT
    update_proxy = _WITHOUT
    update_transfer_encoding = _WITHOUT
    update_expect_continue = _WITHOUT

    def update_headers(self, headers: Any) -> None:
        """`Host`, what aiohttp says of itself, and these, of which each stands once."""
        sent = self.headers = CIMultiDict({_HOST: self.url.host_port_subcomponent or ""})
        sent.update(_OWN)
        for name, value in headers.items():
            sent[name] = value

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """The bytes of a POST or PUT are kept for `send`."""
        if body is not None:
            self._said = body
            self.headers[_LENGTH] = str(len(body))
        elif self.method not in self.GET_METHODS:
            self.headers[_LENGTH] = "0"

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Headers and body. A connection that has not yet taken what was sent before is not used either."""
        protocol = conn.protocol
        if protocol is None or protocol.should_close or protocol.writing_paused:
            raise aiohttp.ServerDisconnectedError("an answer came that nobody asked for")
        answer = await super().send(conn)
        if self._said is not None:
            assert protocol.transport is not None, "the headers went there"
            protocol.transport.write(self._said)
        return answer


async def answer_to(request: Request, connector: aiohttp.BaseConnector) -> aiohttp.ClientResponse:
    """An answer up to its headers, as an `aiohttp.ClientSession` would get it that follows no redirect and
    has no timeout, cookies, proxy or middleware. Where a connection breaks before the answer, what may be
    repeated (RFC 9110 9.2.2) is asked once more: a kept one may have been closed meanwhile."""
    text, method = request.url, request.method
    url = URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)
    if url.scheme not in _SCHEMES or not url.raw_host:
        raise aiohttp.InvalidURL(url)
    has_repeated, loop = False, asyncio.get_running_loop()
    while True:
        asking = PlainRequest(method, url, headers=request.headers, data=request.body, loop=loop)
        connection = await connector.connect(asking, [], _UNLIMITED)
        answer = None
        try:
            assert connection.protocol is not None
            connection.protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                max_line_size=_HEADER_LINE_MAX,
                max_field_size=_HEADER_LINE_MAX,
            )
            answer = await asking.send(connection)
            return await answer.start(connection)
        except BaseException as problem:
            if answer is not None:
                answer.close()
            connection.close()
            if has_repeated or method not in _REPEATABLE or not isinstance(problem, _BROKEN):
                raise
            has_repeated = True
