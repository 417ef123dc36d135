"""The credentials of a source's users: a token for each account that granted access.

`FixedGrants` sends what was handed in. `RenewedGrants` also renews it, once for all replicas, although the
vendor may give a new refresh token each time and take the old one no more.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, TypeVar

from resolvers.upstreams.credential import Credential, NoCredential
from resolvers.upstreams.errors import GrantMissing
from resolvers.upstreams.grant_renewal import GrantRenewal, Held
from resolvers.upstreams.grants import Grant, HandedIn, fingerprint
from resolvers.upstreams.renewal import REJECTION_PAUSE_S, bearer, retrieved
from resolvers.upstreams.transport import seconds_left, timed_out
from resolvers.upstreams.upstream import Call

Value = TypeVar("Value")

HELD_MAX: Final = 10_000
CLOSE_S: Final = 3.0
"""How long an end waits for renewals under way: one that is cut off leaves its grant in doubt."""


class PatientGrants(Credential, Protocol):
    """A credential that knows who granted access."""

    @property
    def accounts(self) -> frozenset[str]:
        """Everyone who has granted access, as far as is known."""


class FixedGrants(NoCredential):
    """Each account's own bearer token, as handed in."""

    def __init__(self, source: str, handed_in: HandedIn) -> None:
        self._source = source
        self._handed_in = handed_in

    @property
    def accounts(self) -> frozenset[str]:
        return self._handed_in.accounts

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        return {} if subject is None else self._headers(subject)

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        return subject is not None and self._headers(subject) != used

    def _headers(self, account: str) -> Mapping[str, str]:
        found = self._handed_in.of(account)
        if found is None or found.access_token is None:
            raise no_grant(self._source)
        return bearer(found.access_token)


class _Refusal(NamedTuple):
    access_token: str
    at: float


class RenewedGrants(NoCredential):
    """Each account's own bearer token, renewed before it expires and once after a refusal."""

    def __init__(self, source: str, handed_in: HandedIn, renewal: GrantRenewal) -> None:
        self._source = source
        self._handed_in = handed_in
        self._renewal = renewal
        self._held: OrderedDict[str, tuple[Grant, Held]] = OrderedDict()
        self._refused: OrderedDict[str, _Refusal] = OrderedDict()
        self._revoked: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[Held]] = {}

    @property
    def accounts(self) -> frozenset[str]:
        return self._handed_in.accounts - {one for one in self._revoked if self._is_revoked(one)}

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        if subject is None:
            return {}
        now, held = time.time(), self._current(subject)
        if held is not None and now < held.expires_at:
            if now >= held.renew_at:
                self._start(subject)
            return held.headers
        try:
            async with asyncio.timeout(seconds_left(self._source, call.deadline)):
                # Shielded: a caller that goes away must not take the token from the others.
                return (await asyncio.shield(self._start(subject))).headers
        except TimeoutError as problem:
            raise timed_out(self._source) from problem

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        if subject is None:
            return False
        held = self._current(subject)
        if held is None or held.headers != used:
            return True  # another caller's renewal came first
        before, now = self._refused.get(subject), time.monotonic()
        if before is not None and now - before.at < REJECTION_PAUSE_S:
            return False
        del self._held[subject]
        _keep(self._refused, subject, _Refusal(held.access_token, now))
        return True

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=CLOSE_S)
        for task in list(self._running.values()):
            task.cancel()

    def _current(self, account: str) -> Held | None:
        """The token in use, unless another grant has been handed in, or none is there any more."""
        kept = self._held.get(account)
        return kept[1] if kept is not None and kept[0] == self._handed_in.of(account) else None

    def _start(self, account: str) -> "asyncio.Task[Held]":
        running = self._running.get(account)
        if running is None:
            running = self._running[account] = asyncio.create_task(self._renewed(account))
            running.add_done_callback(retrieved)
        return running

    async def _renewed(self, account: str) -> Held:
        try:
            seed = self._handed_in.of(account)
            if seed is None:
                raise no_grant(self._source)
            refused = self._refused.get(account)
            try:
                held = await self._renewal.held(account, seed, refused.access_token if refused else None)
            except GrantMissing:
                self._held.pop(account, None)
                self._revoked[account] = fingerprint(seed)
                raise
            self._revoked.pop(account, None)
            _keep(self._held, account, (seed, held))
            return held
        finally:
            del self._running[account]

    def _is_revoked(self, account: str) -> bool:
        known, seed = self._revoked.get(account), self._handed_in.of(account)
        return known is not None and seed is not None and known == fingerprint(seed)


def no_grant(source: str) -> GrantMissing:
    """The one sentence for it."""
    return GrantMissing(source, f"{source} has no grant of this person.")


def _keep(kept: OrderedDict[str, Value], account: str, value: Value) -> None:
    kept[account] = value
    kept.move_to_end(account)
    while len(kept) > HELD_MAX:
        kept.popitem(last=False)
