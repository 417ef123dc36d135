"""`RateLimit`: a caller's budget of cost (docs/limits.md)."""

from schema.field import computed_field
from schema.making import definition, make_type
from schema.scalars import Instant

RateLimitType = make_type(
    "RateLimit", "The caller's budget of cost, once this operation's estimate is taken."
)

definition(RateLimitType).fields.extend(
    (
        computed_field("limit", int, lambda one: one.limit, description="What a full budget holds."),
        computed_field("cost", int, lambda one: one.cost, description="What this operation may cost."),
        computed_field("remaining", int, lambda one: one.remaining, description="What is left."),
        computed_field("used", int, lambda one: one.used, description="What is missing of it."),
        computed_field(
            "restoreRate", float, lambda one: one.restore_rate, description="What comes back in a second."
        ),
        computed_field(
            "resetAt",
            Instant,
            lambda one: one.reset_at,
            description="When the budget is full again, if nothing is asked meanwhile.",
        ),
    )
)
