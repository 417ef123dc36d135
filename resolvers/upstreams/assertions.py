"""`private_key_jwt`: the gateway proves itself with a JWT that it has signed (RFC 7523, SMART Backend
Services)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.rfc7523 import private_key_jwt_sign

from resolvers.upstreams.credential_settings import Algorithm

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME_S: Final = 240
"""SMART allows five minutes; a minute is left for a clock of ours that runs fast."""

Headers = Mapping[str, str]
Proof = Callable[[Any, str, str, Headers, str], tuple[str, Headers, str]]
"""Puts a client's proof into a token request: (client, method, address, headers, form), as Authlib calls
it."""


class KeyRing(Protocol):
    """The gateway's own signing keys, whose public halves it publishes."""

    def signing_key(self, algorithm: Algorithm) -> Any | None:
        """The joserfc key to sign with, its `kid` set; None where there is none of this algorithm."""


def assertion(key: Any, algorithm: Algorithm, client_id: str, audience: str) -> str:
    """A fresh client assertion: `jti` unique, good for four minutes."""
    made: str = private_key_jwt_sign(
        key,
        client_id,
        audience,
        alg=algorithm,
        header={"typ": "JWT", "kid": key.kid},
        expires_in=LIFETIME_S,
    )
    return made


def assertion_proof(key: Any, algorithm: Algorithm, client_id: str, token_url: str) -> Proof:
    """The client authentication method `private_key_jwt` for a token endpoint, which is its audience."""

    def prove(client: Any, method: str, url: str, headers: Headers, body: str) -> tuple[str, Headers, str]:
        signed = assertion(key, algorithm, client_id, token_url)
        form = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", signed)]
        return url, headers, add_params_to_qs(body or "", form)

    return prove
