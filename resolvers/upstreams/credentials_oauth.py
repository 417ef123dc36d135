"""OAuth 2.0 client credentials (RFC 6749 4.4), renewed once for however many callers.

Authlib builds the token request and reads the answer; the bytes go over the gateway's own transport, with
its size limit, deadline and refusal of redirects.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from resolvers.upstreams.settings import ClientCredentials
from resolvers.upstreams.transport import Request, Transport, seconds_left, timed_out

_FETCH_S = 10.0
_EARLY_S = 60.0
_REJECTION_PAUSE_S = 10.0


class _TokenClient(OAuth2Client):  # type: ignore[misc] # Authlib has no type information
    """Authlib's client with `Transport` in the place of its HTTP library."""

    def __init__(self, settings: ClientCredentials, secret: str, transport: Transport) -> None:
        super().__init__(
            session=None,
            client_id=settings.client_id,
            client_secret=secret,
            token_endpoint_auth_method=settings.authentication,
            scope=settings.scope,
            token_endpoint=settings.token_url,
            grant_type="client_credentials",
        )
        self._transport = transport

    async def _fetch_token(
        self, url: str, body: str = "", headers: Any = None, auth: Any = None, **_: Any
    ) -> Mapping[str, Any]:
        url, headers, body = auth.prepare("POST", url, dict(headers), body)
        request = Request("POST", url, headers, body.encode())
        answer = await self._transport.send(request, time.monotonic() + _FETCH_S)
        shown = httpx.Response(answer.status, content=answer.body, request=httpx.Request("POST", url))
        token: Mapping[str, Any] = self.parse_response_token(shown)
        return token


class OAuthClientCredential:
    """A bearer token, fetched when first needed and renewed before it expires.

    While the old token still serves, nobody waits for the new one. A refused token is replaced once; after
    that refusals are the source's answer for 10 s, so that a source at odds with its issuer is not hammered.
    """

    def __init__(self, source: str, settings: ClientCredentials, secret: str, transport: Transport) -> None:
        self._source = source
        self._client = _TokenClient(settings, secret, transport)
        self._headers: Mapping[str, str] | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._rejected_at = -_REJECTION_PAUSE_S
        self._renewal: asyncio.Task[Mapping[str, str]] | None = None

    async def headers(self, subject: str | None, deadline: float) -> Mapping[str, str]:
        now = time.monotonic()
        if self._headers is not None and now < self._expires_at:
            if now >= self._renew_at:
                self._start_renewal()
            return self._headers
        try:
            async with asyncio.timeout(seconds_left(self._source, deadline)):
                # Shielded: a caller that goes away must not take the token from the others.
                return await asyncio.shield(self._start_renewal())
        except TimeoutError as problem:
            raise timed_out(self._source) from problem

    def renewed_after_rejection(self, used: Mapping[str, str]) -> bool:
        if self._headers is not None and used != self._headers:
            return True  # another caller's renewal came first
        now = time.monotonic()
        if now - self._rejected_at < _REJECTION_PAUSE_S:
            return False
        self._rejected_at = now
        self._headers = None
        return True

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None

    def _start_renewal(self) -> "asyncio.Task[Mapping[str, str]]":
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(_retrieved)
        return self._renewal

    async def _renew(self) -> Mapping[str, str]:
        token = await self._fetched()
        access, kind = token.get("access_token"), token.get("token_type")
        is_sendable = isinstance(access, str) and access.isascii() and access.isprintable()
        if not is_sendable or not isinstance(kind, str) or kind.lower() != "bearer":
            raise UpstreamInvalidResponse(self._source, f"The issuer of {self._source} gave no bearer token.")
        lifetime = token.get("expires_in")
        now = time.monotonic()
        if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0:
            self._expires_at = now + lifetime - min(5.0, lifetime / 10)
            self._renew_at = now + lifetime - min(_EARLY_S, lifetime / 4)
        else:
            self._expires_at = self._renew_at = float("inf")
        self._headers = {"Authorization": f"Bearer {access}"}
        return self._headers

    async def _fetched(self) -> Mapping[str, Any]:
        message = f"The issuer of {self._source} gave no token."
        try:
            token: Mapping[str, Any] = await self._client.fetch_token()
            return token
        except OAuth2Error as problem:
            raise UpstreamRejected(self._source, message, detail=str(problem.error)) from problem
        except httpx.HTTPStatusError as problem:
            status = problem.response.status_code
            raise _kind_of(status)(self._source, message, detail=f"HTTP {status}") from problem
        except (ValueError, TypeError) as problem:
            raise UpstreamInvalidResponse(self._source, message, detail=type(problem).__name__) from problem


def _kind_of(status: int) -> type[UpstreamError]:
    if status >= 500:
        return UpstreamUnavailable
    if status == 429:
        return UpstreamThrottled
    return UpstreamRejected if status >= 400 else UpstreamInvalidResponse


def _retrieved(task: "asyncio.Task[Mapping[str, str]]") -> None:
    """A renewal that nobody waits for may fail; the next caller asks again."""
    if not task.cancelled():
        task.exception()
