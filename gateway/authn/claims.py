"""Whether what is said of a token counts: by its own claims (RFC 9068), or by introspection (RFC 7662)."""

import math
from collections.abc import Mapping
from typing import Any, Final

from gateway.authn.authenticator import TokenInvalid
from gateway.authn.issuer import ClaimSettings, JwtIssuerSettings, OpaqueIssuerSettings

Claims = Mapping[str, Any]

CLIENT_CLAIMS: Final = ("client_id", "azp", "cid")  # RFC 9068, OpenID Connect, Okta
KIND_MEMBERS: Final = ("token_type", "typ", "token_use")  # RFC 7662; Keycloak; Ory Hydra
ACCESS_TOKEN_KINDS: Final = frozenset({"bearer", "at+jwt", "access_token"})
"""What introspection may call a token."""


def check_claims(claims: Claims, issuer: JwtIssuerSettings, now_s: float) -> None:
    """Issuer, audience, times, client (RFC 7519, RFC 9068 section 4); raises `TokenInvalid`."""
    if claims.get("iss") != issuer.issuer:
        raise TokenInvalid("iss is another issuer")
    if not _is_for(issuer.audience, claims):
        raise TokenInvalid("aud is another audience")
    _check_times(claims, issuer.leeway_s, now_s)
    _check_clients(claims, issuer)
    check_required(claims, issuer.claims)


def check_answer(answer: Claims, issuer: OpaqueIssuerSettings, now_s: float) -> None:
    """What introspection says of an active token, by the members that SMART requires; raises `TokenInvalid`.

    SMART App Launch 2.2, Token Introspection: scope, client_id, exp. A member that is there must fit: `iss`,
    `aud`, and what kind of token it is.
    """
    if claim(answer, issuer.claims.scope or "scope") is None:
        raise TokenInvalid("introspection tells no scope")
    if not text(answer, "client_id"):
        raise TokenInvalid("introspection tells no client_id")
    if answer.get("iss", issuer.issuer) != issuer.issuer:
        raise TokenInvalid("introspection tells of another issuer")
    if not _is_for(issuer.audience, answer):
        raise TokenInvalid("introspection tells of another audience")
    _check_kind(answer, is_for_us=issuer.audience is not None)
    _check_times(answer, issuer.leeway_s, now_s)
    if answer["exp"] <= now_s:
        raise TokenInvalid("the token has expired")
    _check_clients(answer, issuer)
    check_required(answer, issuer.claims)


def _check_kind(answer: Claims, is_for_us: bool) -> None:
    """Introspection also knows refresh tokens: they are active, and name no kind and no audience."""
    told = [str(answer[name]).lower() for name in KIND_MEMBERS if answer.get(name) is not None]
    if not all(kind in ACCESS_TOKEN_KINDS for kind in told):
        raise TokenInvalid("introspection tells of another kind of token")
    if not told and not is_for_us:
        raise TokenInvalid("introspection does not tell that this is an access token")


def check_required(claims: Claims, settings: ClaimSettings) -> None:
    """Claims that the operator demands, such as a level of proofing; raises `TokenInvalid`."""
    for path, expected in settings.required.items():
        value = claim(claims, path)
        listed = value if isinstance(value, list) else [value]
        if not any(type(one) is type(expected) and one == expected for one in listed):
            raise TokenInvalid(f"{path} is not what the settings require")


def claim(claims: Claims, path: str | None) -> Any:
    """The claim of that name, else what the dotted path leads to; None where there is neither."""
    if path is None:
        return None
    if path in claims:  # names may be addresses, which have dots of their own
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text(claims: Claims, path: str | None) -> str | None:
    """A claim that is text, None where it is absent or empty; raises `TokenInvalid` for anything else."""
    value = claim(claims, path)
    if value is not None and not isinstance(value, str):
        raise TokenInvalid(f"{path} is not text")
    return value or None


def client_of(claims: Claims) -> str:
    """Whom the token was given to; raises `TokenInvalid`."""
    for name in CLIENT_CLAIMS:
        if client := text(claims, name):
            return client
    raise TokenInvalid("client_id is missing")


def _check_clients(claims: Claims, issuer: JwtIssuerSettings | OpaqueIssuerSettings) -> None:
    if issuer.clients is not None and client_of(claims) not in issuer.clients:
        raise TokenInvalid("the client is not one of those that are accepted")


def _is_for(audience: str | None, claims: Claims) -> bool:
    """Whether the token is for us: one that names an audience is for nobody who has none."""
    named = claims.get("aud")
    return audience in (named if isinstance(named, list) else [named])


def _check_times(claims: Claims, leeway_s: float, now_s: float) -> None:
    expires_at, not_before, issued_at = (_instant(claims, name) for name in ("exp", "nbf", "iat"))
    if expires_at is None:
        raise TokenInvalid("exp is missing")
    if expires_at <= now_s - leeway_s:
        raise TokenInvalid("the token has expired")
    if not_before is not None and not_before > now_s + leeway_s:
        raise TokenInvalid("the token is not valid yet")
    if issued_at is not None and issued_at > now_s + leeway_s:
        raise TokenInvalid("iat lies in the future")


def _instant(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TokenInvalid(f"{name} is not a time")
    return float(value)
