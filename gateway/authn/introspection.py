"""Opaque access tokens: the issuer is asked what they are (RFC 7662)."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from gateway.authn.authenticator import KeysUnavailable
from gateway.authn.binding import bound_certificate
from gateway.authn.claims import Claims, check_answer
from gateway.authn.client_authentication import client_authentication
from gateway.authn.issuer import OpaqueIssuerSettings
from gateway.authn.metadata import IssuerMetadata, MetadataUnavailable, fetch_json
from gateway.authn.principals import principal_of
from gateway.authn.verified import VerifiedToken
from gateway.secrets import SecretInvalid, Secrets

ASKED_AT_ONCE: Final = 32
PAUSE_AFTER_SILENCE_S: Final = 1.0


class OpaqueIssuer:
    """An accepted issuer that is asked about its tokens.

    An endpoint that does not answer at all is left alone for a moment, so that the callers of other issuers
    need not wait for it.
    """

    def __init__(
        self,
        settings: OpaqueIssuerSettings,
        client: httpx.AsyncClient,
        secrets: Secrets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.metadata = IssuerMetadata(
            settings.issuer, client, {"introspection_endpoint": settings.introspection.endpoint}
        )
        self._client = client
        self._prove = client_authentication(settings.introspection, settings.issuer, secrets)
        self._clock = clock
        self._slots = asyncio.Semaphore(ASKED_AT_ONCE)
        self._next_ask_at = float("-inf")

    async def verify(self, token: str, now_s: float) -> VerifiedToken | None:
        """The token, checked in every respect; None where the issuer says that it is not active.

        It holds no longer than `cache_s` from now and never past its `exp`. Raises `TokenInvalid` for an
        answer that lacks what it must have, `KeysUnavailable` where no answer can be had.
        """
        answer = await self.introspect(token)
        if not answer["active"]:
            return None
        check_answer(answer, self.settings, now_s)
        certificate = bound_certificate(answer.get("cnf"), self.settings.bound_tokens_required)
        principal = principal_of(answer, self.settings)
        until_s = min(now_s + self.settings.introspection.cache_s, principal.expires_at)
        return VerifiedToken(principal, until_s, certificate)

    async def introspect(self, token: str) -> Claims:
        """The issuer's answer, of which only `active` is checked; raises `KeysUnavailable`."""
        if self._clock() < self._next_ask_at:
            raise KeysUnavailable("introspection did not answer a moment ago")
        try:
            async with asyncio.timeout(self.settings.introspection.timeout_s), self._slots:
                answer = await self._asked(token)
        except TimeoutError as problem:
            raise KeysUnavailable("introspection took too long") from problem
        except (MetadataUnavailable, SecretInvalid) as problem:
            raise KeysUnavailable(f"introspection failed: {problem}") from problem
        if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
            raise KeysUnavailable("introspection gave no answer of RFC 7662")
        return answer

    async def close(self) -> None:
        """Ends what is being fetched."""
        await self.metadata.close()

    async def _asked(self, token: str) -> Any:
        proof = self._prove()
        form = {"token": token, "token_type_hint": "access_token", **proof.form}
        try:
            endpoint = await self.metadata.address("introspection_endpoint")
            answer, _ = await fetch_json(self._client, endpoint, form, proof.headers)
        except asyncio.CancelledError:  # the time is over; waiting for a slot is not the endpoint's silence
            self._next_ask_at = self._clock() + PAUSE_AFTER_SILENCE_S
            raise
        return answer
