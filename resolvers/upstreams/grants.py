"""What users have granted: as handed in by a secret, and as kept, sealed, in the store.

The secret is a JSON object: account -> access token, or account -> `{"access_token", "refresh_token",
"expires_at"}` (any but one of the tokens may be missing; seconds since 1970). It says who has granted access;
an account that is taken out of it has no grant. Put a new grant in the place of an old one and it counts from
then on.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from resolvers.upstreams.secret_source import SecretInvalid, SecretMissing, is_sendable

KEY_BYTES: Final = 32
REREAD_S: Final = 10.0
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"clinical-gateway grant"


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The tokens of one account. `expires_at`, of the access token, and `renew_at`, from when on it should be
    renewed, in seconds since 1970."""

    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: float | None = None
    renew_at: float | None = None

    def __repr__(self) -> str:
        return "Grant()"


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a grant. `seed`: the fingerprint of what was handed in, so that something new is
    noticed; `grant` None: it was revoked. `claimed_until`: somebody renews it now; `spent_at`: since when its
    refresh token may have been used, 0 for surely not. Both in seconds since 1970."""

    seed: str
    grant: Grant | None = None
    claimed_until: float = 0.0
    spent_at: float = 0.0


class GrantUnreadable(Exception):
    """A kept grant was sealed with another key, for another account, or altered."""


class Seal:
    """Encrypts records (AES-256-GCM), each bound to its source and account."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, record: Record, source: str, account: str) -> bytes:
        """The record as the store may hold it; never the same bytes twice."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(record), _bound_to(source, account))

    def open(self, sealed: bytes, source: str, account: str) -> Record:
        """The record again. Raises GrantUnreadable."""
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, content, _bound_to(source, account))
            return msgspec.msgpack.decode(plain, type=Record)
        except (InvalidTag, ValueError, msgspec.DecodeError) as problem:
            raise GrantUnreadable from problem


class HandedIn:
    """The grants of a secret, which is read again at most every 10 s."""

    def __init__(self, name: str, read: Callable[[], str]) -> None:
        self._name = name
        self._read = read
        self._text = read()
        self._grants = read_grants(name, self._text)
        self._read_at = time.monotonic()
        self.accounts = frozenset(self._grants)
        """Everyone who granted access, as last read."""

    def of(self, account: str) -> Grant | None:
        """What an account handed in. A secret that can be read no more changes nothing."""
        now = time.monotonic()
        if now - self._read_at >= REREAD_S:
            self._read_at = now
            try:
                self._look_again()
            except (SecretMissing, SecretInvalid):
                pass
        return self._grants.get(account)

    def _look_again(self) -> None:
        text = self._read()
        if text != self._text:
            self._grants = read_grants(self._name, text)
            self._text, self.accounts = text, frozenset(self._grants)


def read_grants(name: str, text: str) -> Mapping[str, Grant]:
    """The grants in a secret. Raises SecretInvalid."""
    try:
        written = msgspec.json.decode(text, type=dict[str, str | Grant])
    except msgspec.DecodeError as problem:
        told = "is not JSON" if not isinstance(problem, msgspec.ValidationError) else _SHAPE
        raise SecretInvalid(f"the secret {name!r} {told}") from None
    grants = {who: Grant(one) if isinstance(one, str) else one for who, one in written.items()}
    for one in grants.values():
        tokens = [token for token in (one.access_token, one.refresh_token) if token is not None]
        if not tokens or not all(token and is_sendable(token) for token in tokens):
            raise SecretInvalid(f"the secret {name!r} {_SHAPE}")
    return grants


_SHAPE: Final = (
    'must be a JSON object of account to token, or to {"access_token", "refresh_token", "expires_at"}'
)


def fingerprint(grant: Grant) -> str:
    """What tells one handed-in grant from another."""
    return hashlib.sha256(msgspec.msgpack.encode(grant)).hexdigest()


def store_key(source: str, account: str) -> str:
    """Where the store has an account's record; it tells nobody whose that is."""
    return "grant:" + hashlib.sha256(_bound_to(source, account)).hexdigest()


def _bound_to(source: str, account: str) -> bytes:
    return b"\0".join((_PURPOSE, source.encode(), account.encode()))
