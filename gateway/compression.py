"""Smaller responses for clients that take them: gzip (RFC 9110 section 8.4)."""

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Final

COMPRESSED_FROM_BYTES: Final = 1024
LEVEL: Final = 3
"""The last before each costs twice the time; docs/performance.md has the table."""

IN_A_THREAD_FROM_BYTES: Final = 256 * 1024
"""Shorter ones take 0.6 ms at most, for which the way to a thread is too long."""


class Gzip:
    """Compresses bodies; the long ones in one thread beside the event loop, which zlib lets run on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gzip")

    async def compressed(self, body: bytes) -> bytes:
        """The body in gzip."""
        if len(body) < IN_A_THREAD_FROM_BYTES:
            return _compressed(body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, _compressed, body)


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)
