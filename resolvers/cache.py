"""What may be remembered between requests, and where: the Protocol and its in-process kind."""

import time
from collections import OrderedDict
from typing import Protocol


class Cache(Protocol):
    """A bounded store of small values that expire. Losing an entry costs time, never an answer."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None: absent, expired, or the store is not reachable."""

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keeps the value for at most `ttl_s` seconds."""


class MemoryCache:
    """One process's cache; the entry unused longest goes first."""

    def __init__(self, entries_max: int = 10_000) -> None:
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._entries_max = entries_max

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= time.monotonic():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keeps the value; the oldest goes when the cache is full."""
        self._entries[key] = (time.monotonic() + ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
