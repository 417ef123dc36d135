"""The signing key of the sandbox: one ES384 key for each state folder, made on first use."""

from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, KeySet

from clinical.codec import decode_json, encode_json
from sandbox.files import write_private

ALGORITHM = "ES384"
CURVE = "P-384"


def read_key(path: Path) -> ECKey:
    """The private key at `path`. Raises FileNotFoundError where there is none."""
    return ECKey.import_key(decode_json(path.read_bytes()))


def ensure_key(path: Path) -> ECKey:
    """The private key at `path`, made (readable by the owner alone) where there is none."""
    if not path.exists():
        write_private(path, encode_json(_new_key().as_dict(private=True)))
    return read_key(path)


def public_keys(key: ECKey) -> dict[str, Any]:
    """The JWK Set that anybody may read (RFC 7517 section 5)."""
    return dict(KeySet([key]).as_dict(private=False))


def _new_key() -> ECKey:
    key = ECKey.generate_key(CURVE, {"use": "sig", "alg": ALGORITHM}, private=True)
    key.ensure_kid()
    return key
