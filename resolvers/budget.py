"""The caller's budget, as an operation may ask for it."""

from collections.abc import Callable

import msgspec


class RateLimit(msgspec.Struct, frozen=True):
    """A budget of cost after this operation's estimate was taken from it. `limit` is what a full one holds,
    `restore_rate` what comes back in a second, `reset_at` (an instant) when it is full again."""

    limit: int
    cost: int
    remaining: int
    used: int
    restore_rate: float
    reset_at: str


Look = Callable[[], RateLimit]
