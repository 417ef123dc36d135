"""The caller's own access token, on its way to the few places that may have it.

It goes to a token endpoint that exchanges it, or to a source that trusts the same issuer;
`credentials_caller` is the only reader. It shows itself to nobody by accident.
"""

import hashlib
from typing import Final

_SCHEME: Final = "bearer"


class CallerToken:
    """A bearer token that the gateway has verified. `digest`, its SHA-256, may be a key; `value` goes nowhere
    but to where the settings say."""

    __slots__ = ("_digest", "value")

    def __init__(self, value: str) -> None:
        self.value = value
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """What tells one token from another."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.value.encode()).digest()
        return self._digest

    def __repr__(self) -> str:
        return "CallerToken()"


def caller_token(authorization: str | None) -> CallerToken | None:
    """The token of an `Authorization` header that has been accepted (RFC 6750 section 2.1)."""
    scheme, _, value = (authorization or "").strip(" ").partition(" ")
    value = value.strip(" ")
    if scheme.lower() != _SCHEME or not value or not value.isascii() or not value.isprintable():
        return None
    return CallerToken(value)
