"""The canonical id of a person: one linking identifier, sealed.

`person/<key id>.<base64url>` holds the identifier that links a person's records (an NHS number, most often)
under deterministic authenticated encryption: AES-SIV, RFC 5297. The same identifier and key always give the
same id, whichever sources answer; nobody without the key reads the identifier in a log or a bookmark, and an
altered id is refused. The key id in front tells a rotated key from a forgery.
"""

import hashlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from clinical.identifiers import Token

KEY_BYTES = 64
PREFIX = "person/"
_START = len(PREFIX) + 5
"""Where in a person id the sealed text begins: after the key id of four characters, and a dot."""
_ID_MAX = _START + 1366
"""The longest person id that is opened, in characters."""
_PURPOSE = b"clinical-gateway person id"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


class PersonIdInvalid(ValueError):
    """The text is not a person id that this key sealed."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """The 64-byte key that seals and opens person ids. `key_id` may be shown, `key` never."""

    key: bytes = field(repr=False)
    key_id: str = field(init=False)
    _cipher: AESSIV = field(init=False, repr=False, compare=False)
    _bound_to: list[bytes] = field(init=False, repr=False, compare=False)
    _prefix: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"The identity key must be {KEY_BYTES} bytes, not {len(self.key)}.")
        object.__setattr__(self, "key_id", _base64url(hashlib.sha256(self.key).digest())[:4])
        object.__setattr__(self, "_cipher", AESSIV(self.key))
        object.__setattr__(self, "_bound_to", [_PURPOSE, self.key_id.encode()])
        object.__setattr__(self, "_prefix", f"{PREFIX}{self.key_id}.".encode())

    def seal(self, system: str, value: str) -> str:
        """The person id of an identifier. Raises ValueError for one that is empty or holds U+0000."""
        plain = f"{system}\0{value}"
        if not system or not value or plain.count("\0") > 1:
            raise ValueError("A linking identifier has a system and a value, without U+0000.")
        sealed = self._cipher.encrypt(plain.encode(), self._bound_to)
        return (self._prefix + b2a_base64(sealed, newline=False).translate(_URL_SAFE, b"=")).decode()

    def seal_all(self, system: str, values: Sequence[str]) -> list[str]:
        """The person ids of many identifiers of one system. Raises ValueError as `seal` does."""
        if not system or "\0" in system or "" in values or "\0" in "".join(values):
            raise ValueError("A linking identifier has a system and a value, without U+0000.")
        prefix, encrypt, bound_to = self._prefix, self._cipher.encrypt, self._bound_to
        ids = []
        for value in values:
            sealed = b2a_base64(encrypt(f"{system}\0{value}".encode(), bound_to), newline=False)
            ids.append((prefix + sealed.translate(_URL_SAFE, b"=")).decode())
        return ids

    def open(self, token: str) -> tuple[str, str]:
        """The (system, value) that a person id was sealed from. Raises PersonIdInvalid for any other text."""
        try:
            if len(token) > _ID_MAX:
                raise ValueError("longer than any id")
            raw = token.encode()
            # What is too much of the padding is ignored.
            data = a2b_base64(raw[_START:].translate(_STANDARD) + b"==")
            if self._prefix + b2a_base64(data, newline=False).translate(_URL_SAFE, b"=") != raw:
                raise ValueError("another prefix, or not canonical base64url")  # an id has one spelling only
            system, _, value = self._cipher.decrypt(data, self._bound_to).decode().partition("\0")
        except (InvalidTag, ValueError) as problem:
            raise PersonIdInvalid("This is not an id of a person here.") from problem
        return system, value


class Sealing(msgspec.Struct, eq=False):
    """Person ids made in one request. `known`: those that the caller gave, by identifier: there is one for an
    identifier, so none need be sealed again."""

    key: PersonKey
    known: dict[Token, str] = {}

    def id_of(self, identifier: Token) -> str:
        """The person id that an identifier makes."""
        known = self.known.get(identifier) if self.known else None
        return known or self.key.seal(identifier.system or "", identifier.code or "")

    def ids_of(self, identifiers: Sequence[Token]) -> list[str]:
        """Those of many identifiers."""
        system = identifiers[0].system or "" if identifiers else ""
        codes = [one.code or "" for one in identifiers if one.system == system]
        if self.known or len(codes) < len(identifiers):
            return [self.id_of(one) for one in identifiers]
        return self.key.seal_all(system, codes)


def _base64url(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode()
