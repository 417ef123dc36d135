"""The Protocol by which a caller is recognised, and what can go wrong with it.

    AuthenticationFailed
    +-- CredentialsMissing    no Authorization header                              401
    +-- TokenInvalid          malformed, expired, foreign, revoked, unverifiable   401 invalid_token
    +-- KeysUnavailable       the issuer's keys or its introspection cannot be     503
                              had now

Messages say nothing that helps to forge a token; `reason` is for the log only and never
holds any part of the token.
"""

from typing import ClassVar, Protocol

import msgspec

from permissions.principal import Principal


class Credentials(msgspec.Struct, frozen=True):
    """What a request shows of its caller.

    `authorization` is the header of that name. `certificate` is the SHA-256 thumbprint (base64url) of the
    client's TLS certificate, where a trusted proxy told of one (`gateway.authn.certificate`).
    """

    authorization: str | None
    certificate: str | None = None


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
    """The token may be good, but its issuer cannot be asked for keys or for the token; try again."""

    code = "UPSTREAM_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        super().__init__("Access tokens cannot be checked at the moment.", reason)


class Authenticator(Protocol):
    """Recognises callers in one way (bearer tokens, ...)."""

    def at_once(self, credentials: Credentials) -> Principal | None:
        """The same of credentials that were checked before, where nobody need be asked; None where that is
        not so, or they are not good."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """The principal behind what was shown; raises `AuthenticationFailed`."""

    async def close(self) -> None:
        """Ends connections and background work."""
