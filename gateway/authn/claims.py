"""From the verified claims of an access token (RFC 9068) to a Principal."""

import math
from collections.abc import Mapping
from typing import Any, Final

from gateway.authn.authenticator import TokenInvalid
from gateway.authn.issuer import IssuerSettings
from permissions.principal import Principal
from permissions.scopes import parse_scopes

CLIENT_CLAIMS: Final = ("client_id", "azp", "cid")  # RFC 9068, OpenID Connect, Okta
SCOPE_CLAIMS: Final = ("scope", "scp")  # RFC 8693 section 4.2; Okta and Entra ID


def check_claims(claims: Mapping[str, Any], issuer: IssuerSettings, now_s: float) -> None:
    """Issuer, audience, times and binding (RFC 7519, RFC 9068 section 4); raises `TokenInvalid`."""
    if claims.get("iss") != issuer.issuer:
        raise TokenInvalid("iss is another issuer")
    audience = claims.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise TokenInvalid("aud is another audience")
    _check_times(claims, issuer.leeway_s, now_s)
    if claims.get("cnf") is not None:
        # RFC 9449 and RFC 8705: whoever holds a bound token must prove the key, which Bearer does not.
        raise TokenInvalid("the token is bound to a key")


def principal_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> Principal:
    """The principal that checked claims describe; raises `TokenInvalid` where one is missing or odd."""
    fhir_user = _text(claims, "fhirUser")
    scopes = parse_scopes(_scope_words(claims))
    if issuer.fhir_user_required and not fhir_user:
        scopes = tuple(scope for scope in scopes if scope.level != "user")
    return Principal(
        issuer=issuer.issuer,
        client=_required(_client(claims), "client_id"),
        subject=_required(_text(claims, "sub"), "sub"),
        scopes=scopes,
        patient=_text(claims, "patient"),
        patient_source=issuer.patient_source,
        fhir_user=fhir_user,
        token_id=_text(claims, "jti"),
        expires_at=float(claims["exp"]),
    )


def _check_times(claims: Mapping[str, Any], leeway_s: float, now_s: float) -> None:
    expires_at, not_before, issued_at = (_instant(claims, name) for name in ("exp", "nbf", "iat"))
    if expires_at is None:
        raise TokenInvalid("exp is missing")
    if expires_at <= now_s - leeway_s:
        raise TokenInvalid("the token has expired")
    if not_before is not None and not_before > now_s + leeway_s:
        raise TokenInvalid("the token is not valid yet")
    if issued_at is not None and issued_at > now_s + leeway_s:
        raise TokenInvalid("iat lies in the future")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TokenInvalid(f"{name} is not a time")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenInvalid(f"{name} is not text")
    return value or None


def _client(claims: Mapping[str, Any]) -> str | None:
    return next((client for client in (_text(claims, name) for name in CLIENT_CLAIMS) if client), None)


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise TokenInvalid(f"{name} is missing")
    return value


def _scope_words(claims: Mapping[str, Any]) -> list[str]:
    for name in SCOPE_CLAIMS:
        value = claims.get(name)
        if isinstance(value, str):
            return value.split(" ")
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return value
        if value is not None:
            raise TokenInvalid(f"{name} is not a list of scopes")
    return []
