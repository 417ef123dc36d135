"""Why an operation is not run.

    RateLimited
    +-- BudgetExceeded      the budget, the day's quota or the places are taken   THROTTLED
    +-- BudgetUnavailable   nobody can say: the store of the budgets is away      THROTTLED

For an operation that costs more than any may, `gateway.charging` tells `CostExceeded` of `gateway.cost`.
"""

from typing import Any, ClassVar, Final

from gateway.ratelimit.headers import limit_headers
from gateway.ratelimit.limiter import Reason, Refusal
from gateway.ratelimit.state import BudgetState

_SENTENCES: Final[dict[Reason, str]] = {
    "budget": "The budget is spent: the operation costs {cost}, and {remaining} of {limit} are left.",
    "daily_quota": "The quota of this day is spent: the operation costs {cost}, and {quota} are left.",
    "concurrency": "Too many operations run at a time: {most} may.",
    "query_cost": "The operation costs {cost}, and no operation of this client may cost as much.",
    "store": "Budgets cannot be had at the moment.",
}


class RateLimited(Exception):
    """Not now. `retry_after_s`: when it would be admitted, if nobody else asks meanwhile; None: never."""

    code: ClassVar[str] = "THROTTLED"

    def __init__(self, refusal: Refusal, cost: int) -> None:
        super().__init__(_sentence(refusal, cost))
        self.reason = refusal.reason
        self.retry_after_s = refusal.retry_after_s
        self.state: BudgetState | None = refusal.state
        self.cost = cost

    @property
    def told(self) -> dict[str, Any]:
        """`extensions.cost` of the response."""
        told: dict[str, Any] = {"requestedQueryCost": self.cost, "actualQueryCost": None}
        if self.state is not None:
            told["throttleStatus"] = self.state.throttle_status()
        return told

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """`Retry-After`, and where the budget is known `RateLimit` and `RateLimit-Policy`."""
        if self.state is not None:
            return tuple(limit_headers(self.state, self.reason, self.retry_after_s).items())
        return (("Retry-After", str(self.retry_after_s)),) if self.retry_after_s is not None else ()

    @property
    def extensions(self) -> dict[str, object]:
        """What the error says besides its code."""
        told: dict[str, object] = {"reason": self.reason}
        if self.retry_after_s is not None:
            told["retryAfter"] = self.retry_after_s
        return told


class BudgetExceeded(RateLimited):
    """The client has asked for more than it may."""


class BudgetUnavailable(RateLimited):
    """The store is away, and `on_store_failure` is `deny`."""


def error_of(refusal: Refusal, cost: int) -> RateLimited:
    """The error for a refusal."""
    return (BudgetUnavailable if refusal.reason == "store" else BudgetExceeded)(refusal, cost)


def _sentence(refusal: Refusal, cost: int) -> str:
    state, wait_s = refusal.state, refusal.retry_after_s
    shown = {"cost": cost}
    if state is not None:
        shown |= {
            "remaining": state.remaining,
            "limit": state.limit,
            "quota": state.quota_remaining or 0,
            "most": state.tier.max_concurrent,
        }
    then = f" Try again in {wait_s} s." if wait_s is not None else ""
    return _SENTENCES[refusal.reason].format(**shown) + then
