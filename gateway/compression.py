"""Smaller responses for clients that take them: gzip (RFC 9110 section 8.4)."""

import gzip
from typing import Final

from gateway.media_types import parse_accept_encoding

COMPRESSED_FROM_BYTES: Final = 1024
LEVEL: Final = 5


def compressed(body: bytes, accept_encoding: str | None) -> bytes | None:
    """The body in gzip where the client takes that and the body is long enough to gain by it; else None."""
    if len(body) < COMPRESSED_FROM_BYTES or accept_encoding is None:
        return None
    qualities = parse_accept_encoding(accept_encoding)
    if qualities.get("gzip", qualities.get("*", 0.0)) <= 0:
        return None
    return gzip.compress(body, LEVEL, mtime=0)
