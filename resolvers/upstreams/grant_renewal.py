"""One grant, renewed once by whichever replica is first, and its refresh token never used twice.

The record in the store is the lock: who renews puts a claim with an end into it, in one step that fails where
somebody else was faster, and only then uses the refresh token; the others wait and read again. The claim also
says that the refresh token may have been used from now on. Where no answer tells what became of it (the
process died, the connection broke, the vendor failed midway) nobody uses it again: the grant is in doubt
until a new one is handed in, or, for a vendor that takes a refresh token again for a while, it is tried again
within `reuse_s`.
"""

import asyncio
import logging
import time
from typing import Final

import msgspec
from msgspec.structs import replace

from resolvers.upstreams.errors import (
    GrantMissing,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnavailable,
)
from resolvers.upstreams.grant_store import GrantStore, GrantStoreUnavailable
from resolvers.upstreams.grants import Grant, GrantUnreadable, Record, Seal, fingerprint, store_key
from resolvers.upstreams.renewal import EARLY_S, bearer, expires_s, renewal_s
from resolvers.upstreams.token_endpoint import (
    FETCH_S,
    GrantInvalid,
    Token,
    TokenEndpoint,
    is_surely_unused,
)
from resolvers.upstreams.transport import timed_out

log = logging.getLogger(__name__)

CLAIM_S: Final = 2 * FETCH_S
"""Longer than any renewal takes."""
LOOK_S: Final = 0.1
DOUBT_PAUSE_S: Final = 30.0
"""After a renewal whose outcome is open, no other of this source is begun for a while: a vendor that hangs
must not put every grant in doubt."""
RETRY_S: Final = 60.0
_SAVE_PAUSES_S: Final = (0.0, 0.1, 0.5, 2.0, 5.0)
_FOREVER: Final = float("inf")


class Held(msgspec.Struct, frozen=True):
    """An access token in use; `renew_at` and `expires_at` in seconds since 1970."""

    access_token: str
    headers: dict[str, str]
    renew_at: float
    expires_at: float

    def __repr__(self) -> str:
        return "Held()"


class GrantRenewal:
    """Renews the grants of one source. `reuse_s`: see the settings."""

    def __init__(self, endpoint: TokenEndpoint, store: GrantStore, seal: Seal, reuse_s: float = 0.0) -> None:
        self._source = endpoint.source
        self._endpoint = endpoint
        self._store = store
        self._seal = seal
        self._reuse_s = reuse_s
        self._paused_until = 0.0

    async def held(self, account: str, seed: Grant, refused: str | None) -> Held:
        """A token of the account, other than the one that was refused; renewed where that is due.

        `seed`: what was handed in for it. Raises UpstreamError, GrantMissing where the grant was revoked.
        """
        ends = time.monotonic() + CLAIM_S
        while True:
            sealed, record = await self._read(account, seed)
            grant = record.grant
            if grant is None:
                raise GrantMissing(self._source, f"{self._source} has no grant of this person any more.")
            usable = _usable(grant, refused)
            if usable is not None and time.time() < usable.renew_at:
                return usable
            try:
                if self._may_claim(record):
                    renewed = await self._claimed(account, sealed, record)
                    if renewed is not None:
                        return renewed
                    continue  # somebody else was faster
            except GrantMissing:
                raise
            except UpstreamError:
                if usable is None:
                    raise
                return replace(usable, renew_at=time.time() + RETRY_S)
            if usable is not None:
                return replace(usable, renew_at=time.time() + 1.0)
            if time.monotonic() > ends:
                raise timed_out(self._source)
            await asyncio.sleep(LOOK_S)

    def _may_claim(self, record: Record) -> bool:
        """Whether the refresh token may be used now; False: somebody is at it. Raises UpstreamError where it
        may not be used at all."""
        now = time.time()
        if record.grant is None or record.grant.refresh_token is None:
            raise UpstreamRejected(self._source, f"{self._source} does not accept the person's grant.")
        if record.claimed_until > now:
            return False
        if record.spent_at and now - record.spent_at > self._reuse_s:
            raise self._doubtful("a refresh token may have been used, and what came of it is not known")
        if time.monotonic() < self._paused_until:
            raise self._doubtful("renewals pause after one whose outcome is not known")
        return True

    async def _claimed(self, account: str, sealed: bytes, record: Record) -> Held | None:
        """Renews the grant; None where another replica has claimed it first. Raises UpstreamError."""
        now = time.time()
        claim = replace(record, claimed_until=now + CLAIM_S, spent_at=record.spent_at or now)
        ours = self._seal.close(claim, self._source, account)
        if not await self._swapped(account, sealed, ours):
            return None
        assert record.grant is not None
        try:
            token = await self._endpoint.token("refresh_token", refresh_token=record.grant.refresh_token)
        except GrantInvalid:
            await self._save(account, ours, Record(record.seed))
            raise GrantMissing(
                self._source, f"{self._source} has no grant of this person any more."
            ) from None
        except UpstreamError as problem:
            if is_surely_unused(problem):
                await self._save(account, ours, record)
            else:
                self._paused_until = time.monotonic() + DOUBT_PAUSE_S
                log.warning("%s: a renewal of a grant ended in doubt: %s", self._source, problem.code)
                await self._save(account, ours, replace(claim, claimed_until=0.0))
            raise
        grant = _grant_of(token, record.grant)
        await self._save(account, ours, Record(record.seed, grant))
        held = _usable(grant, None)
        assert held is not None
        return held

    async def _read(self, account: str, seed: Grant) -> tuple[bytes, Record]:
        """The record as it is kept, made where a grant has been handed in that the store does not know."""
        mark = fingerprint(seed)
        while True:
            sealed = await self._sealed(account)
            if sealed is not None:
                record = self._opened(sealed, account)
                if record.seed == mark:
                    return sealed, record
            record = Record(mark, seed)
            ours = self._seal.close(record, self._source, account)
            if await self._swapped(account, sealed, ours):
                return ours, record

    def _opened(self, sealed: bytes, account: str) -> Record:
        try:
            return self._seal.open(sealed, self._source, account)
        except GrantUnreadable:
            raise self._doubtful("a kept grant cannot be read: was it sealed with another key?") from None

    async def _sealed(self, account: str) -> bytes | None:
        try:
            return await self._store.get(store_key(self._source, account))
        except GrantStoreUnavailable:
            raise self._doubtful("the store of grants does not answer") from None

    async def _swapped(self, account: str, known: bytes | None, value: bytes) -> bool:
        try:
            return await self._store.swap(store_key(self._source, account), known, value)
        except GrantStoreUnavailable:
            raise self._doubtful("the store of grants does not answer") from None

    async def _save(self, account: str, claim: bytes, record: Record) -> None:
        """Puts what came of a renewal in the place of our claim. What the vendor gave is lost where the store
        is gone for longer than this: the token serves here until it expires, and then the grant is in
        doubt."""
        value = self._seal.close(record, self._source, account)
        for pause_s in _SAVE_PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                if not await self._store.swap(store_key(self._source, account), claim, value):
                    log.warning("%s: a grant was changed while it was renewed", self._source)
                return
            except GrantStoreUnavailable:
                continue
        log.error("%s: a renewed grant could not be kept: the store does not answer", self._source)

    def _doubtful(self, detail: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            self._source, f"{self._source} cannot be asked about this person at the moment.", detail=detail
        )


def _usable(grant: Grant, refused: str | None) -> Held | None:
    """The access token where it may still be sent."""
    token = grant.access_token
    if token is None or token == refused:
        return None
    expires_at = _FOREVER if grant.expires_at is None else grant.expires_at
    if expires_at <= time.time():
        return None
    renew_at = expires_at - EARLY_S if grant.renew_at is None else grant.renew_at
    return Held(token, bearer(token), renew_at, expires_at)


def _grant_of(token: Token, before: Grant) -> Grant:
    """What is kept after a renewal. Where no new refresh token came, the old one stays good (RFC 6749 section
    6)."""
    refresh, lifetime_s, now = token.refresh or before.refresh_token, token.lifetime_s, time.time()
    if lifetime_s is None:
        return Grant(token.access, refresh)
    return Grant(token.access, refresh, now + expires_s(lifetime_s), now + renewal_s(lifetime_s))
