"""Signed access tokens: RFC 6750 (Bearer), RFC 9068 (JWT access tokens), RFC 8725 (best practice)."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact

from gateway.authn.authenticator import CredentialsMissing, TokenInvalid
from gateway.authn.claims import check_claims, principal_of
from gateway.authn.issuer import IssuerSettings
from gateway.authn.jwks import IssuerKeys, VerificationKey
from gateway.authn.metadata import IssuerMetadata
from permissions.principal import Principal

TOKEN_BYTES_MAX: Final = 16_384
VERIFIED_KEPT: Final = 10_000
CLIENT_TIMEOUT_S: Final = 3.0


IssuerClient = httpx.AsyncClient
"""The connections over which issuers are asked."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An accepted issuer with its keys."""

    settings: IssuerSettings
    metadata: IssuerMetadata
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    issuer: Issuer
    thumbprint: str
    expires_at: float
    """Seconds since 1970, the leeway included."""


def issuer_client() -> IssuerClient:
    """The HTTP client for what issuers publish: no redirects, nothing taken from the environment."""
    return httpx.AsyncClient(timeout=CLIENT_TIMEOUT_S, follow_redirects=False, trust_env=False)


def open_issuers(settings: Iterable[IssuerSettings], client: IssuerClient) -> tuple[Issuer, ...]:
    """Issuers that read their keys over `client` when a token first needs them."""
    listed = [(one, IssuerMetadata(one, client)) for one in settings]
    return tuple(Issuer(one, metadata, IssuerKeys(metadata, client)) for one, metadata in listed)


class JwtAuthenticator:
    """Recognises callers by access tokens that a configured issuer has signed.

    A verified token is remembered by its SHA-256 until it expires or its key is retired.
    """

    def __init__(self, issuers: Iterable[Issuer], clock: Callable[[], float] = time.time) -> None:
        self._issuers = {issuer.settings.issuer: issuer for issuer in issuers}
        self._clock = clock
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Principal:
        """The principal of a Bearer token; raises `AuthenticationFailed`."""
        token = bearer_token(authorization)
        digest = sha256(token).digest()
        verified = self._verified.get(digest)
        if verified is None:
            verified = await self._verify(token)
            self._remember(digest, verified)
        elif not await self._still_holds(verified):
            self._verified.pop(digest, None)
            raise TokenInvalid("the token has expired or its key is retired")
        return verified.principal

    async def close(self) -> None:
        """Ends fetches of keys under way."""
        for issuer in self._issuers.values():
            await issuer.keys.close()

    async def _verify(self, token: bytes) -> _Verified:
        signed = _unpacked(token)
        claims = _claims(signed)
        named = claims.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise TokenInvalid("iss is no configured issuer")
        key = await _signing_key(signed.headers(), issuer)
        if not _is_signed_by(signed, key, issuer.settings):
            raise TokenInvalid("the signature does not match")
        check_claims(claims, issuer.settings, self._clock())
        principal = principal_of(claims, issuer.settings)
        expires_at = principal.expires_at + issuer.settings.leeway_s
        return _Verified(principal, issuer, key.thumbprint, expires_at)

    async def _still_holds(self, verified: _Verified) -> bool:
        if verified.expires_at <= self._clock():
            return False
        return await verified.issuer.keys.holds(verified.thumbprint)

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        while len(self._verified) > VERIFIED_KEPT:
            self._verified.popitem(last=False)


def bearer_token(authorization: str | None) -> bytes:
    """The token of an Authorization header (RFC 6750 section 2.1)."""
    if authorization is None:
        raise CredentialsMissing
    if len(authorization) > TOKEN_BYTES_MAX:
        raise TokenInvalid("too long")
    scheme, _, token = authorization.strip(" ").partition(" ")
    if scheme.lower() != "bearer":
        raise TokenInvalid("not a Bearer token")
    try:
        return token.strip(" ").encode("ascii")
    except UnicodeEncodeError as problem:
        raise TokenInvalid("not ASCII") from problem


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


def _claims(signed: CompactSignature) -> Mapping[str, Any]:
    try:
        claims = json.loads(signed.payload)
    except (ValueError, RecursionError) as problem:
        raise TokenInvalid("the claims are not JSON") from problem
    if not isinstance(claims, dict):
        raise TokenInvalid("the claims are no object")
    return claims


async def _signing_key(header: Mapping[str, Any], issuer: Issuer) -> VerificationKey:
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ")
    if algorithm not in issuer.settings.algorithms:
        raise TokenInvalid("alg is not accepted")
    if not isinstance(kind, str) or _media_subtype(kind) not in map(_media_subtype, issuer.settings.types):
        raise TokenInvalid("typ is not that of an access token")
    if not isinstance(kid, str) or not kid:
        raise TokenInvalid("kid is missing")
    key = await issuer.keys.find(kid, algorithm)
    if key is None:
        raise TokenInvalid("kid matches no key, or several")
    return key


def _media_subtype(kind: str) -> str:
    """RFC 7515 section 4.1.9: `application/` may be left out, and case does not count."""
    return kind.lower().removeprefix("application/")


def _is_signed_by(signed: CompactSignature, key: VerificationKey, settings: IssuerSettings) -> bool:
    registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
    try:
        return validate_compact(signed, key.key, registry=registry)
    except (JoseError, ValueError, TypeError) as problem:
        raise TokenInvalid("the signature cannot be checked") from problem
