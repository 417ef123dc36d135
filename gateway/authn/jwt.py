"""Signed access tokens: RFC 9068 (JWT access tokens), RFC 8725 (best practice)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact
from joserfc.util import urlsafe_b64decode

from gateway.authn.authenticator import TokenInvalid
from gateway.authn.binding import bound_certificate
from gateway.authn.claims import Claims, check_claims
from gateway.authn.issuer import JwtIssuerSettings
from gateway.authn.jwks import IssuerKeys, VerificationKey
from gateway.authn.metadata import IssuerMetadata
from gateway.authn.principals import principal_of
from gateway.authn.verified import VerifiedToken

TOKEN_BYTES_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class UnverifiedJwt:
    """What a token says of itself, which nobody may believe yet."""

    signed: CompactSignature
    claims: Claims

    @property
    def issuer(self) -> str | None:
        """The issuer that the token names."""
        named = self.claims.get("iss")
        return named if isinstance(named, str) else None


class JwtIssuer:
    """An accepted issuer of signed tokens, with its keys."""

    def __init__(self, settings: JwtIssuerSettings, client: httpx.AsyncClient) -> None:
        self.settings = settings
        self.metadata = IssuerMetadata(settings.issuer, client, {"jwks_uri": settings.jwks_uri})
        self.keys = IssuerKeys(self.metadata, client)

    async def verify(self, token: UnverifiedJwt, now_s: float) -> VerifiedToken:
        """The token, checked in every respect; raises `AuthenticationFailed`."""
        key = await self._signing_key(token.signed.headers())
        if not _is_signed_by(token.signed, key, self.settings):
            raise TokenInvalid("the signature does not match")
        check_claims(token.claims, self.settings, now_s)
        certificate = bound_certificate(token.claims.get("cnf"), self.settings.bound_tokens_required)
        principal = principal_of(token.claims, self.settings)
        until_s = principal.expires_at + self.settings.leeway_s
        return VerifiedToken(principal, until_s, certificate, self.keys, key.thumbprint)

    async def close(self) -> None:
        """Ends what is being fetched."""
        await self.keys.close()
        await self.metadata.close()

    async def _signing_key(self, header: Mapping[str, Any]) -> VerificationKey:
        kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
        if algorithm not in self.settings.algorithms:
            raise TokenInvalid("alg is not accepted")
        if not isinstance(kind, str) or _media_subtype(kind) not in map(_media_subtype, self.settings.types):
            raise TokenInvalid("typ is not that of an access token")
        if not isinstance(kid, str) or not kid:
            raise TokenInvalid("kid is missing")
        key = await self.keys.find(kid, algorithm)
        if key is None:
            raise TokenInvalid("kid matches no key, or several")
        return key


def read_jwt(token: bytes) -> UnverifiedJwt | None:
    """A signed JWT, not verified; None for a token that is none. Raises `TokenInvalid` for a broken one.

    Whatever begins like a JWT (also an encrypted one, which is not read) is never taken for opaque: it says
    too much to be shown to an issuer that did not make it.
    """
    if not _begins_like_a_jwt(token):
        return None
    signed = _unpacked(token)
    return UnverifiedJwt(signed, _claims(signed))


def _begins_like_a_jwt(token: bytes) -> bool:
    head, dot, _ = token.partition(b".")
    if not dot:
        return False
    try:
        return isinstance(json.loads(urlsafe_b64decode(head)), dict)
    except (ValueError, RecursionError):
        return False


class _Registry(JWSRegistry):
    """Header parameters that nobody here needs do no harm; `crit` is refused separately."""

    max_header_length = 4096
    max_payload_length = TOKEN_BYTES_MAX


def _unpacked(token: bytes) -> CompactSignature:
    try:
        signed = extract_compact(token, registry=_Registry())
    except (JoseError, ValueError, TypeError, RecursionError) as problem:
        raise TokenInvalid("not a signed JWT") from problem
    if not isinstance(signed.headers(), dict) or "crit" in signed.headers():
        raise TokenInvalid("the header asks for what is not understood")
    return signed


def _claims(signed: CompactSignature) -> Claims:
    try:
        claims = json.loads(signed.payload)
    except (ValueError, RecursionError) as problem:
        raise TokenInvalid("the claims are not JSON") from problem
    if not isinstance(claims, dict):
        raise TokenInvalid("the claims are no object")
    return claims


def _media_subtype(kind: str) -> str:
    """RFC 7515 section 4.1.9: `application/` may be left out, and case does not count."""
    return kind.lower().removeprefix("application/")


def _is_signed_by(signed: CompactSignature, key: VerificationKey, settings: JwtIssuerSettings) -> bool:
    registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
    try:
        return validate_compact(signed, key.key, registry=registry)
    except (JoseError, ValueError, TypeError) as problem:
        raise TokenInvalid("the signature cannot be checked") from problem
