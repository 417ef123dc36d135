"""Smaller responses for clients that take them: gzip (RFC 9110 section 8.4)."""

import gzip
from typing import Final

COMPRESSED_FROM_BYTES: Final = 1024
LEVEL: Final = 5


async def gzipped(body: bytes) -> bytes:
    """The body in gzip."""
    return gzip.compress(body, LEVEL, mtime=0)
