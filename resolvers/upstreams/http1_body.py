"""Bodies as they come over HTTP, unpacked (RFC 9110 8.4.1), never to more than a limit."""

import zlib
from typing import Final

CODINGS: Final = "gzip, deflate"
"""What is offered as Accept-Encoding."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MARK: Final = b"\x1f\x8b"


class BodyInvalid(ValueError):
    """A body that is not packed as it says."""


class BodyTooLarge(ValueError):
    """A body above the limit once it is unpacked; the rest of it was not unpacked."""


def unpacked(body: bytes, coding: bytes, limit: int) -> bytes:
    """The body as it was before it was packed. Raises BodyInvalid, BodyTooLarge."""
    name = coding.strip().lower()
    if not body or name in (b"", b"identity"):
        return body
    try:
        if name in (b"gzip", b"x-gzip"):
            return _gunzipped(body, limit)
        if name == b"deflate":
            # RFC 9110 means zlib's format, but some servers send the bare stream.
            is_zlib = body[0] & 0x0F == 8
            return _inflated(body, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS, limit)[0]
    except zlib.error as problem:
        raise BodyInvalid(str(problem)) from problem
    raise BodyInvalid(f"unknown coding {name!r}")


def _gunzipped(body: bytes, limit: int) -> bytes:
    """All members of a gzip file; what follows the last one is padding."""
    members: list[bytes] = []
    left = limit
    while not members or body.startswith(_GZIP_MARK):
        member, body = _inflated(body, _GZIP, left)
        members.append(member)
        left -= len(member)
    return members[0] if len(members) == 1 else b"".join(members)


def _inflated(body: bytes, window: int, limit: int) -> tuple[bytes, bytes]:
    """One stream, and what follows it."""
    stream = zlib.decompressobj(window)
    whole = stream.decompress(body, limit + 1)
    if len(whole) > limit:
        raise BodyTooLarge(f"over {limit} bytes")
    if not stream.eof:
        raise BodyInvalid("it ends before its end")
    return whole, stream.unused_data
