"""The store of a single process."""

from gateway.persisted.registered import MemoryRegistered
from gateway.store.store import Store
from resolvers.cache import MemoryCache
from resolvers.upstreams.grant_store import MemoryGrantStore


def open_memory(_url: str | None) -> Store:
    """A store that ends with the process."""
    return Store(MemoryCache(), MemoryGrantStore(), MemoryRegistered, _nothing_to_close)


async def _nothing_to_close() -> None:
    pass
