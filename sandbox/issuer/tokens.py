"""Access tokens as the sandbox mints them: JWTs by RFC 9068, with SMART's `patient` and `fhirUser`."""

import time
import uuid
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from sandbox.issuer.keys import ALGORITHM

AUDIENCE = "https://clinical-gateway.sandbox"
"""The gateway's audience. Constant, so that a token outlives a change of ports."""


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token shall say. `claims` are added last and may replace any other claim."""

    scope: str
    client: str = "sandbox-app"
    patient: str | None = None
    user: str | None = None
    ttl_s: int = 3600
    claims: dict[str, Any] = {}


def mint(key: ECKey, issuer: str, audience: str, grant: Grant) -> str:
    """A signed access token for the grant, valid from now for `grant.ttl_s` seconds."""
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}
    return jwt.encode(header, _claims(issuer, audience, grant, int(time.time())), key, [ALGORITHM])


def _claims(issuer: str, audience: str, grant: Grant, now: int) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.user or grant.patient or grant.client,
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
