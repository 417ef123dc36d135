"""Bearer tokens of the sandbox's own authorization server, verified with the key in the state folder."""

import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from sandbox.fhir.outcome import RequestRefused
from sandbox.issuer.keys import ALGORITHM, read_key

KEPT_TOKENS = 1_000


class Bearer:
    """Checks that a token was issued for this server. The key file is read when a token comes: the issuer may
    start later than the server."""

    def __init__(self, key_file: Path, audience: str) -> None:
        self._key_file = key_file
        self._audience = audience
        self._good_until: dict[str, float] = {}

    def check(self, authorization: str) -> None:
        """Raises RequestRefused (401) unless the header has a valid, unexpired token for this audience."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refusal("only Bearer tokens are accepted")
        if self._good_until.get(token, 0.0) > time.time():
            return
        if len(self._good_until) >= KEPT_TOKENS:
            self._good_until.clear()
        self._good_until[token] = self._verified_expiry(token)

    def _verified_expiry(self, token: str) -> float:
        claims = self._claims(token)
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise _refusal("the token is meant for another server")
        expiry = claims.get("exp")
        if not isinstance(expiry, int | float) or expiry <= time.time():
            raise _refusal("the token has expired")
        return float(expiry)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, read_key(self._key_file), [ALGORITHM]).claims)
        except OSError as problem:
            raise _refusal("this server knows no issuer") from problem
        except (JoseError, ValueError) as problem:
            raise _refusal("the token is not one of this sandbox's issuer") from problem


def _refusal(diagnostics: str) -> RequestRefused:
    return RequestRefused(401, "login", diagnostics)
