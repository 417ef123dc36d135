"""Where grants are kept between requests, shared by all replicas: the Protocol and its in-process kind.

What is in it is sealed (`resolvers.upstreams.grants`); the store sees neither accounts nor tokens.
"""

from typing import Protocol


class GrantStoreUnavailable(Exception):
    """The store cannot be reached: what it holds is not known, which is not the same as nothing."""


class GrantStore(Protocol):
    """Small values that do not expire, each changed by whoever knows what it was."""

    async def get(self, key: str) -> bytes | None:
        """The value, None where there is none. Raises GrantStoreUnavailable."""

    async def swap(self, key: str, known: bytes | None, value: bytes) -> bool:
        """Puts `value` in the place of `known` (None: of nothing) in one step; False where something else
        is there by now. Raises GrantStoreUnavailable; it is then open whether it was done."""


class MemoryGrantStore:
    """The store of one process, which ends with it."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._values.get(key)

    async def swap(self, key: str, known: bytes | None, value: bytes) -> bool:
        """Replaces the value where it is the known one."""
        held = self._values.get(key)
        if held not in (known, value):
            return False
        self._values[key] = value
        return True
