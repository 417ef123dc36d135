"""Cursors: where a walk stands, sealed for the one who walks (docs/schema.md).

A cursor holds the last row given out (a keyset position over all sources), per stream the page in
which the walk goes on, and which sources had missed nothing up to there. It is encrypted and bound
to the question, the issuer, the client and the subject; it expires. Page marks too long for it lie
in the cache under their hash; where one is lost, that stream is walked again from its start.
"""

import base64
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from resolvers.cache import Cache
from resolvers.errors import CursorInvalid

CURSOR_TTL_S = 24 * 3600.0
_MARK_LENGTH_MAX = 40
_MARKS_LENGTH_MAX = 300
_KEY_LENGTH_MAX = 80
_PACKED = "@"
"""Stands for all streams, where their marks lie in the cache together."""
_NONCE_BYTES = 12
_TEXT_LENGTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class Position:
    """The last row given out: its sort key (`Ordering.dump`), source and id; and a page mark per stream.

    `whole`: the sources that had missed nothing so far, in order of precedence, each as `source_tag`.
    `is_single`: rows of this key are no longer compared with each other (`resolvers.collapse`).
    """

    key: list[Any]
    source: str
    id: str
    marks: Mapping[str, str]
    whole: bytes = b""
    is_single: bool = False


TAG_BYTES = 3


@lru_cache(maxsize=1024)
def source_tag(name: str) -> bytes:
    """A source's name as short as a cursor needs it."""
    return hashlib.blake2s(name.encode(), digest_size=TAG_BYTES).digest()


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and (len(value) > _KEY_LENGTH_MAX or value.startswith("@"))


class Cursors:
    """Seals and opens cursors with one 32-byte key."""

    def __init__(self, key: bytes, cache: Cache, ttl_s: float = CURSOR_TTL_S) -> None:
        self._cipher = AESGCM(key)
        self._cache = cache
        self._ttl_s = ttl_s

    async def shorten(self, mark: str) -> str:
        """A page mark that fits in a cursor: itself, or the name under which the cache keeps it."""
        if len(mark) <= _MARK_LENGTH_MAX and not mark.startswith("@"):
            return mark
        name = "@" + hashlib.blake2s(mark.encode(), digest_size=12).hexdigest()
        await self._cache.set(f"mark:{name}", mark.encode(), self._ttl_s)
        return name

    async def lengthen(self, mark: str) -> str | None:
        """The page mark behind a short name; None where it is lost."""
        if not mark.startswith("@"):
            return mark
        kept = await self._cache.get(f"mark:{mark}")
        return None if kept is None else kept.decode()

    async def pack_key(self, key: list[Any]) -> list[Any]:
        """A sort key that fits in a cursor, however long the texts are by which is sorted."""
        return [await self.shorten(one) if _is_long(one) else one for one in key]

    async def unpack_key(self, key: list[Any]) -> list[Any]:
        """The sort key that `pack_key` was given. Raises CursorInvalid where it is lost."""
        whole = [await self.lengthen(one) if isinstance(one, str) else one for one in key]
        if any(after is None and before is not None for before, after in zip(key, whole, strict=True)):
            raise CursorInvalid("after: the cursor has expired; start again without it")
        return whole

    async def pack(self, marks: Mapping[str, str]) -> Mapping[str, str]:
        """Page marks that fit in a cursor, however many streams there are."""
        short = {stream: await self.shorten(mark) for stream, mark in marks.items()}
        if sum(len(stream) + len(mark) for stream, mark in short.items()) <= _MARKS_LENGTH_MAX:
            return short
        return {_PACKED: await self.shorten(msgspec.json.encode(short).decode())}

    async def unpack(self, marks: Mapping[str, str]) -> Mapping[str, str]:
        """The page marks that `pack` was given, without those that are lost."""
        if _PACKED in marks:
            packed = await self.lengthen(marks[_PACKED])
            marks = msgspec.json.decode(packed, type=dict[str, str]) if packed is not None else {}
        whole = {stream: await self.lengthen(mark) for stream, mark in marks.items()}
        return {stream: mark for stream, mark in whole.items() if mark is not None}

    def expires_at(self) -> int:
        """When a cursor that is made now expires, in seconds of `time.time()`."""
        return int(time.time() + self._ttl_s)

    def seal(self, position: Position, bound_to: bytes, expires_at: int | None = None) -> str:
        """The cursor's text. `bound_to` is what it is good for, and nothing else."""
        body = (
            self.expires_at() if expires_at is None else expires_at,
            position.key,
            position.source,
            position.id,
            dict(position.marks),
            position.whole,
            position.is_single,
        )
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(body), bound_to)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, bound_to: bytes) -> Position:
        """The position in a cursor. Raises CursorInvalid for any other text."""
        try:
            if len(text) > _TEXT_LENGTH_MAX:
                raise ValueError
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
        except (ValueError, InvalidTag):
            raise CursorInvalid("after: not a cursor of this list for this caller") from None
        expires_at, key, source, id_, marks, *more = msgspec.msgpack.decode(plain)
        if expires_at < time.time():
            raise CursorInvalid("after: the cursor has expired; start again without it")
        return Position(key, source, id_, marks, *more)
