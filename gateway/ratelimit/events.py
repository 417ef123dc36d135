"""What limits did to whom: counted, logged, and the last of it kept for each client.

Nothing here names a user or a patient: a client is named by its id, which its issuer made.
"""

import logging
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from gateway.ratelimit.limiter import Reason

log = logging.getLogger(__name__)

EVENTS_MAX: Final = 100
CLIENTS_MAX: Final = 1_000
LOG_EVERY_S: Final = 60.0
CLIENT_SHOWN_MAX: Final = 128

Kind = Literal["refused", "measured", "near_limit"]
"""Refused; would have been refused (`mode = "measure"`); more than four fifths of the budget are spent."""


class ThrottleEvent(msgspec.Struct, frozen=True):
    """One event. `at` is unix time; `cost` what the operation would have cost; `remaining` what was there."""

    at: float
    kind: Kind
    reason: Reason
    issuer: str
    client: str
    tier: str
    cost: int
    remaining: int | None
    retry_after_s: int | None


class _Client:
    __slots__ = ("events", "logged_at", "unlogged")

    def __init__(self) -> None:
        self.events: deque[ThrottleEvent] = deque(maxlen=EVENTS_MAX)
        self.logged_at: dict[Kind, float] = {}
        self.unlogged: Counter[Kind] = Counter()


class ThrottleEvents:
    """The events of this process: the last `EVENTS_MAX` of each of the last `CLIENTS_MAX` clients."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._clients: OrderedDict[tuple[str, str], _Client] = OrderedDict()
        self.counts: Counter[tuple[str, Kind, Reason]] = Counter()
        """By tier, kind and reason, since the start."""
        self.near: OrderedDict[str, None] = OrderedDict()
        """The budgets that were near their limits when last seen; one that was not is no news."""

    def record(
        self,
        kind: Kind,
        reason: Reason,
        whose: tuple[str, str],
        tier: str,
        cost: int,
        remaining: int | None,
        retry_after_s: int | None = None,
    ) -> None:
        """Keeps an event of a client (`whose`: issuer and client id)."""
        event = ThrottleEvent(
            self._clock(), kind, reason, *whose, tier=tier, cost=cost, remaining=remaining,
            retry_after_s=retry_after_s,
        )  # fmt: skip
        self.counts[tier, kind, reason] += 1
        client = self._client(whose)
        client.events.append(event)
        self._log(event, client)

    def is_news(self, key: str, *, is_near: bool) -> bool:
        """The 80 % signal: whether a budget has come near its limit, and was not near it when last seen."""
        if not is_near:
            self.near.pop(key, None)
            return False
        is_known = key in self.near
        self.near[key] = None
        if len(self.near) > CLIENTS_MAX:
            self.near.popitem(last=False)
        return not is_known

    def of(self, issuer: str, client: str) -> tuple[ThrottleEvent, ...]:
        """The last events of a client, the oldest first."""
        known = self._clients.get((issuer, client))
        return tuple(known.events) if known is not None else ()

    def clients(self) -> tuple[tuple[str, str], ...]:
        """Issuer and id of the clients that have events, the latest last."""
        return tuple(self._clients)

    def _client(self, whose: tuple[str, str]) -> _Client:
        client = self._clients.get(whose)
        if client is None:
            client = self._clients[whose] = _Client()
            if len(self._clients) > CLIENTS_MAX:
                self._clients.popitem(last=False)
        self._clients.move_to_end(whose)
        return client

    def _log(self, event: ThrottleEvent, client: _Client) -> None:
        """A line for a client, and no second of its kind within a minute: who asks and asks must not fill the
        disk. Nothing that could break a line is written."""
        kind = event.kind
        if abs(event.at - client.logged_at.get(kind, float("-inf"))) < LOG_EVERY_S:
            client.unlogged[kind] += 1
            return
        log.warning(
            "limits: %s (%s), client %r, tier %s, cost %d, remaining %s, retry after %s s, %d more before",
            kind,
            event.reason,
            event.client[:CLIENT_SHOWN_MAX],
            event.tier,
            event.cost,
            event.remaining,
            event.retry_after_s,
            client.unlogged.pop(kind, 0),
        )
        client.logged_at[kind] = event.at
