"""Tokens as the sandbox mints them: access tokens by RFC 9068, with SMART's `patient` and `fhirUser`, and ID
tokens by OpenID Connect."""

import time
import uuid
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from sandbox.issuer.keys import ALGORITHM, ID_ALGORITHM

AUDIENCE = "https://clinical-gateway.sandbox"
"""The gateway's audience. Constant, so that a token outlives a change of ports."""

ID_TOKEN_TTL_S = 300


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token shall say. `claims` are added last and may replace any other claim."""

    scope: str
    client: str = "sandbox-app"
    patient: str | None = None
    user: str | None = None
    ttl_s: int = 3600
    claims: dict[str, Any] = {}

    @property
    def subject(self) -> str:
        return self.user or self.patient or self.client


def mint(key: ECKey, issuer: str, audience: str, grant: Grant) -> str:
    """A signed access token for the grant, valid from now for `grant.ttl_s` seconds."""
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}
    return jwt.encode(header, _claims(issuer, audience, grant, int(time.time())), key, [ALGORITHM])


def mint_id_token(key: RSAKey, issuer: str, grant: Grant, nonce: str | None) -> str:
    """Who the user is, for the client alone (OpenID Connect Core section 2); `fhirUser` where that was
    granted (SMART App Launch 2.2, "Scopes for requesting identity data")."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.subject,
        "aud": grant.client,
        "iat": now,
        "exp": now + ID_TOKEN_TTL_S,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if grant.user is not None and {"fhirUser", "profile"} & set(grant.scope.split()):
        claims["fhirUser"] = grant.user
    header = {"alg": ID_ALGORITHM, "typ": "JWT", "kid": key.kid}
    return jwt.encode(header, claims, key, [ID_ALGORITHM])


def _claims(issuer: str, audience: str, grant: Grant, now: int) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.subject,
        "aud": audience,
        "client_id": grant.client,
        "scope": grant.scope,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + grant.ttl_s,
    }
    if grant.patient is not None:
        claims["patient"] = grant.patient
    if grant.user is not None:
        claims["fhirUser"] = grant.user
    return claims | grant.claims
