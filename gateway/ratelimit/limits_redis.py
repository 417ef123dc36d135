"""Limits that replicas share: one Redis client for budgets and rates."""

from gateway.ratelimit.call_rate import SharedCallRates
from gateway.ratelimit.fallback import Absence, FallbackLimiter
from gateway.ratelimit.limits import Keeping
from gateway.ratelimit.memory import MemoryLimiter
from gateway.ratelimit.redis import RedisLimiter
from gateway.ratelimit.scripts import open_client
from gateway.ratelimit.tiers import RateLimitSettings


def open_redis(settings: RateLimitSettings, url: str | None) -> Keeping:
    """One Redis."""
    return _open(settings, url, is_cluster=False)


def open_cluster(settings: RateLimitSettings, url: str | None) -> Keeping:
    """A Redis Cluster, by the address of any node."""
    return _open(settings, url, is_cluster=True)


def _open(settings: RateLimitSettings, url: str | None, *, is_cluster: bool) -> Keeping:
    client = open_client(url or "", is_cluster=is_cluster)
    is_local = settings.on_store_failure == "local"
    share = settings.local_share
    limiter = FallbackLimiter(RedisLimiter(client), MemoryLimiter(is_local=True) if is_local else None, share)
    rates = SharedCallRates(client, share if is_local else None, Absence("the sources' rates"))
    return Keeping(limiter, rates)
