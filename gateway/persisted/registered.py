"""Documents that clients registered by sending them: the Protocol, and its in-process kind.

Each client has its own. A document is found for the client alone that registered it, and a registration
never takes another client's place: where all are taken, a client makes place by its own document unused
longest, and one that has none is not registered. Losing a document costs a client one more exchange.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

SWEEP_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many documents are kept, in all and of each client, and for how long after their last use."""

    all_max: int
    client_max: int
    ttl_s: float


_NONE: Final[Mapping[str, object]] = {}


class RegisteredDocuments(Protocol):
    """Texts by client and SHA-256. Neither question fails: a store that is away has nothing and keeps
    nothing."""

    async def find(self, client: str, hash_: str) -> str | None:
        """The text, which counts as used now; None where it is not there, or cannot be had."""

    async def keep(self, client: str, hash_: str, text: str) -> bool:
        """Registers a text; False where there is no place for it."""


class MemoryRegistered:
    """One process's registered documents."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._clients: dict[str, OrderedDict[str, tuple[float, str]]] = {}
        self._count = 0
        self._next_sweep_at = clock() + SWEEP_EVERY_S

    def __len__(self) -> int:
        return self._count

    async def find(self, client: str, hash_: str) -> str | None:
        """The text, or None."""
        own = self._clients.get(client)
        entry = own.get(hash_) if own is not None else None
        if own is None or entry is None:
            return None
        now = self._clock()
        if entry[0] <= now:
            self._forget(client, hash_)
            return None
        own[hash_] = (now + self._bounds.ttl_s, entry[1])
        own.move_to_end(hash_)
        return entry[1]

    async def keep(self, client: str, hash_: str, text: str) -> bool:
        """Registers a text; False where there is no place for it."""
        if hash_ not in self._clients.get(client, _NONE) and not self._has_place(client):
            return False
        own = self._clients.setdefault(client, OrderedDict())
        self._count += hash_ not in own
        own[hash_] = (self._clock() + self._bounds.ttl_s, text)
        own.move_to_end(hash_)
        return True

    def _has_place(self, client: str) -> bool:
        if self._count >= self._bounds.all_max:
            self._sweep()
        own = self._clients.get(client, _NONE)
        if self._count < self._bounds.all_max and len(own) < self._bounds.client_max:
            return True
        if not own:
            return False
        self._forget(client, next(iter(own)))
        return True

    def _sweep(self) -> None:
        """Forgets what has expired; a flood of registrations makes this happen once in a while only."""
        now = self._clock()
        if now < self._next_sweep_at:
            return
        self._next_sweep_at = now + SWEEP_EVERY_S
        for client, own in list(self._clients.items()):
            for hash_ in [one for one, (expires_at, _) in own.items() if expires_at <= now]:
                self._forget(client, hash_)

    def _forget(self, client: str, hash_: str) -> None:
        own = self._clients[client]
        del own[hash_]
        self._count -= 1
        if not own:
            del self._clients[client]
