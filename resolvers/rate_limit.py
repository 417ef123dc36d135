"""`rateLimit`: what is left to the caller."""

from resolvers.budget import RateLimit
from resolvers.field import FieldCall


def rate_limit(call: FieldCall) -> RateLimit | None:
    """The budget that the operation took its cost from; None where none is kept."""
    look = call.context.budget
    return None if look is None else look()
