"""The Protocol by which a caller is recognised, and what can go wrong with it.

    AuthenticationFailed
    +-- CredentialsMissing    no Authorization header                      401
    +-- TokenInvalid          malformed, expired, foreign, unverifiable    401 invalid_token
    +-- KeysUnavailable       the issuer's keys cannot be had now          503

Messages say nothing that helps to forge a token; `reason` is for the log only and never
holds any part of the token.
"""

from typing import ClassVar, Protocol

from permissions.principal import Principal


class AuthenticationFailed(Exception):
    """The caller could not be recognised."""

    code: ClassVar[str] = "UNAUTHENTICATED"
    challenge: ClassVar[str | None] = None
    """The `WWW-Authenticate` header (RFC 6750 section 3), where one is due."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class CredentialsMissing(AuthenticationFailed):
    """No credentials were sent; RFC 6750 wants no error code in the challenge then."""

    challenge = "Bearer"

    def __init__(self) -> None:
        super().__init__("An access token is needed: Authorization: Bearer <token>.")


class TokenInvalid(AuthenticationFailed):
    """A token was sent and is not accepted."""

    challenge = 'Bearer error="invalid_token"'

    def __init__(self, reason: str) -> None:
        super().__init__("The access token is not valid.", reason)


class KeysUnavailable(AuthenticationFailed):
    """The token may be good, but the issuer's keys cannot be had; the caller may try again."""

    code = "UPSTREAM_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        super().__init__("Access tokens cannot be checked at the moment.", reason)


class Authenticator(Protocol):
    """Recognises callers in one way (signed tokens, introspection, ...)."""

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal behind an `Authorization` header; raises `AuthenticationFailed`."""

    async def close(self) -> None:
        """Ends connections and background work."""
