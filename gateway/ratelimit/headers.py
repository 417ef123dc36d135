"""`RateLimit`, `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), `Retry-After` (RFC 9110 10.2.3).

Three policies: `budget` (what the bucket holds, and the window in which it fills), `daily` where the tier has
a quota, and `concurrent`. Quotas are costs, for which the draft's registry has no unit, so `qu` is absent
there; a parameter of our own says it. `t` is when the whole quota is there again; in a refusal it is never
later than `Retry-After`, as section 6 asks.
"""

from functools import lru_cache
from typing import Final

from gateway.ratelimit.limiter import Reason
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import DAY_S, MICRO, Tier

_POLICY_OF: Final[dict[Reason, str]] = {
    "budget": "budget",
    "daily_quota": "daily",
    "concurrency": "concurrent",
}
_TIERS_KEPT: Final = 64
_UNIT: Final = ';clinical-gateway-unit="cost"'


def usual_headers(state: BudgetState) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a response that is no refusal, as ASGI sends them."""
    tier, level = state.tier, state.level
    if tier.daily_quota:
        left = _limits(state, None, None).encode()
    elif level < tier.capacity:
        full_in_s = -((level - tier.capacity) // (tier.restore * 1000))
        left = b'"budget";r=%d;t=%d' % (level // MICRO, full_in_s)
    else:
        left = b'"budget";r=%d' % (level // MICRO)
    return policy_header(tier), (b"ratelimit", left)


def limit_headers(
    state: BudgetState, reason: Reason | None = None, retry_after_s: int | None = None
) -> dict[str, str]:
    """The headers of a response. `reason` and `retry_after_s` are for refusals: only the policy that refuses
    is told of in `RateLimit` then."""
    headers = {"RateLimit-Policy": _policies(state.tier), "RateLimit": _limits(state, reason, retry_after_s)}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return headers


@lru_cache(_TIERS_KEPT)
def policy_header(tier: Tier) -> tuple[bytes, bytes]:
    """The header that tells what a tier is given."""
    return b"ratelimit-policy", _policies(tier).encode()


@lru_cache(_TIERS_KEPT)
def _policies(tier: Tier) -> str:
    listed = [f'"budget";q={tier.limit};w={tier.window_s}{_UNIT}']
    if tier.daily_quota:
        listed.append(f'"daily";q={tier.daily_quota // MICRO};w={DAY_S}{_UNIT}')
    listed.append(f'"concurrent";q={tier.max_concurrent};qu="concurrent-requests"')
    return ", ".join(listed)


def _limits(state: BudgetState, reason: Reason | None, retry_after_s: int | None) -> str:
    if reason is not None:
        name = _POLICY_OF.get(reason, "budget")
        return _limit(name, _left(state, name), retry_after_s)
    budget = _limit("budget", state.remaining, state.full_in_s or None)
    quota = state.quota_remaining
    return budget if quota is None else f"{budget}, {_limit('daily', quota, state.day_left_s)}"


def _left(state: BudgetState, name: str) -> int:
    """What is left under a policy."""
    quota = state.quota_remaining
    if name == "budget":
        return state.remaining
    if name == "daily" and quota is not None:
        return quota
    return max(0, state.tier.max_concurrent - state.in_flight)


def _limit(name: str, left: int, wait_s: int | None) -> str:
    return f'"{name}";r={left}' if wait_s is None else f'"{name}";r={left};t={wait_s}'
