"""Ids of attachments: what clients have in the place of a source's address (docs/attachments.md).

    address := prefix "/binary/" id
    id      := base64url of AES-SIV (RFC 5297) over the source, the place, the resource and the url's hash

The id names an attachment, it grants nothing: whoever brings it is asked for a token, and the resource is
read again with that token's permissions. It is deterministic, so that the same attachment keeps its
address.
"""

import base64
import hashlib
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PATH: Final = "/binary/"
ID_LENGTH_MAX: Final = 400
_PURPOSE: Final = b"clinical-gateway attachment id"
_DIGEST_BYTES: Final = 12


class AttachmentId(msgspec.Struct, frozen=True, array_like=True):
    """One attachment: `url` in some element of a resource of a source's place, both hashed."""

    source: str
    place: bytes
    type: str
    id: str
    url: bytes


class Attachments:
    """Makes and reads addresses. The key is derived from a 32-byte key for other purposes; `prefix` is where
    clients reach the gateway, empty for addresses that are relative to it."""

    def __init__(self, key: bytes, prefix: str = "") -> None:
        derived = HKDF(hashes.SHA256(), 64, salt=None, info=_PURPOSE).derive(key)
        self._cipher = AESSIV(derived)
        self._prefix = prefix + PATH

    def address(self, named: AttachmentId) -> str:
        """Where a client asks for the attachment."""
        return self._prefix + self._text(named)

    def open(self, text: str) -> AttachmentId | None:
        """What an id names; None for any text that is not exactly one of ours."""
        if len(text) > ID_LENGTH_MAX:
            return None
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed, [_PURPOSE])
            named = msgspec.msgpack.decode(plain, type=AttachmentId)
        except (ValueError, InvalidTag, msgspec.DecodeError):
            return None
        return named if self._text(named) == text else None

    def _text(self, named: AttachmentId) -> str:
        sealed = self._cipher.encrypt(msgspec.msgpack.encode(named), [_PURPOSE])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def digest(text: str) -> bytes:
    """What stands for an address in an id."""
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
