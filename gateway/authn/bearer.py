"""Bearer tokens (RFC 6750): each goes to the issuer that may have made it, and is remembered when checked.

A JWT goes to the issuer that it names, if that is configured, and to nobody else. Any other token is shown
to the issuers of opaque tokens, in the order of the settings, until one knows it.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, TypeVar

from gateway.authn.authenticator import Credentials, CredentialsMissing, KeysUnavailable, TokenInvalid
from gateway.authn.introspection import OpaqueIssuer
from gateway.authn.jwt import TOKEN_BYTES_MAX, JwtIssuer, UnverifiedJwt, read_jwt
from gateway.authn.verified import VerifiedToken
from permissions.principal import Principal

VERIFIED_KEPT: Final = 10_000
REFUSED_KEPT: Final = 10_000
REFUSED_KEPT_S: Final = 5.0

_TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 section 2.1

Issuer = JwtIssuer | OpaqueIssuer
Kept = TypeVar("Kept")


class BearerAuthenticator:
    """Recognises callers by access tokens of the configured issuers.

    A verified token is remembered by the SHA-256 of its header until it expires, its key is retired, or,
    where it was introspected, the cache time is over. A token that introspection refused is remembered for
    5 s.
    """

    def __init__(self, issuers: Iterable[Issuer], clock: Callable[[], float] = time.time) -> None:
        self._issuers = tuple(issuers)
        self._signing = {one.settings.issuer: one for one in self._issuers if isinstance(one, JwtIssuer)}
        self._asked = [one for one in self._issuers if isinstance(one, OpaqueIssuer)]
        self._clock = clock
        self._verified: OrderedDict[bytes, VerifiedToken] = OrderedDict()
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[VerifiedToken]] = {}

    def at_once(self, credentials: Credentials) -> Principal | None:
        """The principal of a token that was verified before and holds, by what is known already."""
        shown = credentials.authorization
        if shown is None:
            return None
        verified = self._verified.get(sha256(shown.encode()).digest())
        if verified is None or self._clock() >= verified.until_s:
            return None
        if verified.certificate is not None and verified.certificate != credentials.certificate:
            return None
        keys = verified.keys
        if keys is not None and (keys.clock() >= keys.renew_at or verified.key not in keys.thumbprints):
            return None
        return verified.principal

    async def authenticate(self, credentials: Credentials) -> Principal:
        """The principal of a Bearer token; raises `AuthenticationFailed`."""
        token = bearer_token(credentials.authorization)
        # Under its whole header, which need not be taken apart the next time.
        shown = sha256((credentials.authorization or "").encode()).digest()
        verified = self._verified.get(shown)
        if verified is None or not await verified.holds(self._clock()):
            self._verified.pop(shown, None)
            verified = await self._verify(token, sha256(token).digest())
            _keep(self._verified, shown, verified, VERIFIED_KEPT)
        return verified.shown_with(credentials)

    async def close(self) -> None:
        """Ends what is being fetched."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for issuer in self._issuers:
            await issuer.close()

    async def _verify(self, token: bytes, digest: bytes) -> VerifiedToken:
        unverified = read_jwt(token)
        if unverified is not None:
            signing = self._signing.get(unverified.issuer or "")
            if signing is not None:
                return await signing.verify(unverified, self._clock())
        asked = self._asked if unverified is None else self._asked_for(unverified)
        if not asked:
            raise TokenInvalid("no configured issuer may have made the token")
        if _TOKEN.fullmatch(token) is None:
            raise TokenInvalid("not a token by its characters")
        if self._refused.get(digest, 0.0) > self._clock():
            raise TokenInvalid("introspection refused the token a moment ago")
        # Shielded: a caller that goes away must not take the answer from the others.
        return await asyncio.shield(self._ask_once(token, digest, asked))

    def _asked_for(self, token: UnverifiedJwt) -> list[OpaqueIssuer]:
        return [
            one
            for one in self._asked
            if one.settings.introspection.takes_jwts and one.settings.issuer == token.issuer
        ]

    def _ask_once(
        self, token: bytes, digest: bytes, asked: list[OpaqueIssuer]
    ) -> "asyncio.Task[VerifiedToken]":
        """The one question about a token under way, started where there is none."""
        task = self._asking.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(token.decode(), digest, asked), name="introspection")
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        return task

    def _answered(self, digest: bytes, task: "asyncio.Task[VerifiedToken]") -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def _ask(self, token: str, digest: bytes, asked: list[OpaqueIssuer]) -> VerifiedToken:
        try:
            return await self._known_to_one(token, asked)
        except TokenInvalid:
            _keep(self._refused, digest, self._clock() + REFUSED_KEPT_S, REFUSED_KEPT)
            raise

    async def _known_to_one(self, token: str, asked: list[OpaqueIssuer]) -> VerifiedToken:
        silent: KeysUnavailable | None = None
        for issuer in asked:
            try:
                verified = await issuer.verify(token, self._clock())
            except KeysUnavailable as problem:
                silent = problem
                continue
            if verified is not None:
                return verified
        if silent is not None:  # it might have known the token
            raise silent
        raise TokenInvalid("the token is not active")


def bearer_token(authorization: str | None) -> bytes:
    """The token of an Authorization header (RFC 6750 section 2.1)."""
    if authorization is None:
        raise CredentialsMissing
    if len(authorization) > TOKEN_BYTES_MAX:
        raise TokenInvalid("too long")
    scheme, _, token = authorization.strip(" ").partition(" ")
    if scheme.lower() != "bearer":
        raise TokenInvalid("not a Bearer token")
    try:
        return token.strip(" ").encode("ascii")
    except UnicodeEncodeError as problem:
        raise TokenInvalid("not ASCII") from problem


def _keep(kept: "OrderedDict[bytes, Kept]", digest: bytes, value: Kept, count: int) -> None:
    """Remembers a value, and forgets the oldest of too many."""
    kept[digest] = value
    while len(kept) > count:
        kept.popitem(last=False)
