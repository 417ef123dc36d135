"""What may be remembered between requests, and where: the Protocol and its in-process kind."""

import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, Protocol, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """What was made of a key, kept in the process for the next time; all is forgotten when it is full."""

    def __init__(self, most: int = 1_000) -> None:
        self._kept: dict[Hashable, Value] = {}
        self._most = most

    def get(self, key: Hashable) -> Value | None:
        """The value, None where it is to be made."""
        return self._kept.get(key)

    def keep(self, key: Hashable, value: Value) -> Value:
        """Keeps a value for the next time."""
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = value
        return value


class Cache(Protocol):
    """A bounded store of small values that expire. Losing an entry costs time, never an answer."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None: absent, expired, or the store is not reachable."""

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keeps the value for at most `ttl_s` seconds."""

    async def set_all(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keeps many values, in one exchange with the store."""


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
        await self.set_all({key: value}, ttl_s)

    async def set_all(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keeps the values; the oldest go when the cache is full."""
        entries, expires_at = self._entries, time.monotonic() + ttl_s
        for key, value in values.items():
            entries[key] = (expires_at, value)
            entries.move_to_end(key)
        while len(entries) > self._entries_max:
            entries.popitem(last=False)
