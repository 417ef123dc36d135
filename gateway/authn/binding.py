"""Tokens that are bound to a key: who holds one must show the key too (RFC 7800, RFC 8705 section 3)."""

from typing import Any, Final

from gateway.authn.authenticator import TokenInvalid

CERTIFICATE_THUMBPRINT: Final = "x5t#S256"


def bound_certificate(confirmation: Any, is_required: bool) -> str | None:
    """The thumbprint that a token's `cnf` is bound to, None for a token that anybody may bear.

    Raises `TokenInvalid` for a token bound in another way (`jkt`: DPoP, RFC 9449), which a Bearer header
    cannot prove, and for an unbound one where the issuer's must be bound.
    """
    if confirmation is None:
        if is_required:
            raise TokenInvalid("the token is not bound to a certificate")
        return None
    if not isinstance(confirmation, dict) or list(confirmation) != [CERTIFICATE_THUMBPRINT]:
        raise TokenInvalid("the token is bound to a key")
    thumbprint = confirmation[CERTIFICATE_THUMBPRINT]
    if not isinstance(thumbprint, str) or not thumbprint:
        raise TokenInvalid("the token is bound to no thumbprint")
    return thumbprint.rstrip("=")
