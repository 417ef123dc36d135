"""The signing keys of the sandbox, made on first use: ES384 for access tokens, RS256 for ID tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, KeySet, RSAKey

from clinical.codec import decode_json, encode_json
from sandbox.files import write_private

ALGORITHM = "ES384"
CURVE = "P-384"

ID_ALGORITHM = "RS256"
"""What every OpenID Connect client knows, and SMART asks for (SMART App Launch 2.2, `sso-openid-connect`)."""
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key of access tokens, which the command line signs with too, and that of ID tokens."""

    access: ECKey
    identity: RSAKey


def read_key(path: Path) -> ECKey:
    """The private key at `path`. Raises FileNotFoundError where there is none."""
    return ECKey.import_key(decode_json(path.read_bytes()))


def ensure_key(path: Path) -> ECKey:
    """The private key at `path`, made (readable by the owner alone) where there is none."""
    if not path.exists():
        _write(path, ECKey.generate_key(CURVE, {"use": "sig", "alg": ALGORITHM}, private=True))
    return read_key(path)


def ensure_keys(folder: Path) -> SigningKeys:
    """Both keys of a state folder, made where they are missing."""
    identity = folder / "issuer-id-token-key.json"
    if not identity.exists():
        _write(identity, RSAKey.generate_key(RSA_BITS, {"use": "sig", "alg": ID_ALGORITHM}, private=True))
    access = ensure_key(folder / "issuer-key.json")
    return SigningKeys(access, RSAKey.import_key(decode_json(identity.read_bytes())))


def public_keys(*keys: ECKey | RSAKey) -> dict[str, Any]:
    """The JWK Set that anybody may read (RFC 7517 section 5)."""
    return dict(KeySet(list(keys)).as_dict(private=False))


def _write(path: Path, key: ECKey | RSAKey) -> None:
    key.ensure_kid()
    write_private(path, encode_json(key.as_dict(private=True)))
