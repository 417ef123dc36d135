"""A store: what the gateway keeps between requests, chosen by one line of settings."""

import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.persisted.registered import Bounds, RegisteredDocuments
from gateway.settings import StoreSettings
from resolvers.cache import Cache
from resolvers.upstreams.grant_store import GrantStore

KINDS: Final = {
    "memory": "gateway.store.memory:open_memory",
    "redis": "gateway.store.redis:open_redis",
    "redis-cluster": "gateway.store.redis:open_cluster",
}
"""Each kind is loaded only where it is chosen: a Redis client costs a start a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. `registered` gives the documents that clients registered, within bounds."""

    cache: Cache
    grants: GrantStore
    registered: Callable[[Bounds], RegisteredDocuments]
    close: Callable[[], Awaitable[None]]


class StoreInvalid(Exception):
    """The store's settings or secret cannot work."""


def open_store(settings: StoreSettings, url: str | None) -> Store:
    """The configured store; nothing is connected yet. `url` is its address, for kinds that have one."""
    opened: Store = pkgutil.resolve_name(KINDS[settings.kind])(url)
    return opened
