"""How the gateway shows an issuer who it is when it asks about a token (RFC 6749 section 2.3, RFC 7523)."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from gateway.authn.issuer import ClientAuthentication, IntrospectionSettings
from gateway.secrets import SecretInvalid, Secrets

ASSERTION_TTL_S: Final = 60
_ALGORITHMS: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}
_RSA_ALGORITHM: Final = "RS384"


@dataclass(frozen=True, slots=True)
class ClientProof:
    """What a request gets in addition: headers and form fields."""

    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


def client_proof(settings: IntrospectionSettings, issuer: str, secrets: Secrets) -> ClientProof:
    """A proof for one request, by the secret as it is now; raises `SecretInvalid`."""
    secret = secrets.required(settings.secret)
    return _PROOFS[settings.authentication](settings, issuer, secret)


def _basic(settings: IntrospectionSettings, _: str, secret: str) -> ClientProof:
    """Both parts are form-encoded first (section 2.3.1), or a colon in one would move the border."""
    pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
    return ClientProof({"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})


def _post(settings: IntrospectionSettings, _: str, secret: str) -> ClientProof:
    return ClientProof(form={"client_id": settings.client_id, "client_secret": secret})


def _private_key_jwt(settings: IntrospectionSettings, issuer: str, secret: str) -> ClientProof:
    key = _private_key(settings.secret, secret)
    try:
        assertion = private_key_jwt_sign(
            key,
            settings.client_id,
            issuer,  # the audience is the issuer, not an endpoint: no other server can use the assertion
            alg=_algorithm(key),
            header={"kid": key.kid} if key.kid else {},
            expires_in=ASSERTION_TTL_S,
        )
    except (JoseError, ValueError):
        raise SecretInvalid(f"the secret `{settings.secret}` cannot sign by its algorithm") from None
    return ClientProof(
        form={
            "client_id": settings.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
    )


def _private_key(name: str, secret: str) -> Key:
    try:
        key = JWKRegistry.import_key(msgspec.json.decode(secret, type=dict[str, Any]))
    except (msgspec.DecodeError, JoseError, ValueError, TypeError, KeyError):
        raise SecretInvalid(f"the secret `{name}` must be a private key as JSON (JWK)") from None
    if not key.is_private or key.key_type == "oct":
        raise SecretInvalid(f"the secret `{name}` must be a private key, and is not")
    return key


def _algorithm(key: Key) -> str:
    declared = key.get("alg") or _ALGORITHMS.get(str(key.get("crv")), _RSA_ALGORITHM)
    return str(declared)


_PROOFS: Final[Mapping[ClientAuthentication, Callable[[IntrospectionSettings, str, str], ClientProof]]] = {
    "client_secret_basic": _basic,
    "client_secret_post": _post,
    "private_key_jwt": _private_key_jwt,
}
