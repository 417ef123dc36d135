"""A token endpoint (RFC 6749 section 3.2), asked by Authlib over the gateway's own transport.

Authlib builds the request and reads the answer; the bytes go over `Transport`, with its size limit, deadline
and refusal of redirects.
"""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from resolvers.upstreams.assertions import Proof
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from resolvers.upstreams.secret_source import is_sendable
from resolvers.upstreams.transport import Request, Transport

FETCH_S: Final = 10.0
"""For one token, however little time its first caller has: the others want it too."""

_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
_SURELY_REFUSED: Final = 503


class Token(msgspec.Struct, frozen=True):
    """What a token endpoint gave. `lifetime_s` None: it does not say."""

    access: str
    lifetime_s: float | None = None
    refresh: str | None = None

    def __repr__(self) -> str:
        return "Token()"


class Client(msgspec.Struct, frozen=True):
    """How the gateway is known to a token endpoint. `authentication`: the method as OAuth names it, which
    takes a secret, a `proof`, or neither."""

    id: str
    authentication: str
    secret: str | None = None
    proof: Proof | None = None

    def __repr__(self) -> str:
        return f"Client({self.id!r}, {self.authentication!r})"


class GrantInvalid(UpstreamRejected):
    """The grant is not good, or no longer (`invalid_grant`, RFC 6749 section 5.2)."""


class TokenDoubtful(UpstreamUnavailable):
    """The token endpoint failed in a way that leaves open whether it acted on the request."""


class _Requests(OAuth2Client):  # type: ignore[misc] # Authlib has no type information
    """Authlib's client with `Transport` in the place of its HTTP library. It keeps no token."""

    def __init__(self, url: str, client: Client, transport: Transport) -> None:
        super().__init__(
            session=None,
            client_id=client.id,
            client_secret=client.secret,
            token_endpoint_auth_method=client.authentication,
            token_endpoint=url,
        )
        if client.proof is not None:
            self.register_client_auth_method((client.authentication, client.proof))
        self._transport = transport

    async def _fetch_token(
        self, url: str, body: str = "", headers: Any = None, auth: Any = None, **_: Any
    ) -> Mapping[str, Any]:
        url, headers, body = auth.prepare("POST", url, dict(headers), body)
        request = Request("POST", url, headers, body.encode())
        answer = await self._transport.send(request, time.monotonic() + FETCH_S)
        shown = httpx.Response(answer.status, content=answer.body, request=httpx.Request("POST", url))
        try:
            token: Mapping[str, Any] = self.parse_response_token(shown)
        finally:
            self.token = None  # users' tokens come by here: none stays behind
        return token


class TokenEndpoint:
    """Where the tokens of one source are had."""

    def __init__(self, source: str, url: str, client: Client, transport: Transport) -> None:
        self.source = source
        self._requests = _Requests(url, client, transport)

    async def token(self, grant_type: str, **parameters: str | None) -> Token:
        """A bearer token. Raises UpstreamError: GrantInvalid, TokenDoubtful and the transport's among
        them."""
        message = f"The issuer of {self.source} gave no token."
        try:
            said = {name: value for name, value in parameters.items() if value is not None}
            told = await self._requests.fetch_token(grant_type=grant_type, **said)
        except OAuth2Error as problem:
            code = problem.error if _is_code(problem.error) else "an error that is none"
            kind = GrantInvalid if code == "invalid_grant" else UpstreamRejected
            raise kind(self.source, message, detail=code) from None
        except httpx.HTTPStatusError as problem:
            status = problem.response.status_code
            raise _kind_of(status)(self.source, message, detail=f"HTTP {status}") from None
        except (ValueError, TypeError) as problem:
            raise UpstreamInvalidResponse(self.source, message, detail=type(problem).__name__) from None
        return self._read(told)

    def _read(self, told: Mapping[str, Any]) -> Token:
        access, kind, refresh = told.get("access_token"), told.get("token_type"), told.get("refresh_token")
        if not is_sendable(access) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise UpstreamInvalidResponse(self.source, f"The issuer of {self.source} gave no bearer token.")
        lifetime = told.get("expires_in")
        is_said = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
        return Token(
            str(access),
            float(lifetime) if is_said and lifetime is not None else None,
            refresh if isinstance(refresh, str) and refresh else None,
        )


def is_surely_unused(problem: UpstreamError) -> bool:
    """Whether what was sent with a token request has certainly not been used up."""
    if isinstance(problem, GrantInvalid):
        return False
    return isinstance(problem, UpstreamRejected | UpstreamThrottled) or type(problem) is UpstreamUnavailable


def _is_code(error: object) -> bool:
    return isinstance(error, str) and _ERROR_CODE.fullmatch(error) is not None


def _kind_of(status: int) -> type[UpstreamError]:
    if status == _SURELY_REFUSED:
        return UpstreamUnavailable
    if status >= 500:
        return TokenDoubtful
    if status == 429:
        return UpstreamThrottled
    return UpstreamRejected if status >= 400 else UpstreamInvalidResponse
