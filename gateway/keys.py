"""The gateway's own signing keys, with which it proves itself to token endpoints, and their public halves.

The secret `signing_keys` holds private keys, as a JWK Set, a JWK, or PEM blocks one after the other: EC on
P-384 for ES384, RSA of 2048 bits or more for RS384. The first of an algorithm signs; all are published at
`/.well-known/jwks.json` (RFC 7517, SMART Backend Services), so that the next key is known before it is used
and the last one for as long as something it signed may be looked at.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.secrets import SecretInvalid, Secrets
from resolvers.upstreams.credential_settings import Algorithm
from resolvers.upstreams.credentials import SIGNING_KEYS

MAX_AGE_S: Final = 3600
RSA_BITS_MIN: Final = 2048
CURVE: Final = "P-384"

PUBLIC_MEMBERS: Final = {"EC": ("crv", "x", "y"), "RSA": ("n", "e")}
"""RFC 7518 section 6: what of a key anybody may know. Nothing else is ever published."""

_PEM: Final = re.compile(r"-----BEGIN ((?:[A-Z]+ )*KEY)-----.*?-----END \1-----", re.DOTALL)

SigningKey = ECKey | RSAKey


class SigningKeys:
    """The keys, in the order of the secret (`resolvers.upstreams.assertions.KeyRing`)."""

    def __init__(self, keys: Iterable[SigningKey] = ()) -> None:
        self._keys = tuple(keys)

    def signing_key(self, algorithm: Algorithm) -> SigningKey | None:
        """The key that signs by this algorithm."""
        return next((key for key in self._keys if algorithm_of(key) == algorithm), None)

    def published(self) -> dict[str, Any]:
        """The JWK Set that anybody may read."""
        return {"keys": [_public(key) for key in self._keys]}

    async def publish(self, _: Request) -> Response:
        """The answer to a GET. Whoever caches it learns of a new key within an hour."""
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
        return JSONResponse(self.published(), headers=headers)


def read_keys(secrets: Secrets) -> SigningKeys:
    """The keys of a deployment, none where it has none. Raises SecretInvalid, which shows nothing of them."""
    text = secrets.get(SIGNING_KEYS)
    if text is None:
        return SigningKeys()
    keys = [_named(key) for key in _keys(text)]
    names = [key.kid for key in keys]
    if len(set(names)) < len(names):
        raise _invalid("holds two keys of one `kid`")
    return SigningKeys(keys)


def algorithm_of(key: SigningKey) -> Algorithm:
    """What a key is for."""
    return "ES384" if isinstance(key, ECKey) else "RS384"


def _keys(text: str) -> list[SigningKey]:
    if text.lstrip().startswith("{"):
        return [_imported(one) for one in _jwks(text)]
    blocks = [found[0] for found in _PEM.finditer(text)]
    if not blocks:
        raise _invalid("holds neither JWKs nor private keys in PEM")
    return [_imported(block) for block in blocks]


def _jwks(text: str) -> list[Any]:
    try:
        written = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("is not JSON") from None
    listed = written.get("keys", [written])
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        raise _invalid("is no JWK Set")
    return listed


def _imported(written: str | dict[str, Any]) -> SigningKey:
    """A private key of one of the two kinds."""
    for kind in (ECKey, RSAKey):
        try:
            key = kind.import_key(written)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if not key.is_private:
            raise _invalid("holds a public key, with which nothing can be signed")
        if isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS_MIN:
            raise _invalid(f"holds an RSA key of less than {RSA_BITS_MIN} bits")
        if isinstance(key, ECKey) and key.curve_name != CURVE:
            raise _invalid(f"holds an EC key of another curve than {CURVE}")
        return key
    raise _invalid(f"holds a key that is neither EC on {CURVE} nor RSA, or cannot be read")


def _named(key: SigningKey) -> SigningKey:
    """The key with its `kid`: its thumbprint (RFC 7638) where it states none."""
    key.ensure_kid()
    return key


def _public(key: SigningKey) -> Mapping[str, Any]:
    known = key.as_dict(private=False)
    members = {name: known[name] for name in PUBLIC_MEMBERS[key.key_type]}
    return {"kty": key.key_type, **members, "kid": key.kid, "use": "sig", "alg": algorithm_of(key)}


def _invalid(what: str) -> SecretInvalid:
    return SecretInvalid(f"the secret `{SIGNING_KEYS}` {what}")
