"""The store on a Redis Cluster: keys lie on several nodes, and nobody notices."""

from __future__ import annotations

import pytest

from gateway.settings import StoreSettings
from gateway.store.store import StoreInvalid, open_store
from tests.gateway.ratelimit.conftest import redis_cluster as redis_cluster
from tests.gateway.ratelimit.redis_process import RedisProcess

SETTINGS = StoreSettings(kind="redis-cluster", url_secret="redis_url")


async def test_values_and_grants_are_kept(redis_cluster: tuple[RedisProcess, ...]) -> None:
    store = open_store(SETTINGS, redis_cluster[0].url)
    values = {f"key {number}": b"\x00%d" % number for number in range(30)}
    await store.cache.set_all(values, 60)
    assert {key: await store.cache.get(key) for key in values} == values
    for number in range(10):
        key = f"grant {number}"
        assert await store.grants.swap(key, None, b"one")
        assert not await store.grants.swap(key, None, b"two")
        assert await store.grants.get(key) == b"one"
    assert all(one.ask("DBSIZE") for one in redis_cluster)
    await store.close()


@pytest.mark.parametrize("url", ["", "nonsense", "http://u:hush@x", "unix:///x.sock", None])
def test_address_of_another_kind_is_refused_and_not_shown(url: str | None) -> None:
    with pytest.raises(StoreInvalid) as refused:
        open_store(SETTINGS, url)
    assert "hush" not in str(refused.value)
