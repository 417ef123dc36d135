"""A token that serves many callers: fetched when first needed, renewed before it expires."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from resolvers.upstreams.token_endpoint import Token
from resolvers.upstreams.transport import seconds_left, timed_out

EARLY_S: Final = 60.0
REJECTION_PAUSE_S: Final = 10.0


def expires_s(lifetime_s: float) -> float:
    """After how many seconds a token is sent no more: a little before its end."""
    return lifetime_s - min(5.0, lifetime_s / 10)


def renewal_s(lifetime_s: float) -> float:
    """After how many seconds a new token is fetched while the old one still serves."""
    return lifetime_s - min(EARLY_S, lifetime_s / 4)


class RenewedToken:
    """One bearer token.

    While the old token still serves, nobody waits for the new one. A refused token is replaced once; after
    that refusals are the source's answer for 10 s, so that a source at odds with its issuer is not hammered.
    """

    def __init__(self, source: str, fetch: Callable[[], Awaitable[Token]]) -> None:
        self._source = source
        self._fetch = fetch
        self._headers: Mapping[str, str] | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._rejected_at = -REJECTION_PAUSE_S
        self._renewal: asyncio.Task[Mapping[str, str]] | None = None

    async def headers(self, deadline: float) -> Mapping[str, str]:
        """The header to send. Raises UpstreamError."""
        now = time.monotonic()
        if self._headers is not None and now < self._expires_at:
            if now >= self._renew_at:
                self._start_renewal()
            return self._headers
        try:
            async with asyncio.timeout(seconds_left(self._source, deadline)):
                # Shielded: a caller that goes away must not take the token from the others.
                return await asyncio.shield(self._start_renewal())
        except TimeoutError as problem:
            raise timed_out(self._source) from problem

    def renewed_after_rejection(self, used: Mapping[str, str]) -> bool:
        """After a refusal of these headers: whether there are, or will be, others."""
        if self._headers is not None and used != self._headers:
            return True  # another caller's renewal came first
        now = time.monotonic()
        if now - self._rejected_at < REJECTION_PAUSE_S:
            return False
        self._rejected_at = now
        self._headers = None
        return True

    async def close(self) -> None:
        """Ends a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None

    def _start_renewal(self) -> "asyncio.Task[Mapping[str, str]]":
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(retrieved)
        return self._renewal

    async def _renew(self) -> Mapping[str, str]:
        token = await self._fetch()
        now = time.monotonic()
        if token.lifetime_s is None:
            self._expires_at = self._renew_at = float("inf")
        else:
            self._expires_at = now + expires_s(token.lifetime_s)
            self._renew_at = now + renewal_s(token.lifetime_s)
        self._headers = bearer(token.access)
        return self._headers


def bearer(token: str) -> dict[str, str]:
    """The header of a bearer token (RFC 6750 section 2.1)."""
    return {"Authorization": f"Bearer {token}"}


def retrieved(task: "asyncio.Task[Any]") -> None:
    """A renewal that nobody waits for may fail; the next caller asks again."""
    if not task.cancelled():
        task.exception()
